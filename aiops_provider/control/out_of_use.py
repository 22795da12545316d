"""Which clusters get no tasks now and why, as the store knows it: planning, watching and routing go by it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from aiops_provider.control.cluster_check import failed_checks
from aiops_provider.domain.alarm import ResponseAction
from aiops_provider.domain.cluster import HealthState

if TYPE_CHECKING:
    from aiops_provider.store import Store

# A response per super-alarm that is open: thousands would be no super-alarms any more.
MOST_RESPONSES = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class OutOfUse:
    """
    Reasons by cluster; one cluster may have several.

    Attributes:
        unreachable: Its probe failed: a fact.
        unfit: Its check failed although it answers: a fact.
        quarantined: It is at fault in a super-alarm: a suspicion.
    """

    unreachable: Mapping[str, str]
    unfit: Mapping[str, str]
    quarantined: Mapping[str, str]

    @property
    def reasons(self) -> dict[str, str]:
        """One reason by cluster, the hardest."""
        return {**self.quarantined, **self.unfit, **self.unreachable}


def clusters_out_of_use(store: Store, now: datetime, *, but: str = "") -> OutOfUse:
    """
    Read it.

    Args:
        store: Where probes, checks and responses are kept.
        now: Decides which quarantines are in force.
        but: Id of a response that is not counted.

    Raises:
        StoreError: The store does not answer.
    """
    return OutOfUse(
        unreachable={
            name: health.detail or "it does not answer"
            for name, health in store.health().items()
            if health.state is HealthState.UNREACHABLE
        },
        unfit=failed_checks(store),
        quarantined={
            name: f"quarantined for {response.super_alarm}: {response.reason}"
            for response in store.responses(active_at=now, limit=MOST_RESPONSES)
            if response.action is ResponseAction.QUARANTINE and response.id != but
            for name in response.clusters
        },
    )
