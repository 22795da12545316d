"""
What ``aiops costs`` does: who used how much of which cluster, at the prices that are known here.

Showback, not the cloud's bill: a try costs the share of a machine that it held for as long as it
ran. What a cluster costs while it is idle belongs to no task and is not in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from aiops_provider.control.cluster_limits import team_of
from aiops_provider.domain.execution import ExecutionRecord, Outcome
from aiops_provider.domain.plan import Placement
from aiops_provider.domain.task import TaskRun
from aiops_provider.domain.units import SECONDS_PER_HOUR

if TYPE_CHECKING:
    from aiops_provider.control.installation import Installation
    from aiops_provider.domain.profile import ResourceRequest

NO_TEAM = "(no team)"


class CostKey(StrEnum):
    """By what costs are summed."""

    DAG = "dag"
    TASK = "task"
    TEAM = "team"
    RUN = "run"
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True, kw_only=True)
class CostRow:
    """
    What one DAG, task, team, run or cluster used.

    Attributes:
        name: Which.
        tries: That ended in the time asked for.
        hours: Wall time of all of them together.
        cost_usd: Of those whose price is known.
        wasted_usd: The part of it that did not end in success.
        unpriced: Tries whose price, request or pool is not known.
    """

    name: str
    tries: int
    hours: float
    cost_usd: float
    wasted_usd: float
    unpriced: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CostReport:
    """
    Costs of a time.

    Attributes:
        by: What the rows are.
        since: Tries that ended at that moment or later.
        rows: The dearest first.
        total: Of all rows.
    """

    by: CostKey
    since: datetime
    rows: tuple[CostRow, ...]
    total: CostRow


@dataclass(frozen=True, slots=True)
class _Charge:
    record: ExecutionRecord
    team: str
    cost_usd: float | None


def report_costs(installation: Installation, by: CostKey, *, since: datetime) -> CostReport:
    """
    Sum up what tries cost.

    Args:
        installation: With a store; prices are those of its clusters now, unless the try was priced
            when it ended.
        by: What to sum by.
        since: Tries that ended at that moment or later.

    Raises:
        StoreError: The store does not answer.
    """
    store = installation.require_store()
    records = store.executions(since=since)
    placements = store.latest_placements([record.run for record in records])
    charges = [_charge(installation, record, placements) for record in records]
    by_name: dict[str, list[_Charge]] = {}
    for charge in charges:
        by_name.setdefault(_NAMES[by](charge), []).append(charge)
    rows = [_row(name, group) for name, group in by_name.items()]
    rows.sort(key=lambda row: (-row.cost_usd, row.name))
    return CostReport(by=by, since=since, rows=tuple(rows), total=_row("total", charges))


def _charge(
    installation: Installation, record: ExecutionRecord, placements: Mapping[TaskRun, Placement]
) -> _Charge:
    placement = placements.get(record.run)
    team = placement.route.team if placement is not None else None
    team = team or team_of(installation.settings, record.run.task.namespace) or NO_TEAM
    return _Charge(record, team, tried_cost_usd(installation, record, placement))


def tried_cost_usd(
    installation: Installation, record: ExecutionRecord, placement: Placement | None
) -> float | None:
    """
    What one try cost: the share of a machine that it held for as long as it ran.

    Args:
        installation: Its clusters have the prices, unless the try was priced when it ended.
        record: Of the try.
        placement: Its latest; ``None``: not known.

    Returns:
        In USD; ``None`` where the price, the request or the pool is not known.
    """
    observed = placement is not None and not placement.applied
    if record.cost_usd is not None and not observed:
        return record.cost_usd
    request = _held(record, placement, observed=observed)
    cluster = installation.cluster(record.cluster)
    pool = next((p for p in cluster.pools if p.name == record.pool), None) if cluster else None
    if pool is None or request is None or not pool.machine.fits(request):
        return None
    return pool.cost_usd(request, record.occupied_s)


def _held(
    record: ExecutionRecord, placement: Placement | None, *, observed: bool
) -> ResourceRequest | None:
    # A try that was only observed was granted the whole machine, beside all others there.
    if observed or record.request is None:
        return placement.route.request if placement is not None else None
    return record.request


def _row(name: str, charges: Iterable[_Charge]) -> CostRow:
    charges = list(charges)
    seconds = sum(c.record.occupied_s for c in charges)
    return CostRow(
        name=name,
        tries=len(charges),
        hours=seconds / SECONDS_PER_HOUR,
        cost_usd=sum(c.cost_usd or 0.0 for c in charges),
        wasted_usd=sum(
            c.cost_usd or 0.0 for c in charges if c.record.outcome is not Outcome.SUCCESS
        ),
        unpriced=sum(c.cost_usd is None for c in charges),
    )


_NAMES: dict[CostKey, Callable[[_Charge], str]] = {
    CostKey.DAG: lambda charge: charge.record.run.task.namespace,
    CostKey.TASK: lambda charge: str(charge.record.run.task),
    CostKey.TEAM: lambda charge: charge.team,
    CostKey.RUN: lambda charge: f"{charge.record.run.task.namespace} {charge.record.run.run_id}",
    CostKey.CLUSTER: lambda charge: charge.record.cluster,
}
