"""
Whether a Kubernetes cluster answers and would take pods from us.

An API server that is ready is not enough: credentials that may not create pods would refuse every
task. So the probe also asks, now and then, what it may do.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from aiops_provider.clusters.kubernetes.client import open_client
from aiops_provider.clusters.kubernetes.options import KubernetesOptions
from aiops_provider.domain.cluster import ClusterSpec
from aiops_provider.errors import ClusterUnreachableError

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

_DEFAULT_NAMESPACE = "default"
# The executor creates, watches, adopts (patch), revokes and cleans up.
_VERBS = ("create", "delete", "list", "patch", "watch")
_RIGHTS_HOLD_S = 60.0
# Managed services may keep /readyz from users; then the version will do, which everybody may see.
_HIDDEN = frozenset({403, 404})


def open_probe(spec: ClusterSpec, *, timeout_s: float) -> Callable[[], None]:
    """
    Make the probe of one cluster.

    Args:
        spec: With the options of the cluster.
        timeout_s: An API server that takes longer to answer a request counts as gone.
    """
    options = KubernetesOptions.model_validate(dict(spec.options))
    namespace = options.namespace or _DEFAULT_NAMESPACE
    clients: list[ApiClient] = []
    rights_seen_at: list[float] = []

    def check() -> None:
        try:
            if not clients:
                clients.append(open_client(options, (timeout_s, timeout_s)))
            _ask_readiness(clients[0])
            if not rights_seen_at or time.monotonic() - rights_seen_at[-1] > _RIGHTS_HOLD_S:
                _ask_rights(clients[0], namespace)
                rights_seen_at[:] = [time.monotonic()]
        except ClusterUnreachableError:
            raise
        except Exception as error:
            # Credentials, connection, TLS and server have errors of their own: no answer.
            raise ClusterUnreachableError(_sentence(error)) from error

    return check


def _ask_readiness(client: ApiClient) -> None:
    from kubernetes.client.exceptions import ApiException

    try:
        _get(client, "/readyz")
    except ApiException as error:
        if error.status not in _HIDDEN:
            raise
        _get(client, "/version")


def _get(client: ApiClient, path: str) -> None:
    client.call_api(path, "GET", response_types_map={}, auth_settings=["BearerToken"])


def _ask_rights(client: ApiClient, namespace: str) -> None:
    from kubernetes.client import AuthorizationV1Api

    reviews = AuthorizationV1Api(client)
    for verb in _VERBS:
        asked = {"namespace": namespace, "verb": verb, "resource": "pods"}
        review: Any = reviews.create_self_subject_access_review(
            {"spec": {"resourceAttributes": asked}}
        )
        if not review.status.allowed:
            raise ClusterUnreachableError(
                f"its credentials may not {verb} pods in namespace {namespace}"
            )


def _sentence(error: Exception) -> str:
    if isinstance(error, ImportError):
        return f"its client is not installed ({error}); the extra kubernetes has it"
    from kubernetes.config import ConfigException

    if isinstance(error, ConfigException | OSError):
        return f"its credentials cannot be used: {error}"
    status, reason = getattr(error, "status", None), getattr(error, "reason", None)
    if status:
        return f"its API server answers {status} {reason or ''}".rstrip()
    return f"its API server does not answer: {type(error).__name__}: {error}"
