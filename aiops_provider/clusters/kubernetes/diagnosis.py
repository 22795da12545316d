"""
What the last state of a pod says about how its work ended: was it the task, or the place?

Sources: Kubernetes documentation, "Pod Lifecycle" (phases, container states, conditions),
"Disruptions" (condition DisruptionTarget), "Node-pressure Eviction" and "Node Shutdowns".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from aiops_provider.domain.execution import OUT_OF_MEMORY_EXIT_CODE, Outcome

OUT_OF_MEMORY_REASON = "OOMKilled"

# Reasons of a failed pod that speak of its node; a kubelet that has no room says OutOfcpu and the like.
_REASONS_OF_PLACE = frozenset(
    {
        "Evicted",
        "NodeAffinity",
        "NodeLost",
        "NodeShutdown",
        "Preempting",
        "ProviderFailed",
        "Shutdown",
        "Terminated",
        "UnexpectedAdmissionError",
    }
)
_NO_ROOM = "OutOf"
# A node evicts a pod for the node's own want of memory or disk, but also a pod that has used more
# scratch space than it may: that one would do so anywhere.
_OWN_DISK = "ephemeral"


@dataclass(frozen=True, slots=True, kw_only=True)
class PodDiagnosis:
    """
    How a pod ended, or why it does not start.

    Attributes:
        outcome: ``CLUSTER_LOST`` where the place failed and not the task.
        words: The cluster's own words, one sentence.
    """

    outcome: Outcome
    words: str


def diagnose(pod: Mapping[str, Any]) -> PodDiagnosis:
    """
    Judge a pod that has failed, is being deleted, or does not start.

    Args:
        pod: As the API gives it, in JSON.

    >>> ended = {"exitCode": 137, "reason": "OOMKilled"}
    >>> status = {"name": "base", "state": {"terminated": ended}}
    >>> diagnose({"status": {"phase": "Failed", "containerStatuses": [status]}}).words
    'container base: OOMKilled, exit code 137'
    """
    status = pod.get("status") or {}
    ended = list(_containers(status, "terminated"))
    for name, state in ended:
        if state.get("reason") == OUT_OF_MEMORY_REASON:
            return PodDiagnosis(outcome=Outcome.OUT_OF_MEMORY, words=_said(name, state))
    place = _trouble_of_place(status)
    if place:
        return PodDiagnosis(outcome=Outcome.CLUSTER_LOST, words=place)
    if (pod.get("metadata") or {}).get("deletionTimestamp"):
        return PodDiagnosis(outcome=Outcome.KILLED, words="the pod was deleted")
    for name, state in ended:
        if state.get("exitCode") == OUT_OF_MEMORY_EXIT_CODE:
            # Killed, and by nobody who says so: not every runtime notices that it was for memory.
            return PodDiagnosis(outcome=Outcome.OUT_OF_MEMORY, words=_said(name, state))
    for name, state in ended:
        if state.get("exitCode"):
            return PodDiagnosis(outcome=Outcome.KILLED, words=_said(name, state))
    words = _joined(status.get("reason"), status.get("message"))
    return PodDiagnosis(
        outcome=Outcome.KILLED, words=words or f"the pod is {status.get('phase', 'unknown')}"
    )


def _trouble_of_place(status: Mapping[str, Any]) -> str:
    reason, message = str(status.get("reason") or ""), str(status.get("message") or "")
    if reason in _REASONS_OF_PLACE or reason.startswith(_NO_ROOM):
        return "" if _OWN_DISK in message else _joined(reason, message)
    for condition in status.get("conditions") or ():
        if condition.get("type") == "DisruptionTarget" and condition.get("status") == "True":
            return _joined(condition.get("reason"), condition.get("message"))
    if status.get("phase") != "Pending":
        return ""
    for name, state in _containers(status, "waiting"):
        return f"container {name} waits: {_joined(state.get('reason'), state.get('message'))}"
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return _joined(condition.get("reason"), condition.get("message"))
    return ""


def _containers(status: Mapping[str, Any], kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for group in ("initContainerStatuses", "containerStatuses"):
        for container in status.get(group) or ():
            state = (container.get("state") or {}).get(kind)
            if state is not None:
                yield str(container.get("name")), state


def _said(container: str, state: Mapping[str, Any]) -> str:
    words = [str(state["reason"])] if state.get("reason") else []
    words.append(f"exit code {state.get('exitCode')}")
    return f"container {container}: {', '.join(words)}"


def _joined(*words: Any) -> str:
    return ": ".join(str(word) for word in words if word)
