"""Credentials and clients of Azure Batch for one cluster, with time limits of our own."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from aiops_provider.clusters.azure_batch.options import AzureBatchOptions
from aiops_provider.errors import ClusterRefusedError, ClusterUnreachableError

# What a caller should mend; all else may pass by itself.
_REFUSALS = frozenset({400, 403, 404, 409, 412, 413})
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


@contextmanager
def errors_named() -> Iterator[None]:
    """
    The errors of the SDK as those of all clusters.

    Raises:
        ClusterRefusedError: What was asked for is refused; asking again does not help.
        ClusterUnreachableError: Nobody answered, or with an error that may pass.
    """
    try:
        from azure.core.exceptions import HttpResponseError
    except ImportError as error:
        raise ClusterUnreachableError(
            f"its client is not installed ({error}); the extra azure has it"
        ) from error
    try:
        yield
    except (ClusterRefusedError, ClusterUnreachableError):
        raise
    except HttpResponseError as error:
        if error.status_code is None:  # it was not asked: there is no token to show
            words = f"Azure gives no access: {_first_line(error)}"
            raise ClusterUnreachableError(words) from error
        words = f"Azure Batch answers {error.status_code}: {_first_line(error)}"
        if error.status_code in _REFUSALS:
            raise ClusterRefusedError(words) from error
        raise ClusterUnreachableError(words) from error
    except Exception as error:
        # Credentials, connection and TLS have errors of their own: no answer.
        raise ClusterUnreachableError(
            f"Azure does not answer: {type(error).__name__}: {_first_line(error)}"
        ) from error


def _first_line(error: Exception) -> str:
    return (str(getattr(error, "message", "") or error).splitlines() or [""])[0]
