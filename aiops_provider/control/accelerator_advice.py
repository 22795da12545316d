"""
Which accelerators of the configured pools a task should have: by memory, and by price per unit of work.

Made off the hot path, whenever the snapshot is swapped; asked in memory for every task that needs one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median

from aiops_provider.catalog.catalog import Catalog
from aiops_provider.domain.cluster import ClusterSpec
from aiops_provider.domain.execution import ExecutionRecord, Outcome
from aiops_provider.domain.machine import Accelerator
from aiops_provider.domain.profile import ComputeType, WorkloadProfile
from aiops_provider.domain.task import TaskKey
from aiops_provider.domain.workload import TaskDescription
from aiops_provider.errors import DescriptionError
from aiops_provider.placement.cost import planning_price
from aiops_provider.placement.eligibility import rule_against
from aiops_provider.profiling.accelerator import Offer, with_accelerator
from aiops_provider.profiling.accelerator_throughput import Measurement, ThroughputTransfer


@dataclass(frozen=True, slots=True)
class AcceleratorHistory:
    """
    How fast tasks ran on accelerators.

    Attributes:
        transfer: Ratios between models, from tasks that ran on several.
        measured: Of each task, its rate by model.
    """

    transfer: ThroughputTransfer = field(default_factory=lambda: ThroughputTransfer(()))
    measured: Mapping[TaskKey, Mapping[str, Measurement]] = field(default_factory=dict)

    def seconds(self, task: TaskKey, models: Iterable[str]) -> dict[str, float]:
        """Time of a task by model, as far as runs tell; empty for a task that has not run."""
        known = self.measured.get(task)
        if not known:
            return {}
        found = {}
        for model in models:
            probe = known.get(model) or next(iter(known.values()))
            rate = self.transfer.predict(probe, model)
            if rate:
                found[model] = 1.0 / rate
        return found


class AcceleratorAdvisor:
    """
    Knows the accelerators of the pools; immutable, safe to share between threads.

    Args:
        clusters: As configured.
        catalog: Datasheets.
        history: What runs tell.
        without: Names of clusters that are away; their accelerators are no choice.
    """

    def __init__(
        self,
        clusters: Sequence[ClusterSpec],
        catalog: Catalog,
        *,
        history: AcceleratorHistory | None = None,
        without: Collection[str] = frozenset(),
    ) -> None:
        self._catalog = catalog
        self._history = history or AcceleratorHistory()
        offered = [(c, tuple(_offers(c, catalog))) for c in clusters if c.name not in without]
        self._offered = [(cluster, offers) for cluster, offers in offered if offers]

    def advise(
        self, profile: WorkloadProfile, description: TaskDescription | None
    ) -> WorkloadProfile:
        """
        The profile with number, memory and pace of accelerators; others are returned as they are.

        Raises:
            DescriptionError: The description names an accelerator that the catalogue does not know.
        """
        if profile.accelerator is not None:
            profile = with_known_accelerator(profile, self._catalog)
        if profile.compute_type is ComputeType.CPU or profile.accelerator_memory_gib is None:
            return profile
        offers = [
            offer
            for cluster, some in self._offered
            if rule_against(profile, cluster) is None
            for offer in some
        ]
        models = {offer.accelerator.model for offer in offers}
        paces = self._history.seconds(profile.task, models)
        advised = with_accelerator(profile, description, offers, paces=paces)
        if advised is profile:
            # No pool has it: the need is said all the same, so that the route's error can tell why.
            need = profile.accelerator_memory_gib.p80
            request = replace(profile.request, accelerator_memory_gib=need)
            return replace(profile, request=request)
        return advised


def with_known_accelerator(profile: WorkloadProfile, catalog: Catalog) -> WorkloadProfile:
    """
    The profile with the model that its pinned accelerator's name stands for.

    Raises:
        DescriptionError: The catalogue does not know it.
    """
    pinned = profile.accelerator
    if pinned is None:
        return profile
    model = known_accelerator(pinned, catalog).model
    if model == pinned:
        return profile
    request = replace(profile.request, accelerator=model)
    return replace(profile, accelerator=model, request=request)


def known_accelerator(name: str, catalog: Catalog) -> Accelerator:
    """
    The accelerator of a description.

    Raises:
        DescriptionError: The catalogue does not know it; the nearest names are named.
    """
    found = catalog.accelerator(name)
    if found is None:
        raise DescriptionError(
            "is no accelerator that the catalogue knows",
            field="accelerator",
            value=name,
            mend=catalog.accelerator_suggestion(name),
        )
    return found


def accelerator_history(
    records: Iterable[ExecutionRecord], clusters: Sequence[ClusterSpec], catalog: Catalog
) -> AcceleratorHistory:
    """
    What finished runs tell about accelerators; only those on pools with one model tell which.

    Args:
        records: Of any tasks.
        clusters: As configured.
        catalog: Datasheets, for models that no task ran on together.
    """
    pools = {(cluster.name, pool.name): pool for cluster in clusters for pool in cluster.pools}
    seconds: dict[tuple[TaskKey, str, int], list[float]] = defaultdict(list)
    for record in records:
        pool = pools.get((record.cluster, record.pool))
        request, usage = record.request, record.usage
        models = tuple(pool.machine.accelerators) if pool is not None else ()
        if (
            len(models) == 1
            and request is not None
            and request.accelerators
            and record.outcome is Outcome.SUCCESS
            and usage is not None
            and usage.duration_s > 0
        ):
            key = record.run.task, models[0], request.accelerators
            seconds[key].append(usage.duration_s)
    measured: dict[TaskKey, dict[str, Measurement]] = defaultdict(dict)
    every = []
    for (task, model, count), durations in seconds.items():
        one = Measurement(
            job=str(task),
            accelerator=model,
            setting=(str(count),),
            per_s=1.0 / median(durations),
        )
        every.append(one)
        measured[task][model] = one
    return AcceleratorHistory(ThroughputTransfer(every, catalog.accelerators()), measured)


def _offers(cluster: ClusterSpec, catalog: Catalog) -> Iterable[Offer]:
    for pool in cluster.pools:
        for model, count in pool.machine.accelerators.items():
            found = catalog.accelerator(model)
            if found is None:
                continue
            held = pool.machine.accelerator_memory_gib.get(model, found.memory_gib)
            yield Offer(
                accelerator=replace(found, model=model, memory_gib=held),
                usd_per_hour=planning_price(pool) / count,
                most=count,
            )
