"""Where tasks should run (the plan) and where one task goes now (the route)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.domain.promise import Promise
from aiops_provider.domain.separation import AntiAffinityRule, SpreadRule
from aiops_provider.domain.task import TaskKey, TaskRun


class Mode(StrEnum):
    """How far the layer may go."""

    OBSERVE = "observe"
    ADVISE = "advise"
    ENFORCE = "enforce"


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """
    What the plan is for.

    The SLA of a plan is the SLA-weighted share of the demand that is placed and keeps its promises
    there: ends before its deadline, answers within its latency objective, on a cluster that can be
    used at the time.

    Attributes:
        maximize_sla: True: most SLA within capacity and budget. False: least cost at ``sla``.
        budget_usd_per_hour: Upper limit of the mean spend, or ``None``.
        sla: Share of the weighted demand that must keep its promises when cost is minimised.
        every_workload: A workload counts only where each member of its group keeps its own promise
            as often as it says, and then counts wholly.
        carbon_usd_per_kg: Price put on a kilogram of CO₂ equivalent; it counts in the cost and
            against the budget. 0: emissions decide nothing.
        max_carbon_kg_per_hour: Upper limit of the mean emissions, in kg of CO₂ equivalent, or ``None``.
    """

    maximize_sla: bool = True
    budget_usd_per_hour: float | None = None
    sla: float = 0.99
    every_workload: bool = False
    carbon_usd_per_kg: float = 0.0
    max_carbon_kg_per_hour: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadGroup:
    """
    Workloads that are multiplexed: like need, peaks that do not coincide.

    Attributes:
        name: Stable for the same members.
        tasks: Members.
        request: The largest request of a member; a machine must hold it.
        cores_by_slot: Expected cores in use per slot of the week (168) or one entry for all slots.
        memory_gib_by_slot: As above.
        accelerators_by_slot: As above.
        peak_of_sum_cores: Highest entry of ``cores_by_slot``.
        sum_of_peaks_cores: What the members would need apart from one another.
        sla_weight: Sum over the members.
        sla_attainment: The strictest of the members.
        allowed_regions: Empty: any.
        allowed_providers: Empty: any.
        data_region: Region of the members' data, or ``None``.
        pinned_cluster: Set when the user pinned the members.
        data_gib_per_hour: Data moved from ``data_region`` per hour.
        promises: Of the members that something was promised about.
        spread: Over which failure domains its demand is divided, or ``None``.
        anti_affinity: What it shares no failure domain with.
        slowdown: Time that a run of a member takes at most because others run beside it, as a multiple;
            it is in the demand and in the durations of the promises.
        storage_gib: What they leave in storage and hold there while they run, by class of storage.
        met_beyond: Share of a member's runs that are expected to meet another which slows it more than
            is bearable, by name of each member that has such another; that is in the demand, not in
            ``slowdown``.
    """

    name: str
    tasks: tuple[TaskKey, ...]
    request: ResourceRequest
    cores_by_slot: tuple[float, ...]
    memory_gib_by_slot: tuple[float, ...]
    accelerators_by_slot: tuple[float, ...]
    peak_of_sum_cores: float
    sum_of_peaks_cores: float
    sla_weight: float = 1.0
    sla_attainment: float = 0.99
    allowed_regions: tuple[str, ...] = ()
    allowed_providers: tuple[str, ...] = ()
    data_region: str | None = None
    pinned_cluster: str | None = None
    data_gib_per_hour: float = 0.0
    promises: tuple[Promise, ...] = ()
    spread: SpreadRule | None = None
    anti_affinity: tuple[AntiAffinityRule, ...] = ()
    slowdown: float = 1.0
    storage_gib: Mapping[str, float] = field(default_factory=dict)
    met_beyond: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """
    A share of a group's demand, given to one pool of one cluster.

    Attributes:
        group: Name of the group.
        cluster: Name of the cluster.
        pool: Name of the pool.
        share: Of the group's demand, in (0, 1].
        cost_usd_per_hour: Mean over the slots.
        carbon_kg_per_hour: CO₂ equivalent, mean over the slots; ``None``: unknown.
    """

    group: str
    cluster: str
    pool: str
    share: float
    cost_usd_per_hour: float
    carbon_kg_per_hour: float | None = None


class PlanStatus(StrEnum):
    """How good the solver proved the plan to be."""

    OPTIMAL = "optimal"
    FEASIBLE = "feasible"
    INFEASIBLE = "infeasible"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacementPlan:
    """
    Groups assigned to clusters, with a proof of how good that is.

    Attributes:
        groups: What was placed.
        assignments: Where.
        objective: What for.
        objective_value: SLA-weighted share placed, or USD per hour.
        bound: No plan can be better than this.
        gap: Relative distance of value and bound; judge a plan by this, not by its status.
        status: Optimal when the gap is within tolerance.
        cost_usd_per_hour: Mean spend.
        sla_attainment: SLA-weighted share of the demand that is placed and keeps its promises.
        shadow_prices: USD that one more core-hour of a cluster would be worth, by cluster.
        unplaced: Share of each group that found no place, by group.
        solver: Which solver.
        solve_s: Its time in seconds.
        created_at: When.
        version: Given by the store; 0 before.
        explanation: Sentences for people.
    """

    groups: tuple[WorkloadGroup, ...]
    assignments: tuple[Assignment, ...]
    objective: Objective
    objective_value: float
    bound: float
    gap: float
    status: PlanStatus
    cost_usd_per_hour: float
    sla_attainment: float
    created_at: datetime
    shadow_prices: Mapping[str, float] = field(default_factory=dict)
    unplaced: Mapping[str, float] = field(default_factory=dict)
    solver: str = ""
    solve_s: float = 0.0
    version: int = 0
    explanation: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanVersion:
    """
    A plan that is stored.

    Attributes:
        version: Counts all plans of the store.
        created_at: When it was made.
        activated_at: When it was last put in force; ``None``: never.
        in_force: Whether routers follow it.
    """

    version: int
    created_at: datetime
    activated_at: datetime | None
    in_force: bool


class RouteCode(StrEnum):
    """Why a cluster was chosen, as a stable word."""

    PLAN = "plan"
    SHADOW_PRICE = "shadow_price"
    CHEAPEST = "cheapest"
    PINNED = "pinned"
    ONLY_CHOICE = "only_choice"
    FAIL_OVER = "fail_over"
    FALLBACK = "fallback"
    WAIT = "wait"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """
    That a task is to wait for a cheaper place although a dearer one has room.

    Attributes:
        until: Its latest start: then it takes the best place there is.
        places: Names of cluster and pool that it waits for, the preferred one first.
        chance: That the likeliest of them has room in time.
        saving_usd: Of the run, if that one does.
    """

    until: datetime
    places: tuple[tuple[str, str], ...]
    chance: float
    saving_usd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteReason:
    """
    Why this cluster: a stable word, a sentence, and what was passed over.

    Attributes:
        code: Stable word.
        sentence: For people.
        rejected: Why each other cluster was passed over, by cluster.
        figures: Numbers behind the choice.
    """

    code: RouteCode
    sentence: str
    rejected: Mapping[str, str] = field(default_factory=dict)
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """The next best place, in order."""

    cluster: str
    pool: str
    score_usd: float
    expected_cost_usd: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """
    Where one task goes now.

    Attributes:
        task: The task.
        cluster: Chosen cluster.
        pool: Chosen pool.
        request: Resources to ask for.
        reason: Why.
        alternatives: Ranked; the first is tried when this cluster refuses.
        expected_cost_usd: Of this run; ``None`` when the price is unknown.
        plan_version: The plan that was followed; 0 without one.
        team: Who pays for it; ``None`` if it has no team.
        wait: Set if it is to start there when there is room, and meanwhile to be routed anew.
    """

    task: TaskKey
    cluster: str
    pool: str
    request: ResourceRequest
    reason: RouteReason
    alternatives: Sequence[Alternative] = ()
    expected_cost_usd: float | None = None
    plan_version: int = 0
    team: str | None = None
    wait: Wait | None = None

    def __post_init__(self) -> None:
        # Readers of JSON make lists of sequences.
        if isinstance(self.alternatives, list):
            object.__setattr__(self, "alternatives", tuple(self.alternatives))


class PlacementState(StrEnum):
    """Life of a placement."""

    CHOSEN = "chosen"
    SUBMITTED = "submitted"
    FINISHED = "finished"
    SUPERSEDED = "superseded"
    FENCED = "fenced"
    MOVED = "moved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """
    A route that was given to one try, as written to the store.

    Attributes:
        run: Which try.
        epoch: Counts the placements of this try from 1; only the highest is valid.
        route: Where and why.
        mode: What the layer was allowed to do.
        applied: Whether the route was followed (False when observing).
        cluster: Where the task was really sent.
        placed_at: When.
        state: Its life.
    """

    run: TaskRun
    epoch: int
    route: Route
    mode: Mode
    applied: bool
    cluster: str
    placed_at: datetime
    state: PlacementState = PlacementState.CHOSEN
