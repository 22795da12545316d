"""
What would be decided for a task that is tried out without a scheduler: in a notebook, by a test run.

The same profile and the same route as in production, told instead of followed. Nothing is remembered
of it: neither a placement nor a description, and no record is learned from, for what a whole
notebook uses is not what the task needs. KPIs are reported, as series of their own.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aiops_provider.control.decide import Decider
from aiops_provider.control.decision import Decision, TaskRequest
from aiops_provider.control.environment import worker_environment
from aiops_provider.control.lessons import LessonReader
from aiops_provider.control.out_of_use import clusters_out_of_use
from aiops_provider.control.snapshot_reader import load_snapshot
from aiops_provider.domain.units import utc_now
from aiops_provider.errors import AiopsError, StoreError
from aiops_provider.telemetry.context import RUN_KIND_VARIABLE, TEST_RUN

if TYPE_CHECKING:
    from aiops_provider.control.installation import Installation

log = logging.getLogger(__name__)

# Where it would run is not where it runs.
_OF_THE_PLACE = frozenset({"AIOPS_CLUSTER", "AIOPS_PROVIDER", "AIOPS_REGION", "AIOPS_POOL"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """
    What a task is told that is tried out.

    Attributes:
        decision: Where it would be sent.
        sentence: The same for people, with the reason.
        environment: Variables by which it reports its KPIs as those of a test.
    """

    decision: Decision
    sentence: str
    environment: Mapping[str, str]


class RehearsalStage:
    """
    Rehearses tasks in one process, one after the other.

    Args:
        installation: Settings, clusters and store.
        ingest_url: Where workers report to; ``None``: they report nothing.
    """

    def __init__(self, installation: Installation, *, ingest_url: str | None) -> None:
        self.installation = installation
        self._ingest_url = ingest_url
        self._decider = Decider(installation)
        self._lessons: LessonReader | None = None

    def rehearse(self, request: TaskRequest) -> Rehearsal:
        """
        Decide for a task; never raises for what is wrong with the store or the configuration.

        Args:
            request: The task, as a scheduler would ask for it.
        """
        self._look_at_store()
        decision = self._decider.decide(request)
        # It takes no room anywhere: the next one must not find the cluster taken.
        self._decider.ledger.release(request.run)
        return Rehearsal(
            decision=decision, sentence=_told(decision), environment=self._environment(decision)
        )

    def _look_at_store(self) -> None:
        store = self.installation.store
        if store is None or not self.installation.settings.enabled:
            return
        now = utc_now()
        try:
            snapshot = load_snapshot(self.installation, now)
            away = clusters_out_of_use(store, now).unreachable
            if self._lessons is None:
                self._lessons = LessonReader(store)
            lessons = self._lessons.read_due(now)
        except StoreError as error:
            log.warning("Nothing is known of earlier runs and of the plan: %s", error)
            return
        router = replace(snapshot.router, unreachable=away)
        self._decider.swap(replace(snapshot, router=router))
        self._decider.hear(lessons)

    def _environment(self, decision: Decision) -> dict[str, str]:
        if self._ingest_url is None or not self.installation.settings.enabled:
            return {}
        try:
            said = worker_environment(self.installation, decision, url=self._ingest_url)
        except AiopsError as error:
            log.warning("The KPIs of %s are not reported: %s", decision.placement.run, error)
            return {}
        own = {name: value for name, value in said.items() if name not in _OF_THE_PLACE}
        return {**own, RUN_KIND_VARIABLE: TEST_RUN}


def _told(decision: Decision) -> str:
    placement, route, profile = decision.placement, decision.placement.route, decision.profile
    if profile is None:
        return (
            f"{placement.run.task} would run on {decision.cluster.name} because {decision.problem}"
        )
    cores = f"{route.request.cores:.3g} core{'' if route.request.cores == 1 else 's'}"
    size = f"{cores} and {route.request.memory_gib:.3g} GiB"
    expected = f"for about {profile.duration_s.p50:.3g} s ({profile.duration_s.source.value})"
    why = f"because {route.reason.sentence}"
    if placement.applied:
        return f"{placement.run.task} would run on {route.cluster} with {size}, {expected}, {why}"
    return (
        f"{placement.run.task} would run on {decision.cluster.name} (mode {placement.mode.value}); its "
        f"route is {route.cluster} with {size}, {expected}, {why}"
    )
