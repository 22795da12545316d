"""
What a Kubernetes API server tells about the cluster as a whole: pods that wait, nodes, events.

Besides what the executor may do this needs the right to list nodes and events; what its credentials may
not list is missing, and the rest is told.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from aiops_provider.clusters.kubernetes.client import open_client
from aiops_provider.clusters.kubernetes.options import KubernetesOptions
from aiops_provider.clusters.metrics.options import NoOptions
from aiops_provider.clusters.metrics.registry import MetricSourceKind
from aiops_provider.clusters.metrics.source import FaultWhen, Reading, Readings
from aiops_provider.domain.cluster import ClusterSpec
from aiops_provider.errors import MetricsError

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

_DEFAULT_NAMESPACE = "default"
# Events about nodes belong to no namespace of a user's: Kubernetes keeps them in this one.
_NODE_EVENTS = "default"
_PAGE = 500

# Reasons as the scheduler, the kubelet, the node controller, the node termination handler of AWS,
# Karpenter and the node-problem detector of AKS give them.
_EVENTS: Mapping[str, tuple[str, tuple[str, ...], FaultWhen | None]] = {
    "events_failed_scheduling": ("", ("FailedScheduling",), None),
    "events_evicted": ("", ("Evicted", "Preempted"), None),
    "events_node_not_ready": (_NODE_EVENTS, ("NodeNotReady",), "high"),
    "events_spot_interruption": (
        _NODE_EVENTS,
        ("SpotInterruption", "SpotInterrupted", "PreemptScheduled"),
        "high",
    ),
}
# Taints by which nodes that are about to be taken back are marked: by the node termination handler of
# AWS and by Google Kubernetes Engine.
_INTERRUPTED = frozenset(
    {"aws-node-termination-handler/spot-itn", "cloud.google.com/impending-node-termination"}
)

_Item = Mapping[str, Any]


class KubernetesMetrics:
    """
    One cluster, and in it the namespace that tasks run in.

    Args:
        options: Of the cluster.
        timeout_s: Of one request.
    """

    def __init__(self, options: KubernetesOptions, *, timeout_s: float) -> None:
        self._options, self._timeout_s = options, timeout_s
        self._namespace = options.namespace or _DEFAULT_NAMESPACE
        self._client: ApiClient | None = None
        self._events_seen: dict[str, dict[str, int]] = {}
        self._killed_seen: set[str] | None = None

    def read(self, now: datetime) -> Readings:
        """See :class:`~aiops_provider.clusters.metrics.source.MetricSource`."""
        found: list[Reading] = []
        missing: dict[str, str] = {}
        parts: dict[str, Callable[[datetime], Iterator[Reading]]] = {
            "pods_pending": self._pending,
            "nodes_not_ready": self._nodes,
            "containers_oom_killed": self._killed,
            **{name: self._counter(name) for name in _EVENTS},
        }
        for name, part in parts.items():
            try:
                found.extend(part(now))
            except _NotAllowedError as error:
                missing[name] = str(error)
        if not found and missing and len(missing) == len(parts):
            raise MetricsError(next(iter(missing.values())))
        return Readings(found=found, missing=missing)

    def _pending(self, now: datetime) -> Iterator[Reading]:
        waiting = list(self._list("pods", self._namespace, "status.phase=Pending"))
        ages = [
            (now - datetime.fromisoformat(pod["metadata"]["creationTimestamp"])).total_seconds()
            for pod in waiting
        ]
        yield _reading("pods_pending", now, len(waiting))
        yield _reading("pods_pending_longest_s", now, max([0.0, *ages]))

    def _nodes(self, now: datetime) -> Iterator[Reading]:
        nodes = list(self._list("nodes"))
        yield _reading("nodes_ready", now, sum(_is_ready(node) for node in nodes))
        yield _reading("nodes_not_ready", now, sum(not _is_ready(node) for node in nodes), "high")
        taken = sum(
            any(taint.get("key") in _INTERRUPTED for taint in node["spec"].get("taints") or ())
            for node in nodes
        )
        yield _reading("nodes_interrupted", now, taken, "high")

    def _killed(self, now: datetime) -> Iterator[Reading]:
        """Pods that failed since the last look because a container had used up its memory."""
        killed = {
            pod["metadata"]["uid"]
            for pod in self._list("pods", self._namespace, "status.phase=Failed")
            if _out_of_memory(pod)
        }
        if self._killed_seen is not None:
            yield _reading("containers_oom_killed", now, len(killed - self._killed_seen))
        self._killed_seen = killed

    def _counter(self, name: str) -> Callable[[datetime], Iterator[Reading]]:
        def count(now: datetime) -> Iterator[Reading]:
            """Events since the last look; the first look only tells what is old."""
            namespace, reasons, fault_when = _EVENTS[name]
            times = {
                event["metadata"]["uid"]: _times(event)
                for reason in reasons
                for event in self._list("events", namespace or self._namespace, f"reason={reason}")
            }
            before = self._events_seen.get(name)
            self._events_seen[name] = times
            if before is not None:
                new = sum(max(0, n - before.get(uid, 0)) for uid, n in times.items())
                yield _reading(name, now, new, fault_when)

        return count

    def _list(self, what: str, namespace: str = "", fields: str = "") -> Iterator[_Item]:
        """All pages of a list, as the API has it: models of the client are strict and slow."""
        path = f"/api/v1/namespaces/{namespace}/{what}" if namespace else f"/api/v1/{what}"
        asked = [("limit", _PAGE), *([("fieldSelector", fields)] if fields else [])]
        follow = ""
        while True:
            page = self._get(what, path, [*asked, *([("continue", follow)] if follow else [])])
            yield from page.get("items") or ()
            follow = (page.get("metadata") or {}).get("continue") or ""
            if not follow:
                return

    def _get(self, what: str, path: str, query: list[tuple[str, Any]]) -> dict[str, Any]:
        client = self._open()
        from kubernetes.client.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        try:
            response = client.call_api(
                path, "GET", query_params=query, auth_settings=["BearerToken"],
                response_types_map={}, _preload_content=False,
            )  # fmt: skip
            answer: dict[str, Any] = json.loads(_body(response))
        except ApiException as error:
            if error.status == 403:
                raise _NotAllowedError(f"its credentials may not list {what}") from None
            raise MetricsError(f"its API server answers {error.status} {error.reason}") from None
        except (HTTPError, OSError, ValueError) as error:
            raise MetricsError(f"its API server does not answer: {type(error).__name__}") from error
        return answer

    def _open(self) -> ApiClient:
        if self._client is None:
            try:
                self._client = open_client(self._options, (self._timeout_s, self._timeout_s))
            except ImportError as error:
                raise MetricsError(
                    "needs the client of Kubernetes: pip install 'aiops-provider[kubernetes]'"
                ) from error
            except Exception as error:
                # Configuration, files and TLS have errors of their own; whichever, it cannot be used.
                raise MetricsError(f"its credentials cannot be used: {error}") from error
        return self._client


class _NotAllowedError(Exception):
    """These credentials may not list something."""


def _body(response: Any) -> bytes:
    data: bytes = response.data if hasattr(response, "data") else response.raw_data
    return data


def _reading(
    name: str, now: datetime, value: float, fault_when: FaultWhen | None = None
) -> Reading:
    return Reading(name=name, observed_at=now, value=float(value), fault_when=fault_when)


def _is_ready(node: _Item) -> bool:
    return any(
        condition.get("type") == "Ready" and condition.get("status") == "True"
        for condition in (node.get("status") or {}).get("conditions") or ()
    )


def _out_of_memory(pod: _Item) -> bool:
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    return any(
        ((one.get("state") or {}).get("terminated") or {}).get("reason") == "OOMKilled"
        for one in statuses
    )


def _times(event: _Item) -> int:
    """How often it happened: the API counts alike events in one of two fields."""
    return int((event.get("series") or {}).get("count") or event.get("count") or 1)


def open_source(
    spec: ClusterSpec, options: NoOptions, *, period_s: float, timeout_s: float
) -> KubernetesMetrics:
    """See :class:`~aiops_provider.clusters.metrics.registry.OpenSource`."""
    del options, period_s
    own = KubernetesOptions.model_validate(dict(spec.options))
    return KubernetesMetrics(own, timeout_s=timeout_s)


SOURCE = MetricSourceKind(name="kubernetes", open=open_source)
