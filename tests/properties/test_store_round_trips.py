"""Whatever the domain can say, both databases give back as it was, in UTC."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from enum import Enum
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints
from uuid import uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aiops_provider.domain.alarm import Alarm, Response, SuperAlarm
from aiops_provider.domain.cluster import ClusterHealth
from aiops_provider.domain.execution import ExecutionRecord, Outcome
from aiops_provider.domain.kpi import KpiSample
from aiops_provider.domain.plan import Placement, PlacementPlan
from aiops_provider.domain.profile import Quantity, WorkloadProfile
from aiops_provider.domain.task import TaskKey
from aiops_provider.store import Store
from aiops_provider.store.execution_segments import joined
from aiops_provider.store.tables import sample as sample_table

T = TypeVar("T")

# Neither database stores a NUL in a text, nor half of a surrogate pair.
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
INTEGERS = st.integers(-(2**31), 2**31 - 1)
FLOATS = st.floats(allow_nan=False)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
ZONES = st.sampled_from(
    [UTC, timezone(timedelta(hours=5, minutes=45)), timezone(-timedelta(hours=9))]
)
MOMENTS = st.datetimes(
    datetime(1990, 1, 1),  # noqa: DTZ001 -- hypothesis adds the zone
    datetime(2150, 1, 1),  # noqa: DTZ001
    timezones=ZONES,
)
QUANTITIES = st.builds(
    lambda figures, **more: Quantity(p50=figures[0], p80=figures[1], p95=figures[2], **more),
    st.lists(st.floats(0, 1e300), min_size=3, max_size=3).map(sorted),
    source=st.deferred(lambda: _of(get_type_hints(Quantity)["source"])),
    sample_count=INTEGERS,
    reason=TEXTS,
)


def _of(hint: Any) -> st.SearchStrategy[Any]:
    """A strategy for a type of the domain, down to its leaves."""
    plain = {str: TEXTS, int: INTEGERS, float: FLOATS, bool: st.booleans(), datetime: MOMENTS}
    if hint in plain:
        return plain[hint]
    if hint is NoneType:
        return st.none()
    if hint is Quantity:
        return QUANTITIES
    if isinstance(hint, type) and issubclass(hint, Enum):
        return st.sampled_from(hint)
    if is_dataclass(hint):
        return domain(hint)  # type: ignore[arg-type]
    return _of_generic(get_origin(hint), get_args(hint))


def _of_generic(origin: Any, arguments: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    if origin is UnionType or str(origin) == "typing.Union":
        return st.one_of(*(_of(argument) for argument in arguments))
    if origin is Mapping:
        return st.dictionaries(_of(arguments[0]), _of(arguments[1]), max_size=3)
    assert origin in (tuple, Sequence), origin
    if origin is Sequence or arguments[-1] is Ellipsis:
        return st.lists(_of(arguments[0]), max_size=3).map(tuple)
    return st.tuples(*(_of(argument) for argument in arguments))


def domain(
    kind: Callable[..., T], **given_strategies: st.SearchStrategy[Any]
) -> st.SearchStrategy[T]:
    """A strategy for a dataclass; fields with a default have it half of the time."""
    hints = get_type_hints(kind)
    strategies = {
        field.name: given_strategies.get(field.name, st.deferred(lambda hint=hint: _of(hint)))
        for field in fields(kind)  # type: ignore[arg-type]
        for hint in [hints[field.name]]
    }
    optional = {
        field.name
        for field in fields(kind)  # type: ignore[arg-type]
        if field.default is not MISSING or field.default_factory is not MISSING
    } - set(given_strategies)
    return st.fixed_dictionaries(
        {name: strategy for name, strategy in strategies.items() if name not in optional},
        optional={name: strategies[name] for name in optional},
    ).map(lambda values: kind(**values))


def unique(task: TaskKey) -> TaskKey:
    """Rows of earlier examples are still there; what is known of them would be merged in."""
    return TaskKey(f"{task.namespace}{uuid4().hex}", task.name)


def moments_in(value: Any) -> list[datetime]:
    if isinstance(value, datetime):
        return [value]
    if is_dataclass(value):
        return [m for field in fields(value) for m in moments_in(getattr(value, field.name))]
    if isinstance(value, (tuple, list)):
        return [m for item in value for m in moments_in(item)]
    return []


def assert_same(stored: Any, read: Any) -> None:
    assert read == stored
    assert all(moment.utcoffset() == timedelta(0) for moment in moments_in(read))


examples = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,  # rows of earlier examples are part of the test
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ],
)


@examples
@given(record=domain(ExecutionRecord))
def test_executions(store: Store, record: ExecutionRecord) -> None:
    """An execution comes back as one run, found by its task and time; one that goes on does not."""
    record = replace(record, run=replace(record.run, task=unique(record.run.task)))
    store.record_executions([record])
    found = store.executions(record.run.task, since=record.ended_at)
    if record.outcome is Outcome.SUSPENDED:
        assert found == []
        return
    [read] = found
    assert_same(joined(record), read)


@examples
@given(placement=domain(Placement))
def test_placements(store: Store, placement: Placement) -> None:
    """A placement comes back as it was, found by its try."""
    placement = replace(placement, run=replace(placement.run, task=unique(placement.run.task)))
    store.record_placements([placement])
    assert_same(placement, store.latest_placements([placement.run])[placement.run])


@examples
@given(samples=st.lists(domain(KpiSample, value=FINITE, idempotency_key=TEXTS), max_size=5))
def test_samples(store: Store, samples: list[KpiSample]) -> None:
    """Samples come back in order, each once by its key, and in the history of their series."""
    store._database.write(lambda connection: connection.execute(sample_table.delete()))
    expected = []
    keys = set()
    for sample in samples:
        zone_free = replace(sample, observed_at=sample.observed_at.astimezone(UTC))
        key = sample.idempotency_key or repr(
            (
                zone_free.series,
                zone_free.observed_at,
                zone_free.value,
                sorted(sample.context.items()),
            )
        )
        if key not in keys:
            keys.add(key)
            expected.append(sample)
    receipt = store.add_samples(samples)
    assert (receipt.accepted, receipt.duplicates) == (len(expected), len(samples) - len(expected))
    read = []
    cursor = 0
    while part := store.samples_after(cursor, 2):
        if not part[0]:
            break
        read.extend(part[0])
        cursor = part[1]
    assert_same(expected, read)
    history = store.history([s.series for s in samples], since=datetime(1980, 1, 1, tzinfo=UTC))
    assert {key: sorted(points) for key, points in history.items()} == {
        sample.series: sorted(
            (other.observed_at, other.value) for other in expected if other.series == sample.series
        )
        for sample in samples
    }


@examples
@given(plan=domain(PlacementPlan))
def test_plans(store: Store, plan: PlacementPlan) -> None:
    """A plan comes back as it was, with the version that the store gave it."""
    version = store.save_plan(plan, activate=True)
    assert_same(replace(plan, version=version), store.plan_in_force())
    assert_same(replace(plan, version=version), store.plan(version))


@examples
@given(profile=domain(WorkloadProfile))
def test_profiles(store: Store, profile: WorkloadProfile) -> None:
    """A profile comes back as it was."""
    store.save_profiles([profile])
    assert_same(profile, store.profile(profile.task))
    assert profile in store.profiles()


@examples
@given(health=domain(ClusterHealth))
def test_health(store: Store, health: ClusterHealth) -> None:
    """A probe comes back as it was, unless a newer one of that cluster is there."""
    before = store.health().get(health.cluster)
    store.record_health([health])
    newest = before if before and before.observed_at > health.observed_at else health
    assert_same(newest, store.health()[health.cluster])


@examples
@given(alarm=domain(Alarm))
def test_alarms(store: Store, alarm: Alarm) -> None:
    """An alarm comes back as it was."""
    alarm = replace(alarm, id=uuid4().hex)
    store.save_alarms([alarm])
    assert_same(alarm, next(a for a in store.alarms(limit=10**6) if a.id == alarm.id))


@examples
@given(response=domain(Response))
def test_responses(store: Store, response: Response) -> None:
    """A response comes back as it was, and is active exactly when the domain says so."""
    response = replace(response, id=uuid4().hex)
    store.save_response(response)
    found = {item.id: item for item in store.responses(limit=10**6)}
    assert_same(response, found[response.id])
    for moment in (response.starts_at, response.expires_at):
        active = {item.id for item in store.responses(active_at=moment, limit=10**6)}
        assert (response.id in active) == response.active(moment)


@examples
@given(super_alarm=domain(SuperAlarm))
def test_super_alarms(store: Store, super_alarm: SuperAlarm) -> None:
    """A super-alarm comes back as it was, with its hypotheses and its response."""
    super_alarm = replace(super_alarm, id=uuid4().hex)
    store.save_super_alarms([super_alarm])
    assert_same(super_alarm, store.super_alarm(super_alarm.id))
