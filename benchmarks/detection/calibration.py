"""
Calibration: are p-values of quiet samples uniform, is the share of false alarms within its bound?

``python -m benchmarks.detection.calibration [--data FOLDER] [--series N]``. What is quiet is known: noise
are residuals of every second series of ``ms_cloud_monitoring`` (those that decided nothing), drawn
independently, or those series themselves where nobody labelled them. Then known signals are mixed in, one
at a time and in bursts, and the share of false ones among the alarms is counted, first of the procedure
alone, on p-values that are uniform by construction, then of the whole engine.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from aiops_provider.detection.discovery import Discoveries
from aiops_provider.detection.limits import WatchConfig
from aiops_provider.detection.rules_file import default_rules
from aiops_provider.detection.scoring.windows import Flags, Floats, flags_of
from aiops_provider.detection.verdict import ALARM_P
from aiops_provider.detection.watch import Watch
from benchmarks.command import Options, run
from benchmarks.detection.labelled_series import LabelledSeries, read_cloud_monitoring
from benchmarks.detection.quiet_series import START, hour_of, quiet_values
from benchmarks.detection.shipped_detectors import (
    SEQUENTIAL,
    sequential_p_values,
    shipped_p_values,
)
from benchmarks.report import Must, Report, at_most

_TAILS = (1e-2, 1e-3, 1e-4)
_GRID = np.concatenate((np.linspace(0.005, 1.0, 200), _TAILS))
# Samples of a series before those that count, and as many that do.
_SETTLED = 500
# A labelled anomaly may go on for some time after its label.
_AFTER_LABEL = 100
_RESAMPLES = 1_000
_RATE = WatchConfig().false_discovery_rate
_EXCESS = 0.05

_HISTORY, _JUDGED = 168, 48
_NORMAL_NOISE = 0.05
_NORMAL, _DRAWN = "normal, 5 %", "drawn"
_NOISES = (_NORMAL, _DRAWN)
_BURST = 8  # hours whose signals come in one
_SHARES = (0.0, 0.001, 0.01, 0.1)
_PROCEDURE_SERIES, _PROCEDURE_HOURS = 1_000, 2_000
_PROCEDURE_EFFECT = 4.0  # standard deviations
_PARTS = 10


@dataclass(frozen=True, slots=True)
class _Counted:
    """Of every hour: false alarms, alarms, signals."""

    false: Floats
    told: Floats
    signals: float


def measure(options: Options) -> Report:
    """First the p-values, then the share of false alarms."""
    real = read_cloud_monitoring(options.data / "ms_cloud_monitoring")[1::2]
    rows = [*_uniformity(real, options), *_discoveries(real, options)]
    return Report(
        bench="detection.calibration",
        data="ms_cloud_monitoring, every second series",
        seed=options.seed,
        rows=rows,
        musts=list(_musts(rows)),
        notes=[
            f"Drawn: {options.extra.series} hourly series of {2 * _SETTLED} samples with levels of their own; "
            "noise are the relative residuals of a real series, drawn independently; normal noise beside it "
            "shows what is the procedure's. In order: the real "
            f"series themselves without what is labelled and {_AFTER_LABEL} samples after it, which are "
            "normal as far as their labels go. The first "
            f"{_SETTLED} samples of each do not count.",
            "Excess: the most by which the share of p-values at or below some p exceeds p, 0 where they are "
            "uniform or larger; KS: the largest difference either way. Ratio: share of p-values at or below "
            f"p, over p. […]: 95 % of {_RESAMPLES} bootstrap resamples of the series. The sequential test "
            "tells the inverse of its evidence, which stays once it is there: of it the stretches that begin are "
            "counted, which is what it promises to keep below p. For it a series is one run.",
            f"False share: mean over the hours of the share of false ones among an hour's alarms, 0 where there "
            f"is none; its bound is {_RATE}. […]: 95 % of as many resamples of the hours.",
            f"Procedure: {_PROCEDURE_SERIES} series, {_PROCEDURE_HOURS} hours, signals of {_PROCEDURE_EFFECT:g} "
            f"deviations. Engine: {_HISTORY} hours of history, {_JUDGED} watched, "
            f"{options.extra.watched} series; a signal leaves 5 % to 50 % of one sample; default rules. "
            f"Bursts: the signals of {_BURST} hours in one. In parts: an hour's samples arrive in {_PARTS} batches, "
            f"each judged with those before it; the engine never alarms above p = {ALARM_P:g} either.",
        ],
    )


def _uniformity(real: Sequence[LabelledSeries], options: Options) -> Iterator[dict[str, Any]]:
    rng = np.random.default_rng([options.seed, 1])
    times = START.timestamp() + 3600.0 * np.arange(2 * _SETTLED)
    for noise in (*_NOISES, "in order"):
        series = real
        if noise != "in order":
            values = _quiet(rng, real, noise, options.extra.series, 2 * _SETTLED)
            series = [
                LabelledSeries(name=f"drawn-{place}", times=times, values=one, windows=())
                for place, one in enumerate(values)
            ]
        counted = [_counted(one) for one in series]
        for name, p_values in shipped_p_values(series).items():
            kept = [one[which] for one, which in zip(p_values, counted, strict=True)]
            below = [np.searchsorted(np.sort(one), _GRID, side="right") for one in kept]
            yield {"peer": name, "noise": noise} | _fit(below, [len(one) for one in kept], options)
        if noise != "in order":  # a run has no gaps
            runs = [sequential_p_values(one)[_SETTLED:] for one in series]
            begun = [[_times_begun(one <= level) for level in _GRID] for one in runs]
            sizes = [len(one) for one in runs]
            yield {"peer": SEQUENTIAL, "noise": noise} | _fit(begun, sizes, options)


def _quiet(
    rng: np.random.Generator, real: Sequence[LabelledSeries], noise: str, count: int, samples: int
) -> Floats:
    if noise == _NORMAL:
        levels = rng.lognormal(6.0, 1.5, size=(count, 1))
        found: Floats = levels * (1.0 + _NORMAL_NOISE * rng.normal(size=(count, samples)))
        return found
    return quiet_values(real, count, samples, rng)


def _times_begun(low: Flags) -> int:
    """How often a stretch of low ones begins."""
    return int(low[0]) + int((low[1:] & ~low[:-1]).sum())


def _counted(series: LabelledSeries) -> Flags:
    """Which samples of a series count."""
    longer = [(first, last + _AFTER_LABEL) for first, last in series.windows]
    size = len(series.values)
    counts = ~flags_of([(first, min(last, size - 1)) for first, last in longer], size)
    counts[:_SETTLED] = False
    return counts


def _fit(
    counts: Sequence[Sequence[int]], lengths: Sequence[int], options: Options
) -> dict[str, Any]:
    """How far p-values are from uniform, from how many of each series are at or below each p."""
    below, sizes = np.array(counts), np.array(lengths)
    rng = np.random.default_rng(options.seed)
    picks = rng.integers(len(sizes), size=(_RESAMPLES, len(sizes)))
    weights = np.stack([np.bincount(one, minlength=len(sizes)) for one in picks])
    shares = (weights @ below) / (weights @ sizes)[:, None]
    share = below.sum(axis=0) / sizes.sum()
    row: dict[str, Any] = {"p-values": int(sizes.sum())}
    for name, of in (
        ("KS", lambda one: np.abs(one - _GRID).max(axis=-1)),
        ("excess", lambda one: np.maximum(one - _GRID, 0.0).max(axis=-1)),
    ):
        row[name] = f"{of(share):.3f} {_interval(of(shares))}"
    row["excess low"] = float(np.quantile(np.maximum(shares - _GRID, 0.0).max(axis=-1), 0.025))
    for place, tail in enumerate(_TAILS, start=len(_GRID) - len(_TAILS)):
        ratios = shares[:, place] / tail
        row[f"ratio at {tail:g}"] = f"{share[place] / tail:.3g} {_interval(ratios)}"
        row[f"low at {tail:g}"] = float(np.quantile(ratios, 0.025))
    return row


def _interval(found: Floats) -> str:
    low, high = np.quantile(found, (0.025, 0.975))
    return f"[{low:.3g}, {high:.3g}]"


def _discoveries(real: Sequence[LabelledSeries], options: Options) -> Iterator[dict[str, Any]]:
    rng = np.random.default_rng([options.seed, 2])
    for share in (*_SHARES, 0.5):
        for bursts in (False, True) if 0.0 < share <= 1.0 / _BURST else (False,):
            yield _false_share("procedure", share, bursts, _procedure(rng, share, bursts), options)
    for said, largest in (("", 1.0), (f", p <= {ALARM_P:g}", ALARM_P)):
        counted = _procedure(rng, 0.01, False, _PARTS, largest)
        yield _false_share(f"procedure in {_PARTS} parts{said}", 0.01, False, counted, options)
    for noise in _NOISES:
        for share in _SHARES:
            for bursts in (False, True) if share else (False,):
                counted = _engine(rng, real, noise, share, bursts, options.extra.watched)
                yield _false_share("engine", share, bursts, counted, options) | {"noise": noise}


def _signals(
    rng: np.random.Generator, share: float, bursts: bool, hours: int, series: int
) -> Flags:
    """Which samples are signals, shape (hours, series)."""
    rates = np.full(hours, share)
    if bursts:
        rates = np.where(np.arange(hours) % _BURST == 0, _BURST * share, 0.0)
    found: Flags = rng.random((hours, series)) < rates[:, None]
    return found


def _procedure(
    rng: np.random.Generator, share: float, bursts: bool, parts: int = 1, largest: float = 1.0
) -> _Counted:
    """Benjamini and Hochberg's as the engine uses it, on p-values that are right."""
    from scipy import special

    config = WatchConfig()
    discoveries = Discoveries(config.false_discovery_rate, config.period)
    signals = _signals(rng, share, bursts, _PROCEDURE_HOURS, _PROCEDURE_SERIES)
    false, told = np.zeros(len(signals)), np.zeros(len(signals))
    for hour, is_signal in enumerate(signals):
        deviation = rng.normal(size=len(is_signal)) + _PROCEDURE_EFFECT * is_signal
        p_values = 2.0 * special.ndtr(-np.abs(deviation))
        at = START + hour * 2.0 * config.period
        for part in np.array_split(np.arange(len(is_signal)), parts):
            threshold = discoveries.threshold([(at, float(p)) for p in p_values[part]])
            alarmed = p_values[part] <= min(threshold, largest)
            told[hour] += alarmed.sum()
            false[hour] += (alarmed & ~is_signal[part]).sum()
    return _Counted(false, told, float(signals.sum()))


