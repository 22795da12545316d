"""What the errors of a cloud's SDK mean for whoever asked."""

from __future__ import annotations

import pytest

from aiops_provider.clusters.sdk_errors import sdk_errors_named
from aiops_provider.errors import ClusterRefusedError, ClusterUnreachableError


class AnswerError(Exception):
    def __init__(self, status: int, message: str = "") -> None:
        super().__init__(f"{status} {message}")
        self.status, self.message = status, message


def named(load=lambda: AnswerError):
    return sdk_errors_named(
        "Some Batch", cloud="Some", extra="some", load=load, status_of=lambda error: error.status
    )


@pytest.mark.parametrize("status", [400, 403, 404, 409, 412, 413])
def test_what_asking_again_does_not_mend_is_refused(status):
    """With the first line of what the service says."""
    with (
        pytest.raises(ClusterRefusedError, match=rf"^Some Batch answers {status}: too bad$"),
        named(),
    ):
        raise AnswerError(status, "too bad\nand more")


@pytest.mark.parametrize("status", [401, 408, 429, 500, 503])
def test_what_may_pass_by_itself_is_no_refusal(status):
    """Another cluster takes the task meanwhile."""
    with pytest.raises(ClusterUnreachableError, match=f"Some Batch answers {status}"), named():
        raise AnswerError(status)


def test_whatever_else_is_raised_is_no_answer():
    """Credentials and connections have errors of their own."""
    with (
        pytest.raises(ClusterUnreachableError, match=r"^Some does not answer: OSError: no"),
        named(),
    ):
        raise OSError("no route\nto host")


@pytest.mark.parametrize("kind", [ClusterRefusedError, ClusterUnreachableError])
def test_our_own_errors_stay_as_they_are(kind):
    """They were understood already."""
    own = kind("known")
    with pytest.raises(kind) as raised, named():
        raise own
    assert raised.value is own


def test_an_sdk_that_is_not_installed_is_named():
    """With the extra that brings it."""

    def load():
        raise ImportError("no module named some")

    with pytest.raises(ClusterUnreachableError, match="the extra some has it"), named(load):
        pass
