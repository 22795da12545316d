"""What false alarms bring together, and what they do not."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from aiops_provider.detection.chance import Chance, false_alarm_share
from aiops_provider.detection.evidence import Row
from aiops_provider.detection.limits import FALSE_PER_WEEK
from aiops_provider.domain.kpi import SeriesKey

NOW = datetime(2026, 11, 2, 14, tzinfo=UTC)


def row(task, cluster, *, bad=False, kpi="rows"):
    return Row(
        series=SeriesKey(kpi, (("task", task),)),
        observed_at=NOW,
        attributes={"task": task, "cluster": cluster, "kpi": kpi},
        value=1.0,
        expected=2.0,
        alarm=f"{kpi}/{task}" if bad else None,
    )


def rows(bad, *, tasks=4, clusters="abcd", kpis=1):
    """Rows in alarm and healthy ones, of every task on every cluster."""
    found = [
        row(f"{cluster}{task}", cluster, bad=bad(cluster, task, kpi), kpi=f"k{kpi}")
        for cluster in clusters
        for task in range(tasks)
        for kpi in range(kpis)
    ]
    return [one for one in found if one.alarm], [one for one in found if not one.alarm]


def test_the_share_of_false_alarms_is_learned():
    """From a guess to what the installation shows."""
    shares = [false_alarm_share(unexplained, 10_000) for unexplained in (0, 20, 200)]

    assert sorted(shares) == shares
    assert shares[0] < 0.001
    assert 0.015 < shares[2] < 0.025
    assert 1.0 > false_alarm_share(50, 10)


def test_a_whole_cluster_in_alarm_is_no_chance():
    """Four of four tasks there."""
    alarmed, healthy = rows(lambda cluster, task, kpi: cluster == "a")

    assert not Chance().explains({"cluster": "a"}, alarmed, healthy)


def test_as_many_as_everywhere_is_chance():
    """Where one KPI in five is in false alarm, one of four tasks is nothing."""
    alarmed, healthy = rows(lambda cluster, task, kpi: cluster == "a" and task == 0)

    assert Chance(0.2).explains({"cluster": "a"}, alarmed, healthy)


def test_the_same_witnesses_say_less_where_false_alarms_are_common():
    """Two of two tasks convince a quiet installation only."""
    alarmed, healthy = rows(lambda cluster, task, kpi: cluster == "a", tasks=2)

    assert not Chance(0.001).explains({"cluster": "a"}, alarmed, healthy)
    assert Chance(0.05).explains({"cluster": "a"}, alarmed, healthy)


def test_the_more_values_there_are_the_more_it_takes():
    """One task of five hundred is oftener in alarm by chance than one cluster of four."""
    alarmed, healthy = rows(lambda cluster, task, kpi: cluster == "a", tasks=2)
    many = [row(f"t{n}", f"c{n}") for n in range(2_000)]

    assert Chance(0.005).explains({"cluster": "a"}, alarmed, [*healthy, *many])
    assert not Chance(0.005).explains({"cluster": "a"}, alarmed, healthy)


def test_a_cause_that_nothing_in_alarm_has_is_chance():
    """Nothing speaks for it."""
    assert Chance().explains({"cluster": "z"}, [row("t", "a", bad=True)], [])


@pytest.mark.parametrize("kpis", [1, 50])
def test_false_alarms_alone_keep_within_the_budget(kpis):
    """Drawn at random again and again, they are told in no more than the budget's share of looks."""
    rng = np.random.default_rng(0)
    share, told, looks = 0.02, 0, 400
    for _ in range(looks):
        drawn = rng.random((4, 4, kpis)) < share
        alarmed, healthy = rows(
            lambda c, t, k, drawn=drawn: drawn["abcd".index(c), t, k], kpis=kpis
        )
        told += any(not Chance(share).explains({"cluster": c}, alarmed, healthy) for c in "abcd")
        told += bool(Chance(share).leaves(alarmed, healthy))

    assert told <= looks * FALSE_PER_WEEK / 672 + 3.0
