"""What ``aiops route`` does: where a task would go now, and where its latest tries went."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from aiops_provider.control.accelerator_advice import AcceleratorAdvisor
from aiops_provider.control.lessons import hear_of_others
from aiops_provider.control.out_of_use import clusters_out_of_use
from aiops_provider.control.profilers import new_profiler
from aiops_provider.control.snapshot_reader import load_snapshot
from aiops_provider.control.stored_descriptions import stored_description
from aiops_provider.control.stored_instances import stored_instances
from aiops_provider.domain.plan import Placement, Route
from aiops_provider.domain.profile import WorkloadProfile
from aiops_provider.domain.task import TaskKey
from aiops_provider.placement.demand import stored_gib
from aiops_provider.placement.router import Router

if TYPE_CHECKING:
    from aiops_provider.control.installation import Installation

_SHOWN_PLACEMENTS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutedTask:
    """
    Where a task would go, and where it went.

    Attributes:
        route: By plan, quarantines, health and living instances as stored; load is known to the schedulers
            only.
        known: Whether a profile was stored; otherwise it was predicted here.
        placements: Of its latest tries, the newest first.
        storage: What it would store where it goes, and at the alternatives.
    """

    route: Route
    known: bool
    placements: tuple[Placement, ...]
    storage: tuple[StoredThere, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredThere:
    """
    What a task leaves and holds in storage of one class at a cluster.

    Attributes:
        cluster: Its name.
        storage_class: As in the task's profile.
        gib: As a mean over the week.
        usd_per_month: ``None`` where the price is unknown.
    """

    cluster: str
    storage_class: str
    gib: float
    usd_per_month: float | None


def route_task(installation: Installation, task: TaskKey, now: datetime) -> RoutedTask:
    """
    Say where a task would run now; nothing is changed or started.

    Args:
        installation: With a store.
        task: Which; one that was never seen is judged by the priors.
        now: Decides which quarantines are in force.

    Raises:
        InfeasibleError: No cluster may or can hold it.
        StoreError: The store does not answer.
    """
    store = installation.require_store()
    snapshot = load_snapshot(installation, now)
    there = replace(snapshot.router, unreachable=clusters_out_of_use(store, now).unreachable)
    profile = snapshot.book.get(task)
    known = profile is not None
    if profile is None:
        profiler = new_profiler(installation.settings.profiling)
        hear_of_others(profiler, store, now)
        description = stored_description(store, task)
        advisor = AcceleratorAdvisor(
            installation.clusters,
            installation.settings.open_catalog,
            history=snapshot.accelerators,
            without=there.out_of_use,
        )
        profile = advisor.advise(profiler.predict(task, description, now=now), description)
    instances = stored_instances(store, profile, snapshot.book, now)
    route = Router(there).route(profile, now=now, instances=instances)
    return RoutedTask(
        route=route,
        known=known,
        placements=tuple(store.placements(task=task, limit=_SHOWN_PLACEMENTS)),
        storage=tuple(_storage(profile, route, installation)),
    )


def _storage(
    profile: WorkloadProfile, route: Route, installation: Installation
) -> Iterator[StoredThere]:
    names = dict.fromkeys([route.cluster, *(other.cluster for other in route.alternatives)])
    for name in names:
        cluster = installation.cluster(name)
        rates = cluster.storage if cluster is not None else {}
        for storage_class, gib in sorted(stored_gib(profile).items()):
            rate = rates.get(storage_class)
            yield StoredThere(
                cluster=name,
                storage_class=storage_class,
                gib=gib,
                usd_per_month=rate.usd_per_gib_month * gib if rate and rate.known else None,
            )
