"""
Forecasts of demand against the forecasters that people would install.

Each task: fit on the past, forecast the horizon. The ratio of a peer is its mean absolute error by
that of the seasonal naive forecast of the same task (so the ratio of their MASEs), with a geometric
mean per data set. Peers whose package is missing are named in the notes, not left out in silence.
"""

from __future__ import annotations

import argparse
import math
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.command import Options, run
from benchmarks.profiling.demand_series import Task, tasks
from benchmarks.report import Must, Report, at_least, at_most

Values = NDArray[np.float64]
QUANTILES = (0.1, 0.5, 0.9)


@dataclass(frozen=True, slots=True)
class Score:
    """Of one peer at one task."""

    ratio: float
    mase: float
    smape: float
    pinball: float
    covered: float
    ms: float


# Past and future's length in; lower, middle and upper end of the 80 % interval out.
Peer = Callable[[Task], tuple[Values, Values, Values]]


def _ours(task: Task) -> tuple[Values, Values, Values]:
    from aiops_provider.profiling.forecast import forecast_demand

    forecast = forecast_demand(task.past.tolist(), len(task.future), step_s=task.step_s)
    return forecast.p10, forecast.p50, forecast.p90


def _naive(period_of: Callable[[Task], int]) -> Peer:
    """Seasonal naive with the normal interval of Hyndman and Athanasopoulos (5.5)."""

    def forecast(task: Task) -> tuple[Values, Values, Values]:
        period = min(period_of(task), len(task.past) // 2)
        horizon = len(task.future)
        middle = np.resize(task.past[-period:], horizon)
        spread = float((task.past[period:] - task.past[:-period]).std())
        reach = 1.2816 * spread * np.sqrt(np.arange(horizon) // period + 1.0)
        return middle - reach, middle, middle + reach

    return forecast


def _statsforecast(model_of: Callable[[Task], object]) -> Peer:
    def forecast(task: Task) -> tuple[Values, Values, Values]:
        model = model_of(task)
        answer = model.forecast(y=task.past, h=len(task.future), level=[80])  # type: ignore[attr-defined]
        return answer["lo-80"], answer["mean"], answer["hi-80"]

    return forecast


def _seasons(task: Task) -> list[int]:
    wanted = [24, 168] if task.season == 24 else [task.season]
    return [season for season in wanted if 2 * season < len(task.past)]


def _flair(task: Task) -> tuple[Values, Values, Values]:
    from flaircast import forecast

    samples = np.asarray(
        forecast(task.past, len(task.future), "H" if task.season == 24 else "D", seed=0)
    )
    low, middle, high = np.quantile(samples, QUANTILES, axis=0)
    return low, middle, high


def _peers(wanted: str | None) -> tuple[dict[str, Peer], list[str]]:
    peers: dict[str, Peer] = {
        "aiops": _ours,
        "seasonal naive": _naive(lambda task: task.season),
        "seasonal naive, week": _naive(lambda task: 168 if task.season == 24 else task.season),
    }
    notes = []
    try:
        from statsforecast.models import MSTL, AutoETS, AutoTheta
    except ImportError:
        notes.append("**Skipped: AutoTheta, AutoETS, MSTL** (statsforecast is not installed).")
    else:
        peers["AutoTheta"] = _statsforecast(lambda t: AutoTheta(season_length=t.season))
        peers["AutoETS"] = _statsforecast(lambda t: AutoETS(season_length=t.season))
        peers["MSTL"] = _statsforecast(lambda t: MSTL(season_length=_seasons(t)))
    try:
        import flaircast
    except ImportError:
        notes.append("**Skipped: flaircast** (not installed).")
    else:
        peers[f"flaircast {getattr(flaircast, '__version__', '')}".strip()] = _flair
    if wanted:
        peers = {n: p for n, p in peers.items() if any(w in n for w in wanted.split(","))}
    return peers, notes


def _score(peer: Peer, task: Task) -> Score:
    # Processor time: the wall clock of a shared machine tells of its other users.
    started = time.process_time()
    low, middle, high = peer(task)
    ms = 1000 * (time.process_time() - started)
    actual, season = task.future, task.season
    error = float(np.abs(actual - middle).mean())
    naive = float(np.abs(actual - np.resize(task.past[-season:], len(actual))).mean())
    scale = float(np.abs(task.past[season:] - task.past[:-season]).mean())
    both = np.abs(actual) + np.abs(middle)
    losses = [
        np.maximum(q * (actual - f), (q - 1) * (actual - f))
        for q, f in zip(QUANTILES, (low, middle, high), strict=True)
    ]
    return Score(
        ratio=error / naive if naive > 0 else math.nan,
        mase=error / scale if scale > 0 else math.nan,
        smape=float(200 * (np.abs(actual - middle) / np.where(both > 0, both, 1)).mean()),
        pinball=float(2 * np.mean(losses) / max(np.abs(actual).mean(), 1e-9)),
        covered=float(((actual >= low) & (actual <= high)).mean()),
        ms=ms,
    )


def _row(
    peer: str, data: str, chosen: Sequence[Task], scores: Sequence[Score]
) -> dict[str, object]:
    ratios = np.array([s.ratio for s in scores])
    ratios = np.maximum(ratios[np.isfinite(ratios)], 1e-3)
    points = np.array([len(task.future) for task in chosen])
    return {
        "peer": peer,
        "data": data,
        "tasks": len(scores),
        "points": int(points.sum()),
        "MASE ratio, geometric mean": float(np.exp(np.log(ratios).mean())),
        "MASE": float(np.nanmean([s.mase for s in scores])),
        "sMAPE %": float(np.mean([s.smape for s in scores])),
        "pinball / mean": float(np.median([s.pinball for s in scores])),
        "cover of 80 %": float(np.average([s.covered for s in scores], weights=points)),
        "CPU ms, mean": float(np.mean([s.ms for s in scores])),
        "CPU ms, p95": float(np.quantile([s.ms for s in scores], 0.95)),
    }


def _ratio_interval(ours: Values, theirs: Values, seed: int) -> tuple[float, float]:
    """95 % paired-bootstrap interval of the ratio of geometric means."""
    difference = np.log(np.maximum(ours, 1e-3)) - np.log(np.maximum(theirs, 1e-3))
    difference = difference[np.isfinite(difference)]
    draws = np.random.default_rng(seed).integers(len(difference), size=(2000, len(difference)))
    low, high = np.quantile(difference[draws].mean(axis=1), (0.025, 0.975))
    return float(np.exp(low)), float(np.exp(high))


def measure(options: Options) -> Report:
    """Every peer at every task."""
    chosen = tasks(options.data, shift=options.extra.shift, every=options.extra.every)
    peers, notes = _peers(options.extra.peers)
    rows, ratios, pooled = [], {}, {}
    sets = list(dict.fromkeys(task.data for task in chosen))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the peers' own, about their fits
        for name, peer in peers.items():
            peer(chosen[0])  # what is compiled or imported at the first call is not counted
            scores = [_score(peer, task) for task in chosen]
            ratios[name] = np.array([s.ratio for s in scores])
            for data in sets:
                mine = [index for index, task in enumerate(chosen) if task.data == data]
                rows.append(_row(name, data, [chosen[i] for i in mine], [scores[i] for i in mine]))
            pooled[name] = _row(name, "all", chosen, scores)
            rows.append(pooled[name])
    musts: list[Must] = []
    if "aiops" in pooled:
        ours = pooled["aiops"]
        others = {n: r["MASE ratio, geometric mean"] for n, r in pooled.items() if n != "aiops"}
        if others:
            best = min(others, key=lambda n: float(str(others[n])))
            low, high = _ratio_interval(ratios["aiops"], ratios[best], options.seed)
            notes.append(f"aiops by the best peer ({best}): 95 % interval {low:.3f}–{high:.3f}.")
            musts.append(
                at_most(
                    f"geometric mean of MASE ratios (best peer: {best})",
                    _number(ours["MASE ratio, geometric mean"]),
                    _number(others[best]),
                )
            )
        musts += [
            at_most("CPU ms per series, mean", _number(ours["CPU ms, mean"]), 50.0),
            at_least("cover of 80 %, pooled", _number(ours["cover of 80 %"]), 0.76),
            at_most("cover of 80 %, pooled", _number(ours["cover of 80 %"]), 0.84),
        ]
    notes.append(
        "Test parts: the last horizon of each series (m4_hourly 48 h, every "
        f"{options.extra.every}. series; nab_demand and gentd26 three days, day ahead; wiki_daily "
        "three times 28 days). Everything was chosen at `--shift 3`, which ends before them."
    )
    if options.extra.shift:
        notes.append(f"Development run: the origin lies {options.extra.shift} horizons earlier.")
    return Report(
        bench="profiling.demand_forecast",
        data=", ".join(sets),
        seed=options.seed,
        rows=rows,
        musts=musts,
        notes=notes,
    )


def _number(value: object) -> float:
    return float(str(value))


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--shift", type=int, default=0, help="horizons to go back (for choosing)")
    parser.add_argument("--every", type=int, default=2, help="take every N-th series of m4_hourly")
    parser.add_argument("--peers", help="only those whose name contains one of these, by comma")


if __name__ == "__main__":
    raise SystemExit(run("profiling", measure, add_options=_add_options))
