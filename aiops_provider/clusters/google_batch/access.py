"""Credentials and clients of Google Cloud for one cluster, with time limits of our own."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from aiops_provider.clusters.google_batch.options import GoogleBatchOptions
from aiops_provider.errors import ClusterRefusedError, ClusterUnreachableError

_SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
# What a caller should mend; all else may pass by itself. Too many requests (429) are not among them,
# nor is a caller whose credentials are not accepted now (401).
_REFUSALS = frozenset({400, 403, 404, 409, 412})
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


@contextmanager
def errors_named() -> Iterator[None]:
    """
    The errors of the SDK as those of all clusters.

    Raises:
        ClusterRefusedError: What was asked for is refused; asking again does not help.
        ClusterUnreachableError: Nobody answered, or with an error that may pass.
    """
    try:
        from google.api_core.exceptions import GoogleAPICallError
    except ImportError as error:
        raise ClusterUnreachableError(
            f"its client is not installed ({error}); the extra gcp has it"
        ) from error
    try:
        yield
    except (ClusterRefusedError, ClusterUnreachableError):
        raise
    except GoogleAPICallError as error:
        words = f"Google Batch answers {error.code}: {error.message}"
        if error.code in _REFUSALS:
            raise ClusterRefusedError(words) from error
        raise ClusterUnreachableError(words) from error
    except Exception as error:
        # Credentials, connection and TLS have errors of their own: no answer.
        raise ClusterUnreachableError(
            f"Google Cloud does not answer: {type(error).__name__}: {error}"
        ) from error
