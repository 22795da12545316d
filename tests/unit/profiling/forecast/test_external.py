"""Forecasters of others take part, and can do no harm."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.metadata import EntryPoint

import numpy as np
import pytest

from aiops_provider.errors import ConfigurationError
from aiops_provider.profiling.forecast import (
    DemandForecaster,
    ForecasterSpec,
    external,
    forecast_demand,
    open_forecasters,
)
from aiops_provider.profiling.forecast.selection import combine


def demand(days: int = 28) -> np.ndarray:
    """Hours whose cycle grows by a factor that no built-in forecaster knows."""
    hours = np.arange(24 * days)
    chance = np.random.default_rng(3)
    return 100 + 30 * np.sin(2 * np.pi * hours / 24) + chance.normal(0, 3, len(hours))


@dataclass(frozen=True)
class Other:
    """What a foreign forecaster may do."""

    answer: object
    name: str = "other"

    def forecast(self, values, horizon, periods):
        return self.answer(values, horizon, periods) if callable(self.answer) else self.answer


def knows_the_future(values, horizon, periods):
    hours = np.arange(len(values), len(values) + horizon)
    return 100 + 30 * np.sin(2 * np.pi * hours / 24)


def test_one_that_is_better_takes_part():
    """Its share follows from its errors at past origins, and the forecast is the better for it."""
    past = demand()
    alone = combine(past, 24, (24,))
    together = combine(past, 24, (24,), others=[Other(knows_the_future)])
    assert "other" in dict(together.weights)
    assert np.abs(together.errors).mean() < np.abs(alone.errors).mean()
    made = forecast_demand(past, 24, others=[Other(knows_the_future)])
    assert "other" in made.method


def raises(values, horizon, periods):
    raise KeyError("no such season")


@pytest.mark.parametrize(
    "answer",
    [
        raises,
        lambda values, horizon, periods: np.full(horizon, 1e9),
        lambda values, horizon, periods: np.full(horizon, np.nan),
        lambda values, horizon, periods: np.zeros(horizon + 1),
        lambda values, horizon, periods: "many",
        None,
    ],
    ids=["raises", "explodes", "no number", "misshapen", "text", "nothing"],
)
def test_one_that_fails_is_left_out(answer):
    """And the forecast is as it would have been."""
    past = demand()
    made, alone = forecast_demand(past, 24, others=[Other(answer)]), forecast_demand(past, 24)
    assert "left out: other" in made.reason
    np.testing.assert_array_equal(made.p50, alone.p50)


def test_one_that_is_worse_than_the_naive_has_no_share():
    """Within the range of the past, but wrong."""
    wrong = Other(lambda values, horizon, periods: np.full(horizon, values.max()))
    assert "other" not in dict(combine(demand(), 24, (24,), others=[wrong]).weights)


def test_one_cannot_change_the_past():
    """It is handed a copy."""

    def spoils(values, horizon, periods):
        values[:] = 0.0
        return values[:horizon]

    past = demand()
    kept = past.copy()
    combine(past, 24, (24,), others=[Other(spoils)])
    np.testing.assert_array_equal(past, kept)


def test_one_named_like_ours_stands_beside_it():
    """It takes the place of none."""
    same = Other(knows_the_future, name="theta 24")
    named = dict(combine(demand(), 24, (24,), others=[same]).weights)
    assert "other theta 24" in named


def test_an_unknown_name_is_told_with_those_known():
    """A misspelt one is not ignored."""
    with pytest.raises(ConfigurationError, match=r"profiling\.forecasters.*prophet.*statsforecast"):
        open_forecasters([ForecasterSpec(name="prophet")])


@pytest.mark.parametrize(
    ("name", "library"),
    [("statsforecast", "statsforecast"), ("chronos", "chronos"), ("timesfm", "timesfm")],
)
def test_a_missing_library_is_told_with_its_extra(monkeypatch, name, library):
    """The line to type stands in the error."""
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(
        ConfigurationError, match=rf"pip install 'aiops-provider\[forecast-{name}\]'"
    ):
        open_forecasters([ForecasterSpec(name=name, model="MSTL" if name[0] == "s" else "/m")])


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (ForecasterSpec(name="statsforecast", model="Prophet"), "Known: MSTL, AutoETS"),
        (ForecasterSpec(name="statsforecast", options={"season": 3}), "season"),
        (ForecasterSpec(name="chronos"), "amazon/chronos-bolt-small"),
        (ForecasterSpec(name="chronos", model="/m", options={"gpu": 1}), "Known: device"),
        (ForecasterSpec(name="timesfm"), "google/timesfm"),
        (ForecasterSpec(name="timesfm", model="/m", options={"gpu": 1}), "takes none"),
    ],
)
def test_what_cannot_be_used_is_told_before_anything_is_loaded(spec, words):
    """Names the field and the mend, with or without the library."""
    with pytest.raises(ConfigurationError, match=words):
        open_forecasters([spec])


def test_another_package_brings_one_by_entry_point(monkeypatch):
    """It is opened with what aiops.yaml says."""
    monkeypatch.setattr(
        external,
        "entry_points",
        lambda group: [EntryPoint(name="ours", value=f"{__name__}:opened", group=group)],
    )
    monkeypatch.setitem(sys.modules, __name__, sys.modules.get(__name__) or _this())
    (made,) = open_forecasters([ForecasterSpec(name="ours", model="m")])
    assert isinstance(made, DemandForecaster)
    assert made.name == "m"
    monkeypatch.setattr(
        external,
        "entry_points",
        lambda group: [EntryPoint(name="ours", value="builtins:repr", group=group)],
    )
    with pytest.raises(ConfigurationError, match="makes no DemandForecaster but a str"):
        open_forecasters([ForecasterSpec(name="ours")])


def opened(spec):
    return Other(knows_the_future, name=spec.model)


def _this():
    from types import SimpleNamespace

    return SimpleNamespace(opened=opened)
