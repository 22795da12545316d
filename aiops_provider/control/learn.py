"""
Journey D: what really happened becomes better profiles.

Finished tries are stored, turned into outcome KPIs for the detection, and read again – merged with
what others reported of them – to make the profile that the next run is placed by.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import fields, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from aiops_provider.control.accelerator_advice import AcceleratorAdvisor
from aiops_provider.control.lessons import hear_of_others
from aiops_provider.control.outcome_kpis import samples_of_ends
from aiops_provider.control.profilers import new_profiler
from aiops_provider.control.stored_descriptions import store_description, stored_description
from aiops_provider.domain.execution import ExecutionRecord, Outcome
from aiops_provider.domain.profile import Quantity, WorkloadProfile
from aiops_provider.domain.task import TaskKey
from aiops_provider.domain.units import utc_now
from aiops_provider.domain.workload import TaskDescription
from aiops_provider.errors import DescriptionError
from aiops_provider.profiling.profiler import MOST_RUNS_KEPT

if TYPE_CHECKING:
    from aiops_provider.control.installation import Installation
    from aiops_provider.profiling.profiler import Profiler
    from aiops_provider.store import Store

log = logging.getLogger(__name__)

_CURSOR = "profiles:refreshed_at"
_LEARNED = "learned:execution"
# learn() and refresh() take in at once what they see, so that looking for what came by another way (rows
# that a slow transaction made late, what was added to a row) needs no hurry. Reports may be this late.
_LOOK_EVERY = timedelta(seconds=60)
_LATE_BY = timedelta(minutes=10)
# Records looked at in one go; the first look of an installation with a long history is bounded.
_MOST_RECORDS = 20_000


def learn(installation: Installation, records: Sequence[ExecutionRecord], now: datetime) -> None:
    """
    Learn from finished tries.

    The same record twice changes nothing. Profiles see a record only once it has ended.

    Args:
        installation: With a store.
        records: In any order.
        now: The present moment.

    Raises:
        StoreError: The store does not answer; learning the same records again is safe.
    """
    if not records:
        return
    installation.require_store().record_executions(records)
    _take_in(installation, records, now)


def _take_in(
    installation: Installation, records: Sequence[ExecutionRecord], now: datetime
) -> list[WorkloadProfile]:
    store = installation.require_store()
    ended = _whole_tries(store, records)
    store.add_samples(samples_of_ends(installation, ended))
    return refresh_profiles(installation, {record.run.task for record in ended}, now)


def _whole_tries(store: Store, records: Sequence[ExecutionRecord]) -> list[ExecutionRecord]:
    """Those that have ended, with what they used in all their stays on workers."""
    ended = [record for record in records if record.outcome is not Outcome.SUSPENDED]
    later = [record.run for record in ended if record.segment > 1]
    whole = store.executions_of(later) if later else {}
    return [whole.get(record.run, record) for record in ended]


def refresh(installation: Installation, now: datetime) -> list[WorkloadProfile]:
    """
    Learn from the tries that anybody has written down since the last time.

    How far that was is kept in the store, after the learning: what a process that died had not
    finished is learned by the next one, and learning something twice changes nothing. An installation
    that has learned before without that begins at the present: its history is in its profiles already.
    At most once a minute all that ended lately is looked at again, for what came late.

    Returns:
        The profiles that changed.

    Raises:
        StoreError: The store does not answer; nothing is left out next time.
    """
    store = installation.require_store()
    changed = []
    learned: Any = store.get_state(_LEARNED)
    records, newest = store.executions_after(
        _first_place(store) if learned is None else int(learned), _MOST_RECORDS
    )
    if records:
        changed = _take_in(installation, records, now)
    if newest != learned:
        store.set_state(_LEARNED, newest)
    return changed + refresh_profiles(installation, None, now)


def refresh_profiles(
    installation: Installation,
    tasks: Collection[TaskKey] | None,
    now: datetime,
    *,
    unseen: Profiler | None = None,
) -> list[WorkloadProfile]:
    """
    Make profiles anew from the stored runs and descriptions; store those that changed.

    Args:
        installation: With a store.
        tasks: Which; ``None``: all that had runs since the last such look, at most once a minute.
        now: Later ends are not looked at.
        unseen: Judges those without runs; default: one that reads what other tasks needed.

    Returns:
        The profiles that changed.

    Raises:
        StoreError: The store does not answer.
    """
    store = installation.require_store()
    if tasks is None:
        tasks = _tasks_with_news(installation, now)
    changed = []
    for task in sorted(tasks):
        profile = _fresh_profile(installation, store, task, now, unseen)
        known = store.profile(task)
        if known is None or _figures(known) != _figures(profile):
            changed.append(profile)
    store.save_profiles(changed)
    return changed


def remember_description(
    installation: Installation,
    task: TaskKey,
    description: TaskDescription,
    *,
    unseen: Profiler | None = None,
) -> None:
    """
    Keep what a user says about a task, and let its profile say so.

    A task that has not run yet gets its profile here, so that it can be planned for.

    Args:
        installation: With a store.
        task: Which.
        description: What is said.
        unseen: Judges it if it has not run; default: one that reads what other tasks needed.

    Raises:
        StoreError: The store does not answer.
    """
    store = installation.require_store()
    if store_description(store, task, description):
        refresh_profiles(installation, {task}, utc_now(), unseen=unseen)


def _first_place(store: Store) -> int:
    return store.newest_execution() if store.get_state(_CURSOR) is not None else 0


def _tasks_with_news(installation: Installation, now: datetime) -> set[TaskKey]:
    store = installation.require_store()
    cursor = store.get_state(_CURSOR)
    last = datetime.fromisoformat(cursor) if cursor else None
    if last is not None and timedelta(0) <= now - last < _LOOK_EVERY:
        return set()
    since = last - _LATE_BY if last else None
    news = store.executions(since=since, limit=_MOST_RECORDS)
    # Those that were seen before are known by their keys; the others were left out until now.
    store.add_samples(samples_of_ends(installation, news))
    store.set_state(_CURSOR, now.isoformat())
    return {record.run.task for record in news}


def _fresh_profile(
    installation: Installation,
    store: Store,
    task: TaskKey,
    now: datetime,
    unseen: Profiler | None,
) -> WorkloadProfile:
    runs = _ended(store.executions(task, limit=MOST_RUNS_KEPT), now)
    if runs or unseen is None:
        profiler = new_profiler(installation.settings.profiling)
        profiler.restore(runs)
        if not runs:
            hear_of_others(profiler, store, now)
    else:
        profiler = unseen
    description = stored_description(store, task)
    profile = profiler.predict(task, description, now=now)
    try:
        return _advisor(installation).advise(profile, description)
    except DescriptionError as error:
        # Said by somebody else, long ago: the task's next decision tells its host.
        log.warning("The accelerator of %s is left open: %s", task, error)
        return profile


def _advisor(installation: Installation) -> AcceleratorAdvisor:
    return AcceleratorAdvisor(installation.clusters, installation.settings.open_catalog)


def _ended(records: Iterable[ExecutionRecord], now: datetime) -> list[ExecutionRecord]:
    return [record for record in records if record.ended_at <= now]


def _figures(profile: WorkloadProfile) -> WorkloadProfile:
    """Without the moment and the sentences, which tell the age of the runs and so always change."""
    plain: dict[str, Any] = {
        field.name: replace(value, reason="")
        for field in fields(profile)
        if isinstance(value := getattr(profile, field.name), Quantity)
    }
    return replace(
        profile,
        **plain,
        request=replace(profile.request, reason=""),
        predicted_at=datetime.min,  # noqa: DTZ901 – never leaves this comparison
    )