def _engine(  # noqa: PLR0917
    rng: np.random.Generator,
    real: Sequence[LabelledSeries],
    noise: str,
    share: float,
    bursts: bool,
    series: int,
) -> _Counted:
    """Samples that may raise an alarm, as the engine judges them."""
    hours = _HISTORY + _JUDGED
    values = _quiet(rng, real, noise, series, hours)
    signals = _signals(rng, share, bursts, _JUDGED, series)
    watch = Watch(WatchConfig(), default_rules())
    for hour in range(_HISTORY):
        watch.learn(hour_of(hour, values[:, hour]))
    false, told = np.zeros(_JUDGED), np.zeros(_JUDGED)
    for hour, is_signal in enumerate(signals):
        now = values[:, _HISTORY + hour] * np.where(
            is_signal, rng.uniform(0.05, 0.5, size=series), 1.0
        )
        samples = list(hour_of(_HISTORY + hour, now))
        truth = dict(zip((one.series for one in samples), is_signal, strict=True))
        for one in watch.observe(samples):
            told[hour] += one.alarmed
            false[hour] += one.alarmed and not truth[one.sample.series]
    return _Counted(false, told, float(signals.sum()))


def _false_share(
    peer: str, share: float, bursts: bool, counted: _Counted, options: Options
) -> dict[str, Any]:
    shares = counted.false / np.maximum(counted.told, 1.0)
    rng = np.random.default_rng(options.seed)
    means = rng.choice(shares, size=(_RESAMPLES, len(shares))).mean(axis=1)
    return {
        "peer": peer,
        "noise": "uniform p-values",
        "signals": f"{share:g}{', in bursts' if bursts else ''}",
        "alarms": int(counted.told.sum()),
        "found": (
            float((counted.told - counted.false).sum() / counted.signals)
            if counted.signals
            else None
        ),
        "false share": f"{shares.mean():.4f} {_interval(means)}",
        "false share low": float(np.quantile(means, 0.025)),
    }


def _musts(rows: list[dict[str, Any]]) -> Iterator[Must]:
    """Limits on the lower ends of the intervals, which then leave the table."""
    for row in rows:
        if "excess low" in row:
            where = f"{row['peer']}, {row['noise']}"
            yield at_most(f"excess, lower 95 % bound: {where}", row.pop("excess low"), _EXCESS)
            for tail in _TAILS:
                yield at_most(
                    f"ratio at {tail:g}, lower 95 % bound: {where}",
                    row.pop(f"low at {tail:g}"),
                    1.0,
                )
    worst: dict[str, float] = {}
    for row in rows:
        if "false share low" in row:
            name = f"{row['peer']}, {row['noise']}"
            worst[name] = max(worst.get(name, 0.0), row.pop("false share low"))
    for name, low in worst.items():
        yield at_most(f"false share, lower 95 % bound at its worst: {name}", low, _RATE)


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--series", type=int, default=500, metavar="N", help="drawn series")
    parser.add_argument(
        "--watched", type=int, default=1_000, metavar="N", help="series that the engine watches"
    )


if __name__ == "__main__":
    raise SystemExit(run("detection", measure, add_options=_options))
