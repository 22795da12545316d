"""
Throughput: microseconds per sample and bytes per series of the streaming detector.

``python -m benchmarks.detection.throughput [--series N]``; needs no data.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np

from aiops_provider.detection.baseline import Baseline
from aiops_provider.detection.seasonal import SeasonalDetector
from aiops_provider.detection.streaming.bank import StreamBank
from aiops_provider.detection.streaming.tails import WARM_UP
from aiops_provider.domain.kpi import KpiSample
from benchmarks.command import Options, run
from benchmarks.report import Report, at_most

_BATCH = 10_000
_ROUNDS = 20
_SINGLES = 2_000
_PAST, _WARM = 2_000, 10  # the first sample of a process imports what scores it


def measure(options: Options) -> Report:
    """Warm up all series, then time batches, single samples and a restart."""
    rng = np.random.default_rng(options.seed)
    count = options.extra.series
    bank, rows = StreamBank(count), np.arange(count)
    levels = rng.lognormal(5.0, 1.0, size=count)
    for i in range(WARM_UP):
        _feed(bank, rows, i, levels * (1.0 + 0.1 * rng.normal(size=count)))
    batched = []
    for i in range(_ROUNDS):
        values = levels * (1.0 + 0.1 * rng.normal(size=count))
        batched.append(_feed(bank, rows, WARM_UP + i, values) / count)
    alone = [
        _feed(bank, rows[j : j + 1], WARM_UP + _ROUNDS, levels[j : j + 1])
        for j in range(min(_SINGLES, count))
    ]
    began = time.perf_counter()
    again = StreamBank(count)
    again.restore(bank.state())
    restart_s = time.perf_counter() - began
    same = _score(bank, rows, WARM_UP + _ROUNDS + 1, levels)
    restored = _score(again, rows, WARM_UP + _ROUNDS + 1, levels)
    seasonal = _seasonal(rng)
    return Report(
        bench="detection.throughput",
        data="simulated",
        seed=options.seed,
        rows=[
            {
                "peer": f"aiops streaming, batches of {_BATCH}",
                "series": count,
                "us / sample": float(np.mean(batched)) * 1e6,
                "us / sample, worst round": max(batched) * 1e6,
                "bytes / series": bank.bytes_per_series,
                "restart s": restart_s,
                "differs after restart": int((same != restored).sum()),
            },
            {
                "peer": "aiops streaming, one sample at a time",
                "series": count,
                "us / sample": float(np.mean(alone)) * 1e6,
                "us / sample, worst round": float(np.quantile(alone, 0.99)) * 1e6,
            },
            seasonal,
        ],
        musts=[
            at_most("us per sample, batched", float(np.mean(batched)) * 1e6, 100.0),
            at_most("us per sample, seasonal", float(seasonal["us / sample"]), 100.0),
            at_most("bytes per series", bank.bytes_per_series, 8_192.0),
            at_most("series that differ after a restart", float((same != restored).sum()), 0.0),
        ],
        notes=[
            "Single samples: mean and 99th percentile; the time of the batch lane is the mean of "
            f"{_ROUNDS} rounds over all series.",
            f"The seasonal detector keeps up to 5,000 values a series; its row is one series of {_PAST} "
            f"that grows by each of {_SINGLES} new samples, scored and learned, after {_WARM} that warm "
            "up: the first imports SciPy, which takes half a second once a process.",
        ],
    )


def _feed(bank: StreamBank, rows: np.ndarray, step: int, values: np.ndarray) -> float:
    """Seconds that a sample of each of these series took."""
    began = time.perf_counter()
    for first in range(0, len(rows), _BATCH):
        part = slice(first, first + _BATCH)
        _score(bank, rows[part], step, values[part])
    return time.perf_counter() - began


def _score(bank: StreamBank, rows: np.ndarray, step: int, values: np.ndarray) -> np.ndarray:
    return bank.score(rows, np.full(len(rows), 60.0 * step), values)


def _seasonal(rng: np.random.Generator) -> dict[str, Any]:
    from datetime import UTC, datetime, timedelta

    start = datetime(2026, 3, 2, tzinfo=UTC)
    history, detector = Baseline(), SeasonalDetector()
    values = rng.normal(size=_PAST + _WARM + _SINGLES)
    samples = [
        KpiSample(name="k", observed_at=start + timedelta(minutes=5 * i), value=float(value))
        for i, value in enumerate(values)
    ]
    history.extend((sample.observed_at, sample.value) for sample in samples[:_PAST])
    taken = []
    for sample in samples[_PAST:]:
        began = time.perf_counter()
        detector.score(sample, history)
        history.add(sample.observed_at, sample.value)
        taken.append(time.perf_counter() - began)
    taken = taken[_WARM:]
    return {
        "peer": "aiops seasonal, one sample at a time",
        "series": 1,
        "us / sample": float(np.mean(taken)) * 1e6,
        "us / sample, worst round": float(np.quantile(taken, 0.99)) * 1e6,
    }


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--series", type=int, default=100_000, metavar="N")


if __name__ == "__main__":
    raise SystemExit(run("detection", measure, add_options=_options))
