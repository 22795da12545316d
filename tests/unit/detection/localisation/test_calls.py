"""The service whose harm its callees do not explain."""

from __future__ import annotations

import numpy as np
import pytest

from aiops_provider.detection.localisation.calls import ServiceSeries, rank_services

MOMENTS = [0.0, 300.0, 600.0, 900.0, 1200.0]
CALLS = [("site", "search"), ("site", "pay"), ("search", "table"), ("pay", "mail")]


def series(before, after, *, calls=100.0, at=2):
    values = np.array([before] * at + [after] * (5 - at), dtype=float)
    return ServiceSeries(values, np.full(5, calls))


def ranked(found, onset=600.0, **more):
    return rank_services(found, CALLS, moments=MOMENTS, onset=onset, target="site", **more)


SLOW_TABLE = {
    "site": series(0.2, 0.7),
    "search": series(0.1, 0.6),
    "table": series(0.02, 0.52),
    "pay": series(0.1, 0.1),
    "mail": series(0.1, 0.1),
}


def test_the_last_slow_one_on_the_way_is_told():
    """Its callers are slow because of it."""
    first, *others = ranked(SLOW_TABLE)

    assert ("table", 2) == (first.service, first.calls_away)
    assert first.own == pytest.approx(50.0)
    assert first.share > 0.99
    assert all(one.own < 1.0 for one in others)


def test_harm_counts_not_slowness():
    """A second more once a period is less than a tenth of a second a thousand times."""
    found = {
        "site": series(0.2, 0.3, calls=1000.0),
        "pay": series(0.1, 0.2, calls=1000.0),
        "table": series(1.0, 2.0, calls=1.0),
    }

    assert "pay" == ranked(found)[0].service


def test_an_availability_falls():
    """Lower is worse."""
    found = {name: series(100.0, 100.0) for name in ("site", "search", "pay")}
    found |= {"site": series(100.0, 80.0), "pay": series(100.0, 80.0)}

    assert "pay" == ranked(found, higher_is_worse=False)[0].service
    assert 0.0 == max(one.own for one in ranked(found))


def test_who_calls_a_new_callee_is_at_fault():
    """A service that began to call a table that does not exist."""
    missing = ServiceSeries(
        np.array([np.nan, np.nan, 0.9, 0.9, 0.9]), np.array([np.nan, np.nan, 50, 50, 50])
    )
    found = {"site": series(0.1, 0.6), "search": series(0.1, 0.6), "table": missing}
    first = ranked(found)[0]

    assert "search" == first.service
    assert ["table"] == [one.service for one in ranked(found) if one.new]


@pytest.mark.parametrize("wrong", [-300.0, 0.0, 300.0])
def test_an_onset_wrong_by_a_sample_changes_nothing(wrong):
    """The step of the target's own KPI decides."""
    found = ranked(SLOW_TABLE, onset=600.0 + wrong)

    assert "table" == found[0].service
    assert found[0].own == pytest.approx(50.0)


def test_only_what_the_target_reaches_is_ranked():
    """Somebody else's trouble is not this one's."""
    found = {**SLOW_TABLE, "elsewhere": series(1.0, 100.0)}

    assert "elsewhere" not in {one.service for one in ranked(found)}


def test_a_circle_of_calls_ends():
    """Two that call one another."""
    found = rank_services(
        SLOW_TABLE,
        [*CALLS, ("table", "site"), ("table", "table")],
        moments=MOMENTS,
        onset=600.0,
        target="site",
    )

    assert 5 == len(found)


def test_a_service_without_figures_is_passed_through():
    """Nobody measured the one between."""
    found = {name: one for name, one in SLOW_TABLE.items() if name != "search"}

    assert "table" == ranked(found)[0].service


def test_gaps_and_unknown_calls():
    """NaN is unknown, and where nobody counted calls all moments weigh alike."""
    values = np.array([0.1, np.nan, 0.6, np.nan, 0.6])
    found = {"site": ServiceSeries(values), "pay": ServiceSeries(np.full(5, np.nan))}

    assert ["site"] == [one.service for one in ranked(found) if one.own > 0.0]


def test_what_cannot_be_ranked_is_refused():
    """One moment, or a target that nobody measured."""
    with pytest.raises(ValueError, match="at least two moments"):
        rank_services({}, [], moments=[1.0], onset=1.0, target="site")
    with pytest.raises(ValueError, match="'site'"):
        rank_services({}, [], moments=[1.0, 2.0], onset=1.0, target="site")
