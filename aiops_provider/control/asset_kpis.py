"""KPIs that came with an asset event: who emitted it and where that ran is looked up here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from aiops_provider.control.sample_checks import check_samples
from aiops_provider.domain.kpi import KpiSample
from aiops_provider.domain.task import TaskKey
from aiops_provider.errors import KpiRejectedError

if TYPE_CHECKING:
    from aiops_provider.control.installation import Installation
    from aiops_provider.domain.plan import Placement
    from aiops_provider.store import IngestReceipt, Store

# A run may have many mapped tasks; the newest placement of one of them is among so many.
_MOST_PLACEMENTS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetKpis:
    """
    What an asset event says.

    Attributes:
        asset: Name of the asset.
        task: Which task emitted it; ``None``: somebody outside.
        run_id: In which run.
        map_index: Index of a mapped task, -1 when it is not mapped.
        values: KPIs by name.
        run_kind: What kind of run it was unless it was an ordinary one, such as ``test``.
    """

    asset: str
    task: TaskKey | None
    run_id: str
    map_index: int
    values: Mapping[str, object]
    run_kind: str = ""


def accept_asset_kpis(installation: Installation, said: AssetKpis, now: datetime) -> IngestReceipt:
    """
    Check and store the KPIs of one event, with the asset as a dimension.

    The same values of the same event count once.

    Raises:
        KpiRejectedError: One of them cannot be used; nothing was stored.
        StoreError: The store does not answer.
    """
    store = installation.require_store()
    dimensions, context = {"asset": said.asset}, {}
    if said.task is not None:
        dimensions |= {"dag": said.task.namespace, "task": said.task.name}
        if said.map_index >= 0:
            dimensions["partition"] = str(said.map_index)
        if said.run_kind:
            dimensions["run_kind"] = said.run_kind
        context = {"run_id": said.run_id, **_place(_placement(store, said.task, said))}
    origin = f"{said.task}/{said.run_id}/{said.map_index}"
    samples = [
        KpiSample(
            name=str(name),
            observed_at=now,
            value=_number(name, value),
            dimensions=dimensions,
            context=context,
            idempotency_key=f"asset/{_digest(origin, said.asset, name, value)}",
        )
        for name, value in said.values.items()
    ]
    tolerance_s = installation.settings.server.clock_tolerance_s
    return store.add_samples(check_samples(samples, now=now, clock_tolerance_s=tolerance_s))


def _placement(store: Store, task: TaskKey, said: AssetKpis) -> Placement | None:
    """Where that task ran last in that run: the event does not tell the try."""
    placed = store.placements(task=task, run_id=said.run_id, limit=_MOST_PLACEMENTS)
    return next((each for each in placed if each.run.map_index == said.map_index), None)


def _place(placement: Placement | None) -> dict[str, str]:
    if placement is None:
        return {}
    return {"cluster": placement.cluster, "try_number": str(placement.run.try_number)}


def _number(name: object, value: object) -> float:
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise KpiRejectedError(
            "is no number",
            field=f"extra.aiops.{name}",
            value=value,
            mend="Put one number for each KPI there.",
        ) from error


def _digest(*parts: object) -> str:
    from hashlib import blake2b

    return blake2b(repr(parts).encode("utf-8", "replace"), digest_size=16).hexdigest()
