"""Credentials and clients of Azure Batch for one cluster, with time limits of our own."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

from aiops_provider.clusters.azure_batch.options import AzureBatchOptions
from aiops_provider.clusters.sdk_errors import sdk_errors_named

_LOADING = threading.Lock()


def credential_of(options: AzureBatchOptions, secret: Mapping[str, Any] | None) -> Any:
    """
    A credential, which renews itself; nobody is asked for a token yet.

    Args:
        options: Of the cluster.
        secret: From a connection of the host: ``name`` and ``key`` of the account, or ``tenant_id``,
            ``client_id`` and ``client_secret``; ``None``: Azure's own chain.
    """
    if secret is not None and "key" in secret:
        from azure.core.credentials import AzureNamedKeyCredential

        return AzureNamedKeyCredential(secret["name"], secret["key"])
    with _LOADING:
        from azure import identity

    told: dict[str, Any] = {}
    if options.authority_host:
        told = {"authority": options.authority_host, "disable_instance_discovery": True}
    if secret is not None:
        return identity.ClientSecretCredential(
            secret["tenant_id"], secret["client_id"], secret["client_secret"], **told
        )
    return identity.DefaultAzureCredential(**told)


def batch_client(options: AzureBatchOptions, credential: Any, timeout_s: float) -> Any:
    """
    The SDK's client; trying again is left to its caller.

    Args:
        options: Of the cluster.
        credential: As from :func:`credential_of`.
        timeout_s: For connecting, and for each answer.
    """
    with _LOADING:
        from azure.batch import BatchClient
        from azure.core.pipeline.policies import SansIOHTTPPolicy

    return BatchClient(
        options.account_url.rstrip("/"),
        credential,
        # The SDK's own writes twenty lines into the host's log for every request.
        http_logging_policy=SansIOHTTPPolicy(),
        retry_total=0,
        connection_timeout=timeout_s,
        read_timeout=timeout_s,
    )


def errors_named() -> AbstractContextManager[None]:
    """The errors of the SDK as those of all clusters, see :func:`.sdk_errors_named`."""
    return sdk_errors_named(
        "Azure Batch",
        cloud="Azure",
        extra="azure",
        load=http_error,
        status_of=lambda error: error.status_code,
    )


def http_error() -> Any:
    """What the SDK raises when the service answers with an error."""
    from azure.core.exceptions import HttpResponseError

    return HttpResponseError
