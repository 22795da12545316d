"""What holds for every profile, whatever the description and the history."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from aiops_provider.domain.execution import ExecutionRecord, Outcome, Usage
from aiops_provider.domain.profile import Quantity, ResourceRequest, Source
from aiops_provider.domain.task import TaskKey, TaskRun
from aiops_provider.domain.workload import (
    Dataset,
    Etl,
    FeatureEngineering,
    Generic,
    ModelCandidate,
    Serving,
    TaskDescription,
    Training,
)
from aiops_provider.profiling.cron import CronError, starts_of_cron
from aiops_provider.profiling.evidence import killed_at_gib
from aiops_provider.profiling.profiler import Profiler
from aiops_provider.profiling.request import cheapest_z

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
TASK = TaskKey("dag", "task")

# The machine is shared: how long an example takes says nothing.
CALMLY = settings(deadline=None, max_examples=60)

sizes = st.floats(0.001, 500.0)
memories = st.floats(0.01, 64.0)
ANY_OUTCOME = st.sampled_from(Outcome)


@st.composite
def runs(draw: st.DrawFn, outcomes: st.SearchStrategy[Outcome] = ANY_OUTCOME) -> ExecutionRecord:
    """A try that ended within the last half year, or will end tomorrow."""
    ended = NOW - timedelta(minutes=draw(st.integers(-1440, 250_000)))
    duration = draw(st.floats(0.1, 1e5))
    peak = draw(memories)
    usage = Usage(
        peak_memory_gib=peak,
        cpu_seconds=duration * draw(st.floats(0, 16)),
        duration_s=duration,
        io_read_gib=draw(st.none() | st.floats(0, 100)),
    )
    return ExecutionRecord(
        run=TaskRun(TASK, f"run-{draw(st.integers(0, 10**9))}", try_number=draw(st.integers(1, 3))),
        cluster="c",
        provider="p",
        region="r",
        started_at=ended - timedelta(seconds=duration),
        ended_at=ended,
        outcome=draw(outcomes),
        request=draw(
            st.none() | st.builds(ResourceRequest, cores=st.floats(0.25, 16), memory_gib=memories)
        ),
        usage=draw(st.none() | st.just(usage)),
        input_gib=draw(st.none() | sizes),
        input_rows=draw(st.none() | st.integers(1, 10**9)),
    )


histories = st.lists(runs(), max_size=12, unique_by=lambda r: r.run)
candidates = st.builds(
    ModelCandidate,
    family=st.sampled_from(["linear", "tree_ensemble", "deep_network", "fine_tuning", "clustering", "unknown"]),
    parameters=st.none() | st.floats(1, 1e13),
    batch_size=st.none() | st.integers(1, 4096),
)  # fmt: skip


def described(gib: float | None) -> st.SearchStrategy[TaskDescription]:
    """Tasks of every kind that read so much."""
    formats = st.sampled_from(["csv", "parquet", "jpeg", "text", None])
    dataset = st.builds(Dataset, volume_gib=st.just(gib), format=formats)
    return st.one_of(
        st.builds(
            Etl,
            source=dataset,
            joins=st.integers(0, 5),
            aggregations=st.integers(0, 5),
            streaming=st.booleans(),
        ),
        st.builds(FeatureEngineering, source=dataset, features=st.none() | st.integers(1, 10_000)),
        st.builds(
            Training, dataset=dataset, candidates=st.lists(candidates, max_size=3).map(tuple)
        ),
        st.builds(
            Generic, input_gib=st.just(gib), operator=st.sampled_from([None, "X", "S3Sensor"])
        ),
    )


servings = st.builds(
    Serving,
    model=candidates,
    requests_per_s=st.none() | st.floats(0.001, 1e6),
    concurrent_requests=st.none() | st.floats(0.01, 1e5),
    past_demand_per_s=st.lists(st.floats(0, 1e5), max_size=5).map(tuple),
)
descriptions = st.none() | sizes.flatmap(described) | described(None) | servings


def profile_of(history, description=None, **options):
    profiler = Profiler(**options)
    profiler.restore(history)
    return profiler.predict(TASK, description, now=NOW)


@CALMLY
@given(histories, descriptions)
def test_quantiles_are_ordered_and_finite(history, description):
    """Every figure has 0 <= p50 <= p80 <= p95 < inf and a reason, every request is positive."""
    profile = profile_of(history, description)
    for field in fields(profile):
        value = getattr(profile, field.name)
        if isinstance(value, Quantity):
            assert 0 <= value.p50 <= value.p80 <= value.p95 < float("inf")
            assert value.reason
    assert profile.request.memory_gib >= 0.125
    assert profile.request.cores >= 0.25
    assert profile.instances >= 1
    assert profile.request.accelerators == profile.accelerators


@CALMLY
@given(histories, descriptions)
def test_requests_are_multiples_of_the_step(history, description):
    """Nobody sees a request of 0.3141592 GiB."""
    request = profile_of(history, description).request
    assert (request.memory_gib * 16) % 1 == pytest.approx(0.0, abs=1e-9)
    assert (request.cores * 4) % 1 == pytest.approx(0.0, abs=1e-9)


@CALMLY
@given(st.data(), histories, st.floats(0.001, 50.0), st.floats(1.0, 100.0))
def test_more_input_never_asks_for_less(data, history, small, factor):
    """
    With and without history, the request is monotone in the size of the input.

    Networks are left out: more data may move them to an accelerator, and with them their memory.
    """
    description = data.draw(described(small))
    assume(not (isinstance(description, Training) and is_network(description)))
    larger = description_of_size(description, small * factor)
    before, after = profile_of(history, description), profile_of(history, larger)
    for level in ("p50", "p80", "p95"):
        assert getattr(after.memory_gib, level) >= getattr(before.memory_gib, level) * (1 - 1e-9)
    assert after.request.memory_gib >= before.request.memory_gib


def is_network(training):
    networks = {"deep_network", "fine_tuning", "unknown"}
    families = {c.family for c in training.candidates} or networks
    return bool(families & networks)


def description_of_size(description, gib):
    if isinstance(description, Generic):
        return description.model_copy(update={"input_gib": gib})
    name = "dataset" if isinstance(description, Training) else "source"
    dataset = getattr(description, name).model_copy(update={"volume_gib": gib})
    return description.model_copy(update={name: dataset})


@CALMLY
@given(st.data(), histories, descriptions)
def test_the_order_of_learning_does_not_matter(data, history, description):
    """Any permutation, learned at once or one by one, gives the same profile."""
    shuffled = data.draw(st.permutations(history))
    one_by_one = Profiler()
    for record in shuffled:
        one_by_one.learn(record)
    assert one_by_one.predict(TASK, description, now=NOW) == profile_of(history, description)


@CALMLY
@given(histories, descriptions)
def test_the_future_does_not_leak(history, description):
    """Tries that end after now change nothing."""
    past = [record for record in history if record.ended_at <= NOW]
    assert profile_of(history, description) == profile_of(past, description)


@CALMLY
@given(histories, descriptions, memories)
def test_a_kill_always_gets_more_next_time(history, description, allowed):
    """Whatever happened before, the run after a kill is allowed more than the killed one."""
    killed = ExecutionRecord(
        run=TaskRun(TASK, "killed"),
        cluster="c",
        provider="p",
        region="r",
        started_at=NOW - timedelta(minutes=1),
        ended_at=NOW,
        outcome=Outcome.OUT_OF_MEMORY,
        request=ResourceRequest(cores=1, memory_gib=allowed),
    )
    description = unsized(description)
    request = profile_of([*history, killed], description).request
    assert request.memory_gib >= 1.2 * allowed + 100 / 1024 - 1e-9


def unsized(description):
    """Without the size of the input to come, a kill cannot be explained by a larger input then."""
    if description is None or isinstance(description, Serving):
        return description
    return description_of_size(description, None)


@CALMLY
@given(histories, descriptions, st.lists(st.floats(0.0, 1.0), min_size=1, max_size=4))
def test_enlarging_never_stops_growing(history, description, shares):
    """Each kill of a row gets more, without history, wherever the killed request came from."""
    profiler = Profiler()
    profiler.restore(history)
    profile = profiler.predict(TASK, description, now=NOW)
    allowed = profile.request.memory_gib * (0.1 + shares[0])
    for _ in shares:
        larger = profiler.enlarge(profile, failed=ResourceRequest(cores=1, memory_gib=allowed))
        assert larger.request.memory_gib > allowed
        assert larger.request.memory_gib >= profile.request.memory_gib
        allowed = larger.request.memory_gib


@CALMLY
@given(st.lists(runs(st.just(Outcome.SUCCESS)), min_size=1, max_size=18, unique_by=lambda r: r.run))
def test_few_runs_promise_no_maximum(history):
    """With fewer than nineteen equally old runs the p95 is above all that was seen."""
    measured = [r for r in history if r.usage is not None and r.ended_at <= NOW]
    assume(measured)
    memory = profile_of(measured, half_life_days=1e9).memory_gib
    assert memory.p95 > max(r.usage.peak_memory_gib for r in measured)


@CALMLY
@given(histories, descriptions, st.floats(0.1, 50), st.floats(1, 20))
def test_dearer_kills_never_ask_for_less(history, description, factor, more):
    """The request grows with the cost of a failure."""
    cheap = profile_of(history, description, failure_cost_factor=factor).request
    dear = profile_of(history, description, failure_cost_factor=factor * more).request
    assert dear.memory_gib >= cheap.memory_gib


def test_a_kill_that_is_a_little_dearer_asks_for_no_less():
    """Found by the property above: the candidates of two factors must lie on one grid."""
    shape = Quantity(p50=1.0, p80=1.1, p95=1.43, source=Source.OWN_HISTORY)
    factors = [0.1 * 1.05**power for power in range(120)]
    chosen = [cheapest_z(shape, factor) for factor in factors]
    assert sorted(chosen) == chosen


@CALMLY
@given(histories, descriptions)
def test_a_profile_survives_its_own_description(history, description):
    """A stored profile under the description it was made from asks for the same."""
    assume(description is not None)
    known = profile_of(history, description)
    constrained = Profiler().constrain(known, description)
    assert constrained.request.memory_gib == known.request.memory_gib
    assert constrained.request.cores == known.request.cores
    assert constrained.duration_s == known.duration_s


@CALMLY
@given(histories)
def test_lost_clusters_and_kills_by_users_change_no_need(history):
    """What is no fault of the task is no evidence about it."""
    evidence = [r for r in history if r.outcome.is_task_evidence]
    all_of_it, task_only = profile_of(history), profile_of(evidence)
    assert all_of_it.memory_gib == task_only.memory_gib
    assert all_of_it.duration_s == task_only.duration_s
    assert all_of_it.request == task_only.request


@CALMLY
@given(st.text(alphabet="0123456789*/,- amonjfesutw@", max_size=24))
def test_cron_is_read_or_refused(expression):
    """Any text is either 168 counts or a CronError."""
    try:
        starts = starts_of_cron(expression)
    except CronError:
        return
    assert len(starts) == 168
    assert all(0 <= count <= 60 for count in starts)


@CALMLY
@given(runs(st.just(Outcome.OUT_OF_MEMORY)))
def test_a_bound_is_never_below_what_was_used(record):
    """What is known of a kill is the larger of the limit and the peak."""
    used = record.usage.peak_memory_gib if record.usage else 0.0
    assert killed_at_gib(record) >= used
