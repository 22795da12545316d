"""
How much longer or shorter a task takes on each pool that it has run on.

Its own runs on several pools, brought to one size of input: which machine is behind a pool, how far its
data lies and what else runs there are all in the runs. A pool without runs is given no pace, for machines
whose like was never seen are foretold badly (``benchmarks.profiling.runtime``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import timedelta
from statistics import fmean, median

from aiops_provider.domain.execution import ExecutionRecord, Outcome
from aiops_provider.profiling.quantiles import DEFAULT_LOG_SCALE

# Two runs may differ by chance; older runs tell of other code and other data.
_FEWEST_RUNS, _MOST_RUNS = 3, 16
# Less is not worth another place.
_WORTH_TELLING = math.log(1.1)
# Of a difference so much is believed as remains after this many of its standard errors.
_CAUTION = 1.645
# Mean absolute deviation of a normal distribution, and the variance of a median, against its deviation.
_OF_ABSOLUTE, _OF_MEDIAN = math.sqrt(math.pi / 2), math.pi / 2
# What was assumed about the spread before any was seen is worth so many runs, as for quantiles.
_DEFAULT_WEIGHT = 2.0

_Pool = tuple[str, str]


def pool_paces(history: Sequence[ExecutionRecord]) -> tuple[tuple[str, str, float], ...]:
    """
    The paces of a task's pools.

    In logarithms, a duration is the pool's level plus a slope times the size of the input, the slope
    from the differences within pools (analysis of covariance). Of the distance between a pool's level and
    that of a usual run so much is believed as exceeds its error at 95 %.

    Args:
        history: Finished runs of one task, in any order; the newest 16 of each pool count.

    Returns:
        Cluster, pool, and the time there as a multiple of that of a usual run, which is what the
        profile's duration is about; sorted. Empty where fewer than two pools have had three good runs,
        and without pools that differ by less than a tenth.
    """
    runs = _runs_by_pool(history)
    if len(runs) < 2:
        return ()
    sized = all(record.input_gib for records in runs.values() for record in records)
    points = {
        pool: [_point(record, sized=sized) for record in records] for pool, records in runs.items()
    }
    slope = _slope(list(points.values()))
    rest = {pool: [y - slope * x for x, y in each] for pool, each in points.items()}
    levels = {pool: median(values) for pool, values in rest.items()}
    deviations = [abs(v - levels[pool]) for pool, values in rest.items() for v in values]
    count = len(deviations)
    seen = math.fsum(deviations) + _DEFAULT_WEIGHT * DEFAULT_LOG_SCALE
    deviation = _OF_ABSOLUTE * seen / (count + _DEFAULT_WEIGHT - len(levels))
    usual = median(levels[pool] for pool, values in rest.items() for _ in values)
    paces = []
    for pool, level in levels.items():
        error = deviation * math.sqrt(_OF_MEDIAN / len(rest[pool]))
        believed = abs(level - usual) - _CAUTION * error
        if believed >= _WORTH_TELLING:
            paces.append((*pool, round(math.exp(math.copysign(believed, level - usual)), 2)))
    return tuple(sorted(paces))


def _runs_by_pool(history: Sequence[ExecutionRecord]) -> dict[_Pool, list[ExecutionRecord]]:
    found: dict[_Pool, list[ExecutionRecord]] = {}
    for record in sorted(history, key=lambda r: r.ended_at, reverse=True):
        if record.outcome is Outcome.SUCCESS and _seconds(record) > 0:
            found.setdefault((record.cluster, record.pool), []).append(record)
    return {pool: runs[:_MOST_RUNS] for pool, runs in found.items() if len(runs) >= _FEWEST_RUNS}


def _point(record: ExecutionRecord, *, sized: bool) -> tuple[float, float]:
    size = record.input_gib if sized and record.input_gib else 1.0
    return math.log(size), math.log(_seconds(record))


def _slope(pools: Sequence[Sequence[tuple[float, float]]]) -> float:
    """
    By how much the logarithm of the time rises with that of the input, between none and twice as much.

    Zero where the sizes do not vary within pools: then nothing tells the pool from the input.
    """
    across = within = 0.0
    for points in pools:
        x_mean, y_mean = fmean(x for x, _ in points), fmean(y for _, y in points)
        across += math.fsum((x - x_mean) * (y - y_mean) for x, y in points)
        within += math.fsum((x - x_mean) ** 2 for x, _ in points)
    return min(2.0, max(0.0, across / within)) if within > 1e-9 else 0.0


def _seconds(record: ExecutionRecord) -> float:
    if record.usage is not None:
        return record.usage.duration_s
    return (record.ended_at - record.started_at) / timedelta(seconds=1)
