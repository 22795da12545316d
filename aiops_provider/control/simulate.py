"""What ``aiops simulate`` does: the same tasks placed in several ways, in virtual time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from aiops_provider.control.price_file import read_prices
from aiops_provider.control.simulated_routing import RoutedPolicy
from aiops_provider.control.trace_file import Trace, read_outages, read_trace
from aiops_provider.domain.units import SECONDS_PER_HOUR
from aiops_provider.errors import DataError
from aiops_provider.placement.price_series import STEADY_PRICES, PriceSeries
from aiops_provider.placement.replay import Replay
from aiops_provider.placement.replay_figures import ReplayFigures, replay_figures
from aiops_provider.placement.replay_policies import cheapest_first, round_robin, single_cluster
from aiops_provider.placement.replay_policy import Policy
from aiops_provider.placement.replay_task import Outage
from aiops_provider.settings.schema import Settings


class PolicyName(StrEnum):
    """Ways to place the tasks."""

    AIOPS = "aiops"
    SINGLE_CLUSTER = "single_cluster"
    CHEAPEST_FIRST = "cheapest_first"
    ROUND_ROBIN = "round_robin"


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedPolicy:
    """
    What one policy would have come to.

    Attributes:
        policy: Its name.
        figures: Cost, deadlines, waiting and use.
        why_refused: Why some tasks ran nowhere, each reason once, at most ten.
        plans: That were put in force; 0 for policies that do not plan.
        failed_plans: Attempts to plan that came to nothing.
    """

    policy: PolicyName
    figures: ReplayFigures
    why_refused: tuple[str, ...] = ()
    plans: int = 0
    failed_plans: int = 0


_MOST_REASONS = 10


def simulate(
    trace: Path,
    settings: Settings,
    *,
    outages: Path | None = None,
    prices: Path | None = None,
    policies: Sequence[PolicyName] = tuple(PolicyName),
    single: str | None = None,
    plan_every_hours: float | None = 24.0,
    choose_again_s: float = 300.0,
    watch: Callable[[str, int, int], None] = lambda _name, _done, _total: None,
) -> list[SimulatedPolicy]:
    """
    Replay a trace under each policy; nothing is stored, and no cluster is asked.

    Args:
        trace: Tasks; see :mod:`aiops_provider.control.trace_file`.
        settings: Clusters with their prices, objective, limits of planning and routing.
        outages: When clusters were gone; ``None``: never.
        prices: How prices change; see :mod:`aiops_provider.control.price_file`. ``None``: they do not.
        policies: Which, in the order of the answer.
        single: The cluster of the policy with one; default: the fallback cluster.
        plan_every_hours: Virtual hours between two plans; ``None``: the router alone.
        choose_again_s: Virtual seconds after which the router looks where else there is room.
        watch: Told the policy, how many tasks are done, and of how many.

    Raises:
        DataError: A file or an option cannot be used, with what to mend.
    """
    clusters = settings.cluster_specs
    names = [cluster.name for cluster in clusters]
    if single is not None and single not in names:
        raise DataError(
            "is not configured",
            field="single",
            value=single,
            mend=f"Use one of {', '.join(names)}.",
        )
    read = read_trace(trace, settings.open_catalog)
    spells = read_outages(outages, clusters, read.begin) if outages is not None else []
    series = read_prices(prices, clusters, read.begin) if prices is not None else STEADY_PRICES
    answers = []
    for name in policies:
        policy = _policy(
            name,
            settings,
            read,
            single=single or settings.fallback.name,
            plan_every_hours=plan_every_hours,
            choose_again_s=choose_again_s,
        )

        def told(done: int, total: int, name: PolicyName = name) -> None:
            watch(name, done, total)

        answers.append(
            _replayed(
                name,
                policy,
                settings,
                trace=read,
                outages=spells,
                prices=series,
                watch=told,
            )
        )
    return answers


def _policy(
    name: PolicyName,
    settings: Settings,
    trace: Trace,
    *,
    single: str,
    plan_every_hours: float | None,
    choose_again_s: float,
) -> Policy:
    clusters = settings.cluster_specs
    if name is PolicyName.AIOPS:
        return RoutedPolicy(
            settings,
            clusters,
            begin=trace.begin,
            plan_every_s=None if plan_every_hours is None else plan_every_hours * SECONDS_PER_HOUR,
            plan_on_change=True,
            again_after_s=choose_again_s,
            notices_after_s=settings.routing.fence_after_s,
        )
    made = {
        PolicyName.SINGLE_CLUSTER: lambda: single_cluster(clusters, single),
        PolicyName.CHEAPEST_FIRST: lambda: cheapest_first(clusters),
        PolicyName.ROUND_ROBIN: lambda: round_robin(clusters),
    }[name]()
    # What is compared is where tasks go, so all of them learn of a loss at the same time.
    made.notices_after_s = settings.routing.fence_after_s
    return made


def _replayed(
    name: PolicyName,
    policy: Policy,
    settings: Settings,
    *,
    trace: Trace,
    outages: Sequence[Outage],
    prices: PriceSeries,
    watch: Callable[[int, int], None],
) -> SimulatedPolicy:
    clusters = settings.cluster_specs
    replay = Replay(trace.tasks, clusters, policy, outages=outages, prices=prices, watch=watch)
    attempts = replay.run()
    figures = replay_figures(
        trace.tasks,
        attempts,
        clusters,
        outages=outages,
        refused=replay.refused,
        carbon_usd_per_kg=settings.objective.carbon_usd_per_kg,
        prices=prices,
    )
    planned = policy if isinstance(policy, RoutedPolicy) else None
    return SimulatedPolicy(
        policy=name,
        figures=figures,
        why_refused=tuple(dict.fromkeys(replay.refused.values()))[:_MOST_REASONS],
        plans=planned.plans if planned else 0,
        failed_plans=planned.failed_plans if planned else 0,
    )
