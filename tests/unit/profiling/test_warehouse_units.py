"""Units of a warehouse from the queries that have run there."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from aiops_provider import Dataset, Etl, Sla
from aiops_provider.domain.profile import Source
from aiops_provider.domain.task import TaskKey
from aiops_provider.profiling.own_history import OwnHistory
from aiops_provider.profiling.priors import AnalyticPrior
from aiops_provider.profiling.profiler import Profiler
from aiops_provider.profiling.warehouse_history import WarehouseHistory
from aiops_provider.profiling.warehouse_model import WarehouseRun, WarehouseSize
from aiops_provider.profiling.warehouse_units import WarehouseUnits, units_by_hour_of_week

# Each size has twice the threads and memory of the last, at twice the price.
SIZES = [
    WarehouseSize(name=f"S{u}", units=u, threads=u, memory_gib=4.0 * u, price_per_s=u / 3600)
    for u in (1, 2, 4, 8)
]
VOLUMES = (1.0, 4.0, 16.0, 64.0)


def truth(number: int, volume: float, size: WarehouseSize) -> WarehouseRun:
    """Query *number*: the higher, the more it holds and the better it parallelises."""
    held = volume * (0.3 + 0.2 * number)
    overflow = max(0.0, math.log(held / size.memory_gib))
    log_s = math.log(10 * volume) - (0.5 + 0.05 * number) * math.log(size.threads) + 1.2 * overflow
    return WarehouseRun(
        query=f"q{number}",
        size=size,
        volume_gib=volume,
        runtime_s=math.exp(log_s),
        spilled_gib=max(0.0, held - size.memory_gib),
    )


def history(*numbers: int, volumes: tuple[float, ...] = VOLUMES) -> list[WarehouseRun]:
    return [truth(n, v, size) for n in numbers for v in volumes for size in SIZES]


def cost(number: int, volume: float, size: WarehouseSize) -> float:
    return truth(number, volume, size).runtime_s * size.price_per_s


@pytest.mark.parametrize("own_runs", [0, 1])
def test_cheaper_than_any_fixed_size(own_runs: int) -> None:
    """Over queries held out in turn, with no run or one on a small table, no fixed size costs as little."""
    ours: list[float] = []
    fixed: dict[str, list[float]] = {size.name: [] for size in SIZES}
    for number in range(6):
        runs = history(*(n for n in range(6) if n != number))
        model = WarehouseUnits([*runs, *[truth(number, 1.0, SIZES[1])][:own_runs]])
        for volume in VOLUMES:
            chosen = model.choose(f"q{number}", volume_gib=volume, sizes=SIZES)
            assert chosen is not None
            least = min(cost(number, volume, size) for size in SIZES)
            ours.append(math.log(cost(number, volume, chosen.size) / least))
            for size in SIZES:
                fixed[size.name].append(math.log(cost(number, volume, size) / least))
    assert sum(ours) < 0.6 * min(map(sum, fixed.values()))
    assert math.exp(sum(ours) / len(ours)) <= 1.2


def test_the_smallest_is_wrong_where_a_query_spills() -> None:
    """Small data get the smallest size, data beyond its memory a larger one."""
    model = WarehouseUnits(history(0, 1, 2, 3, 4, 5))
    small = model.choose("q5", volume_gib=1.0, sizes=SIZES)
    large = model.choose("q5", volume_gib=64.0, sizes=SIZES)
    assert small is not None
    assert large is not None
    assert (small.size.name, small.spills) == ("S1", False)
    assert large.size.units > 1
    assert small.reason.startswith("S1 (1 units), from 16 runs of q5")


def test_a_deadline_buys_a_larger_size() -> None:
    """The cheapest size that keeps the deadline; the fastest, and said so, when none does."""
    model = WarehouseUnits(history(0, 1, 2, 3))
    free = model.choose("q0", volume_gib=4.0, sizes=SIZES)
    bound = model.choose("q0", volume_gib=4.0, sizes=SIZES, deadline_s=25.0)
    hopeless = model.choose("q0", volume_gib=4.0, sizes=SIZES, deadline_s=1.0)
    assert free is not None
    assert bound is not None
    assert hopeless is not None
    assert free.size.units < bound.size.units
    assert truth(0, 4.0, bound.size).runtime_s <= 25.0
    assert (hopeless.size.name, hopeless.keeps_deadline) == ("S8", False)
    assert "no size keeps 1 s" in hopeless.reason


def test_a_size_that_failed_is_not_chosen_again() -> None:
    """What ran out of memory costs ten runs, whatever its price."""
    runs = history(0, 1, 2)
    failed = [
        replace(r, failed=True)
        if r.query == "q0" and r.size.units == 1 and r.volume_gib == 64
        else r
        for r in runs
    ]
    chosen = WarehouseUnits(failed).choose("q0", volume_gib=64.0, sizes=SIZES)
    assert chosen is not None
    assert chosen.size.units > 1


def test_intervals_narrow_with_own_runs_and_sources_tell() -> None:
    """Without a run of its own a query is judged by similar ones, and less surely."""
    others = history(0, 1, 2, 4, 5)
    cold = WarehouseUnits(others).choose("q3", volume_gib=16.0, sizes=SIZES[:1])
    warm = WarehouseUnits([*others, *history(3)]).choose("q3", volume_gib=16.0, sizes=SIZES[:1])
    assert cold is not None
    assert warm is not None
    assert (Source.SIMILAR_TASKS, Source.OWN_HISTORY) == (cold.units.source, warm.units.source)
    assert cold.runtime_s.p95 / cold.runtime_s.p50 > warm.runtime_s.p95 / warm.runtime_s.p50
    assert warm.runtime_s.p50 == pytest.approx(truth(3, 16.0, SIZES[0]).runtime_s, rel=0.15)
    assert warm.units.p50 == pytest.approx(warm.runtime_s.p50 / 3600)


def test_one_run_alone_is_enough_and_none_is_not() -> None:
    """The order of runs is nothing; without any there is no answer."""
    assert WarehouseUnits([]).choose("q", volume_gib=1.0, sizes=SIZES) is None
    one = WarehouseUnits([truth(0, 1.0, SIZES[0])])
    assert one.choose("q0", volume_gib=1.0, sizes=SIZES) is not None
    runs = history(0, 1, 2)
    chosen = WarehouseUnits(runs).choose("q1", volume_gib=4.0, sizes=SIZES)
    turned = WarehouseUnits(runs[::-1]).choose("q1", volume_gib=4.0, sizes=SIZES)
    assert chosen is not None
    assert turned is not None
    assert chosen.size == turned.size


def test_constant_history() -> None:
    """The same run over and over gives that runtime, finite and sure."""
    runs = [truth(0, 4.0, SIZES[1])] * 50
    chosen = WarehouseUnits(runs).choose("q0", volume_gib=4.0, sizes=SIZES[1:2])
    assert chosen is not None
    assert chosen.runtime_s.p50 == pytest.approx(runs[0].runtime_s, rel=0.01)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"volume_gib": 0.0}, "volume_gib"),
        ({"deadline_s": -1.0}, "deadline_s"),
        ({"volume_gib": math.nan}, "volume_gib"),
        ({"sizes": []}, "sizes"),
    ],
)
def test_impossible_questions(changed: dict[str, object], message: str) -> None:
    """A bad figure is named."""
    asked: dict[str, object] = {"volume_gib": 1.0, "sizes": SIZES, **changed}
    with pytest.raises(ValueError, match=message):
        WarehouseUnits(history(0)).choose("q0", **asked)  # type: ignore[arg-type]


def test_impossible_runs_and_sizes() -> None:
    """Nothing that is no run or size gets in."""
    with pytest.raises(ValueError, match="runtime_s > 0"):
        replace(truth(0, 1.0, SIZES[0]), runtime_s=0.0)
    with pytest.raises(ValueError, match="memory_gib of size S1"):
        replace(SIZES[0], memory_gib=0.0)


def test_units_over_the_week() -> None:
    """Starts times units times runtime; a long run goes on into the next hour, round the week's end."""
    chosen = WarehouseUnits(history(0)).choose("q0", volume_gib=4.0, sizes=SIZES[:1])
    assert chosen is not None
    hour_and_half = replace(
        chosen, runtime_s=replace(chosen.runtime_s, p50=5400.0, p80=6e3, p95=7e3)
    )
    starts = [0.0] * 168
    starts[167] = 2.0
    used = units_by_hour_of_week(hour_and_half, starts)
    assert (used[167], used[0], sum(used)) == (2.0, 1.0, 3.0)
    assert units_by_hour_of_week(chosen, ()) == ()


def test_it_feeds_the_profile() -> None:
    """A described task of the warehouse gets its units from the queries, others keep the prior."""
    now = datetime(2026, 1, 5, tzinfo=UTC)
    predictors = (AnalyticPrior(), OwnHistory(), WarehouseHistory(history(0, 1, 2), SIZES))
    profiler = Profiler(predictors=predictors)
    task = TaskKey("marts", "orders")
    described = Etl(
        source=Dataset(location="snowflake://db/orders", volume_gib=4.0), sla=Sla(deadline_s=600)
    )
    units = profiler.predict(task, described, now=now).warehouse_units
    assert units is not None
    assert units.source is Source.SIMILAR_TASKS
    assert units.sample_count == 48
    plain = Profiler().predict(task, described, now=now).warehouse_units
    assert plain is not None
    assert plain.source is Source.PRIOR
    elsewhere = Etl(source=Dataset(location="s3://bucket/orders", volume_gib=4.0))
    assert profiler.predict(task, elsewhere, now=now).warehouse_units is None
