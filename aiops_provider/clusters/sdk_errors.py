"""The errors of a cloud's SDK as those of all clusters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from aiops_provider.errors import ClusterRefusedError, ClusterUnreachableError

# What a caller should mend; all else may pass by itself. Too many requests (429) are not among them,
# nor is a caller whose credentials are not accepted now (401).
_REFUSALS = frozenset({400, 403, 404, 409, 412, 413})


@contextmanager
def sdk_errors_named(
    service: str,
    *,
    cloud: str,
    extra: str,
    load: Callable[[], type[Exception]],
    status_of: Callable[[Any], int | None],
) -> Iterator[None]:
    """
    Let nothing but our own errors out of the block.

    Args:
        service: For messages, as ``Azure Batch``.
        cloud: For messages, as ``Azure``.
        extra: Of this package, which installs the SDK.
        load: Imports what the SDK raises when the service answers with an error.
        status_of: The HTTP status of such an error; ``None`` where the service was not asked.

    Raises:
        ClusterRefusedError: What was asked for is refused; asking again does not help.
        ClusterUnreachableError: Nobody answered, or with an error that may pass.
    """
    try:
        answered = load()
    except ImportError as error:
        raise ClusterUnreachableError(
            f"its client is not installed ({error}); the extra {extra} has it"
        ) from error
    try:
        yield
    except (ClusterRefusedError, ClusterUnreachableError):
        raise
    except answered as error:
        status = status_of(error)
        if status is None:  # it was not asked: there is no token to show
            raise ClusterUnreachableError(
                f"{cloud} gives no access: {_first_line(error)}"
            ) from error
        words = f"{service} answers {status}: {_first_line(error)}"
        if status in _REFUSALS:
            raise ClusterRefusedError(words) from error
        raise ClusterUnreachableError(words) from error
    except Exception as error:
        # Credentials, connection and TLS have errors of their own: no answer.
        raise ClusterUnreachableError(
            f"{cloud} does not answer: {type(error).__name__}: {_first_line(error)}"
        ) from error


def _first_line(error: Exception) -> str:
    return (str(getattr(error, "message", "") or error).splitlines() or [""])[0]
