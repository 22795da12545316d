"""Credentials and clients of Google Cloud for one cluster, with time limits of our own."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

from aiops_provider.clusters.google_batch.options import GoogleBatchOptions
from aiops_provider.clusters.sdk_errors import sdk_errors_named

_SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
_LOADING = threading.Lock()


def credentials_of(options: GoogleBatchOptions, key: Mapping[str, Any] | None) -> Any:
    """
    Credentials, which renew themselves; nobody is asked for a token yet.

    Args:
        options: Of the cluster.
        key: A service account's key as JSON, from the host; ``None``: as the options say.

    Raises:
        google.auth.exceptions.GoogleAuthError: There are none, or they cannot be used.
        OSError: The key file cannot be read.
    """
    from google.oauth2 import service_account

    if key is not None:
        return service_account.Credentials.from_service_account_info(key, scopes=_SCOPES)
    if options.key_file:
        return service_account.Credentials.from_service_account_file(
            options.key_file, scopes=_SCOPES
        )
    import google.auth

    credentials, _ = google.auth.default(scopes=_SCOPES)
    return credentials


def batch_client(options: GoogleBatchOptions, credentials: Any) -> Any:
    """
    The SDK's client over REST: gRPC's threads do not survive a host that forks.

    Args:
        options: Of the cluster.
        credentials: As from :func:`credentials_of`.
    """
    with _LOADING:
        from google.cloud import batch_v1

    told = {"api_endpoint": options.endpoint} if options.endpoint else None
    return batch_v1.BatchServiceClient(
        credentials=credentials, transport="rest", client_options=told
    )


def errors_named() -> AbstractContextManager[None]:
    """The errors of the SDK as those of all clusters, see :func:`.sdk_errors_named`."""
    return sdk_errors_named(
        "Google Batch",
        cloud="Google Cloud",
        extra="gcp",
        load=api_error,
        status_of=lambda error: error.code,
    )


def api_error() -> Any:
    """What the SDK raises when the service answers with an error."""
    from google.api_core.exceptions import GoogleAPICallError

    return GoogleAPICallError
