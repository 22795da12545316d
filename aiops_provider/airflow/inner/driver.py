"""
Every call to one inner executor; used by the thread of its cluster and by no other.

The inner executor knows neither placements nor epochs. What it reports is matched here with what it
was given, so that nothing is heard of a placement that is no longer in force.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiops_provider.airflow.inner.binding import Binding, Shipment
from aiops_provider.airflow.inner.cluster import Accepted, Ended, News, NotAdopted, Orphan, Refused
from aiops_provider.airflow.inner.failure_record import failure_record
from aiops_provider.airflow.inner.last_words import LastWords
from aiops_provider.domain.cluster import ClusterSpec

if TYPE_CHECKING:
    from aiops_provider.control.decide import Decision

log = logging.getLogger(__name__)

# The inner executor limits nothing: parallelism is the outer one's, room the ledger's.
_NO_LIMIT = 1_000_000
_UNDER_WAY = frozenset({"queued", "running"})


@dataclass(slots=True)
class _Held:
    """What the inner executor holds; callbacks have neither a task instance nor a decision."""

    ti: Any
    decision: Decision | None
    epoch: int
    accepted: bool


class InnerDriver:
    """
    Makes, starts and drives one inner executor.

    Args:
        binding: How its kind is fed.
        prepare: Called with the new inner executor before it is started.
    """

    def __init__(self, binding: Binding, prepare: Callable[[Any], None]) -> None:
        self._binding = binding
        self._held: dict[Any, _Held] = {}
        self._inner = binding.build()
        self._inner.parallelism = _NO_LIMIT
        prepare(self._inner)
        self._inner.start()

    def send(
        self, shipments: Mapping[Any, Shipment], vetoed: Callable[[Any, int], bool]
    ) -> Iterator[News]:
        """
        Give workloads to the inner executor.

        Args:
            shipments: By Airflow's key.
            vetoed: Whether a placement has been replaced since; asked at the last moment.
        """
        for key, shipment in shipments.items():
            if vetoed(key, shipment.epoch):
                continue
            ti = getattr(shipment.workload, "ti", None)
            self._held[key] = _Held(ti, shipment.decision, shipment.epoch, accepted=False)
            try:
                self._inner.queue_workload(self._binding.prepare(shipment), None)
            except Exception as error:
                # One workload that this executor cannot take must not keep the others from it.
                log.exception("%s cannot be sent", key)
                yield self._refused(key, f"{type(error).__name__}: {error}")

    def beat(self) -> Iterator[News]:
        """One heartbeat of the inner executor, and what it reports."""
        self._inner.heartbeat()
        for key, (state, info) in self._inner.get_event_buffer().items():
            held = self._held.get(key)
            if held is not None:
                yield self._news(key, held, state, info)

    def revoke(self, key: Any, epoch: int) -> None:
        """Take a workload back, unless that key has been given another placement here since."""
        held = self._held.get(key)
        if held is None or held.epoch != epoch:
            return
        if held.ti is not None:
            self._inner.revoke_task(ti=held.ti)
        del self._held[key]

    def adopt(
        self, orphans: Sequence[Orphan], cluster: ClusterSpec | None = None
    ) -> Iterator[News]:
        """
        Take over tasks that an earlier scheduler sent.

        Args:
            orphans: They.
            cluster: Where they are, to learn from those that fail.
        """
        for orphan in orphans:
            orphan.ti.external_executor_id = self._binding.external_id(
                orphan.ti.id, orphan.epoch, orphan.ti.external_executor_id
            )
            self._held[orphan.ti.key] = _Held(
                orphan.ti, _decided(orphan, cluster), orphan.epoch, accepted=True
            )
        unknown = self._inner.try_adopt_task_instances([orphan.ti for orphan in orphans])
        lost = {ti.key for ti in unknown}
        log.info("%d of %d tasks adopted", len(orphans) - len(lost), len(orphans))
        for orphan in orphans:
            if orphan.ti.key in lost:
                del self._held[orphan.ti.key]
                yield NotAdopted(key=orphan.ti.key, epoch=orphan.epoch)

    def end(self) -> None:
        """Let go of the cluster; what runs there goes on."""
        self._binding.end(self._inner)

    def _news(self, key: Any, held: _Held, state: Any, info: Any) -> News:
        word = str(getattr(state, "value", state))
        if word in _UNDER_WAY:
            held.accepted = True
            external_id = None if info is None else str(info)
            return Accepted(key=key, epoch=held.epoch, state=state, external_id=external_id)
        if word != "success" and not held.accepted:
            return self._refused(key, f"it could not be sent: {info or word}")
        if word != "success" and isinstance(info, LastWords) and not info.begun:
            return self._refused(key, str(info))
        return self._ended(key, clean=word == "success", info=info)

    def _refused(self, key: Any, reason: str) -> Refused:
        return Refused(key=key, epoch=self._held.pop(key).epoch, reason=reason)

    def _ended(self, key: Any, *, clean: bool, info: Any) -> Ended:
        held = self._held.pop(key)
        decision, record = held.decision, None
        if decision is not None and not clean:
            applied = decision.placement.applied
            record = failure_record(
                decision,
                request=self._binding.given(decision.grant) if applied else decision.grant,
                outcome=self._binding.outcome(info),
                info=info,
            )
        return Ended(
            key=key,
            epoch=held.epoch,
            clean=clean,
            run=decision.placement.run if decision is not None else None,
            record=record,
            message="" if info is None else str(info),
        )


def _decided(orphan: Orphan, cluster: ClusterSpec | None) -> Decision | None:
    """What the earlier scheduler decided, as far as it is on record."""
    if orphan.placement is None or cluster is None:
        return None
    from aiops_provider.control.decide import Decision

    return Decision(
        placement=orphan.placement,
        cluster=cluster,
        grant=orphan.placement.route.request,
        limited=False,
        recorded=True,
    )
