"""
Journey A: where does this task run?

The host hands over a task; the answer comes from memory: a profile book and a router, one immutable
snapshot that a background thread swaps when the store has moved. Nothing here waits for a network
or a database, and nothing here raises: whatever goes wrong in the layer itself, the task runs on
the fallback cluster as it would have without us.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from aiops_provider.control.accelerator_advice import AcceleratorAdvisor
from aiops_provider.control.decision import Decision, TaskRequest, reruns_when_lost
from aiops_provider.control.epochs import EpochBook
from aiops_provider.control.load import LoadLedger
from aiops_provider.control.modes import mode_of
from aiops_provider.control.moves import MoveBook
from aiops_provider.control.patience import PatienceBook
from aiops_provider.control.profilers import new_profiler
from aiops_provider.control.snapshot import Snapshot
from aiops_provider.control.unseen_tasks import UnseenTasks
from aiops_provider.domain.cluster import ClusterHealth, ClusterSpec, HealthState
from aiops_provider.domain.execution import ExecutionRecord, Outcome
from aiops_provider.domain.plan import Mode, Placement, Route, RouteCode, RouteReason
from aiops_provider.domain.profile import ClusterLimit, ResourceRequest, WorkloadProfile
from aiops_provider.domain.task import TaskKey
from aiops_provider.domain.units import utc_now
from aiops_provider.placement.demand import expected_duration_s
from aiops_provider.placement.live_load import LiveLoad
from aiops_provider.placement.router import Router, RouterSnapshot
from aiops_provider.profiling.book import ProfileBook
from aiops_provider.profiling.input_lookup import at_input

if TYPE_CHECKING:
    from aiops_provider.control.installation import Installation
    from aiops_provider.control.lessons import Lesson

__all__ = ["Decider", "Decision", "Snapshot", "TaskRequest"]

log = logging.getLogger(__name__)


class Decider:
    """
    Decides for one process; safe to call from several threads.

    Args:
        installation: Settings, clusters and store.
        clock: Returns the present moment.

    Attributes:
        profiler: Knows what other tasks needed, and no run of any.
        ledger: What is booked where.
        epochs: Of the placements.
        patience: What waits for a cheaper place.
        moves: What runs and may be moved to one.
    """

    def __init__(
        self, installation: Installation, *, clock: Callable[[], datetime] = utc_now
    ) -> None:
        self._settings = installation.settings
        self._clusters = {spec.name: spec for spec in installation.clusters}
        self._fallback = self._clusters[installation.settings.fallback.name]
        self._clock = clock
        self.profiler = new_profiler(self._settings.profiling)
        self.ledger = LoadLedger(installation.clusters)
        self.epochs = EpochBook()
        self._lock = threading.Lock()
        self._unreachable: dict[str, str] = {}
        self._snapshot = Snapshot(
            router=RouterSnapshot(
                clusters=installation.clusters,
                carbon_usd_per_kg=installation.settings.objective.carbon_usd_per_kg,
            ),
            book=ProfileBook(()),
        )
        self._router = Router(self._snapshot.router)
        self._advisor = self._new_advisor(self._snapshot)
        self._unseen = UnseenTasks(self.profiler)
        # By class of input: what was too little for a large one says nothing about the small ones.
        self._out_of_memory: dict[tuple[TaskKey, str], ExecutionRecord] = {}
        self.patience = PatienceBook(self._settings.routing)
        self.moves = MoveBook(self, self._settings.routing, installation.clusters)

    @property
    def snapshot(self) -> Snapshot:
        """What decisions are made from at present."""
        return self._snapshot

    def swap(self, snapshot: Snapshot) -> None:
        """
        Decide from this snapshot on; health seen by this process itself is kept.

        Args:
            snapshot: As loaded from the store.
        """
        with self._lock:
            unreachable = {**snapshot.router.unreachable, **self._unreachable}
            router = replace(snapshot.router, unreachable=unreachable)
            before = self._snapshot
            self._snapshot = replace(snapshot, router=router)
            # Profiles change all the time; then the router and what it has worked out may stay.
            if router != before.router:
                self._router = Router(router, earlier=self._router)
            if router != before.router or snapshot.accelerators != before.accelerators:
                self._advisor = self._new_advisor(self._snapshot)
            self._unseen.leave(snapshot.book)

    def hear(self, lessons: Sequence[Lesson]) -> None:
        """
        Take in what other tasks needed, for those that have not run yet.

        Args:
            lessons: See :class:`~aiops_provider.control.lessons.LessonReader`.
        """
        self._unseen.hear(lessons)

    def set_health(self, health: ClusterHealth) -> None:
        """Take in what a probe of this process said; decisions change at once."""
        self.patience.observe(health)
        with self._lock:
            if health.state is HealthState.UNREACHABLE:
                self._unreachable[health.cluster] = health.detail
            else:
                self._unreachable.pop(health.cluster, None)
            router = replace(self._snapshot.router, unreachable=dict(self._unreachable))
            self._snapshot = replace(self._snapshot, router=router)
            self._router = Router(router, earlier=self._router)
            self._advisor = self._new_advisor(self._snapshot)

    def decide(self, request: TaskRequest) -> Decision:
        """
        Choose where a try runs; a second call for the same try places it anew.

        Returns:
            Always a decision; see ``problem`` when the layer itself failed.
        """
        now = self._clock()
        self.ledger.release(request.run)
        try:
            decision = self._decide(request, now)
        except Exception as error:
            # A bug or bad data of ours must never stop a task: it runs as it would without us.
            home = self._home(request).name
            log.exception("No decision for %s; it runs on %s", request.run, home)
            decision = self._fall_back(request, now, f"{type(error).__name__}: {error}")
        self.ledger.book(
            request.run,
            cluster=decision.cluster.name,
            pool=decision.placement.route.pool,
            grant=decision.grant,
            limited=decision.limited,
            expected_s=expected_duration_s(decision.profile.duration_s)
            if decision.profile
            else 0.0,
            apart=decision.profile.anti_affinity if decision.profile else (),
        )
        return decision

    def where_now(
        self,
        profile: WorkloadProfile,
        load: LiveLoad,
        now: datetime,
        *,
        avoid: Mapping[str, str],
    ) -> Route:
        """
        Where a task would go at this moment; nothing is booked.

        Args:
            profile: Of the task.
            load: What is booked.
            now: The present moment.
            avoid: Clusters where it has failed, with why.

        Raises:
            InfeasibleError: No machine could ever hold it, or its pin cannot be followed.
        """
        return self._router.route(profile, load=load, now=now, avoid=avoid)

    def still_good(self, decision: Decision) -> bool:
        """Whether a task that has not been sent yet should go where it was meant to."""
        name = decision.cluster.name
        router = self._snapshot.router
        wait = decision.placement.route.wait
        if wait is not None and name in router.unreachable and self._clock() < wait.until:
            return True  # that it comes back is what the task waits for
        shunned = name in router.quarantined or name in router.unfit
        return name not in router.unreachable and not (shunned and decision.placement.applied)

    def may_be_used(self, name: str) -> bool:
        """Whether nothing is known against a cluster at this moment."""
        router = self._snapshot.router
        return not any(
            name in each for each in (router.unreachable, router.quarantined, router.unfit)
        )

    def take_over(
        self,
        placement: Placement,
        *,
        may_move: bool = False,
        limits: tuple[ClusterLimit, ...] = (),
    ) -> None:
        """
        Count what an earlier process started and this one looks after from now on.

        Args:
            placement: Where it is.
            may_move: Whether its author lets it run anew.
            limits: The only clusters it may use.
        """
        if placement.applied:
            known = self._snapshot.book.get(placement.run.task)
            if may_move:
                self.moves.taken_over(placement, known, limits)
            self.ledger.book(
                placement.run,
                cluster=placement.cluster,
                pool=placement.route.pool,
                grant=placement.route.request,
                limited=True,
                running=True,
                apart=known.anti_affinity if known is not None else (),
            )

    def finished(self, record: ExecutionRecord) -> None:
        """Make room, and let the next try of a task that ran out of memory be bigger at once."""
        self.ledger.release(record.run)
        if record.outcome is not Outcome.SUSPENDED:  # its deadline goes on
            self.patience.forget(record.run)
        if record.outcome is Outcome.OUT_OF_MEMORY:
            task = record.run.task
            known = self._snapshot.book.get(task)
            of_input = at_input(known, record.inputs).input_class if known is not None else ""
            self._out_of_memory[task, of_input] = record

    def _decide(self, request: TaskRequest, now: datetime) -> Decision:
        if not self._settings.enabled:
            return self._fall_back(request, now, "aiops is switched off (enabled: false)")
        profile = self._profile(request, now)
        if request.limits:
            profile = replace(profile, cluster_limits=request.limits)
        checks = request.check is not None
        mode = Mode.ENFORCE if checks else self.mode(request.run.task, request.team)
        applied = mode is Mode.ENFORCE
        waits = applied and request.may_wait and not checks
        route = self._router.route(
            profile,
            load=self.ledger.load(),
            avoid=self._avoid(request),
            now=now,
            outlook=self.patience.outlook(request.run, profile, now) if waits else None,
            instances=self.ledger.instances(profile),
        )
        moved = self.moves.why(request.run) if applied else ""
        if moved:
            sentence = f"{route.reason.sentence}; {moved}"
            route = replace(route, reason=replace(route.reason, sentence=sentence))
        cluster = self._clusters[route.cluster] if applied else self._home(request)
        if request.team is not None:
            route = replace(route, team=request.team)
        placement = Placement(
            run=request.run,
            epoch=self.epochs.next(request.run),
            route=route,
            mode=mode,
            applied=applied,
            cluster=cluster.name,
            placed_at=now,
        )
        return Decision(
            placement=placement,
            cluster=cluster,
            grant=route.request if applied else _whole_machine(cluster),
            # A check must not wait behind what it is to be checked for.
            limited=applied and not checks,
            profile=profile,
            inputs=request.inputs,
            rerun_when_lost=applied and reruns_when_lost(request.description),
            avoid=self._avoid(request),
        )

    def _profile(self, request: TaskRequest, now: datetime) -> WorkloadProfile:
        task = request.run.task
        profile = self._snapshot.book.get(task)
        if profile is not None:
            profile = at_input(profile, request.inputs)
        input_class = profile.input_class if profile is not None else ""
        if profile is None or request.description is not None:
            profile = self._described(request, profile, now)
        failure = self._out_of_memory.get((task, input_class))
        if failure is None or failure.request is None:
            return profile
        if profile.request.memory_gib > failure.request.memory_gib:
            # The learned profile has taken the failure in by now.
            self._out_of_memory.pop((task, input_class), None)
            return profile
        return self.profiler.enlarge(profile, failed=failure.request)

    def _described(
        self, request: TaskRequest, known: WorkloadProfile | None, now: datetime
    ) -> WorkloadProfile:
        description = request.description
        if known is None or description is None:
            return self._unseen.profile(request, self._advisor, now)
        # History knows the figures; the description still decides pins and limits.
        return self._advisor.advise(self.profiler.constrain(known, description), description)

    def _new_advisor(self, snapshot: Snapshot) -> AcceleratorAdvisor:
        return AcceleratorAdvisor(
            tuple(self._clusters.values()),
            self._settings.open_catalog,
            history=snapshot.accelerators,
            without=snapshot.router.out_of_use,
        )

    def _avoid(self, request: TaskRequest) -> Mapping[str, str]:
        limit = self._settings.routing.max_fail_overs
        return request.avoid if len(request.avoid) <= limit else {}

    def mode(self, task: TaskKey, team: str | None = None) -> Mode:
        """How far the layer may go for a task; the DAG's own mode wins over the team's."""
        return mode_of(self._settings.mode, task, team)

    def _home(self, request: TaskRequest) -> ClusterSpec:
        """Where a task runs without a decision of ours: what limits it holds there too."""
        for limits in (request.limits, tuple(each for each in request.limits if each.binding)):
            left = [
                name
                for name in (limits[0].clusters if limits else (self._fallback.name,))
                if name in self._clusters and all(name in limit.clusters for limit in limits)
            ]
            if left:
                name = self._fallback.name if self._fallback.name in left else left[0]
                return self._clusters[name]
        return self._fallback

    def _fall_back(self, request: TaskRequest, now: datetime, problem: str) -> Decision:
        home = self._home(request)
        grant = _whole_machine(home)
        role = "the fallback cluster" if home is self._fallback else "the first that it may use"
        route = Route(
            task=request.run.task,
            cluster=home.name,
            pool=home.pools[0].name,
            request=grant,
            reason=RouteReason(
                code=RouteCode.FALLBACK,
                sentence=f"{home.name} is {role}: {problem}",
            ),
            team=request.team,
        )
        placement = Placement(
            run=request.run,
            epoch=self.epochs.next(request.run),
            route=route,
            mode=self.mode(request.run.task, request.team),
            applied=False,
            cluster=home.name,
            placed_at=now,
        )
        return Decision(
            placement=placement,
            cluster=home,
            grant=grant,
            limited=False,
            inputs=request.inputs,
            problem=problem,
        )


def _whole_machine(cluster: ClusterSpec) -> ResourceRequest:
    machine = cluster.pools[0].machine
    return ResourceRequest(
        cores=machine.cores,
        memory_gib=machine.memory_gib,
        reason="no limit: the task runs as it would without aiops",
    )
