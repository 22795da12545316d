"""Machines that were taken back are told from tasks that failed, by the words of AWS."""

from __future__ import annotations

import pytest

from aiops_provider.clusters.aws_failures import outcome_of, was_taken_back
from aiops_provider.domain.execution import Outcome


@pytest.mark.parametrize(
    ("words", "outcome"),
    [
        ("Your Spot Task was interrupted.; exit code 137", Outcome.CLUSTER_LOST),
        ("Your Spot Task was interrupted.", Outcome.CLUSTER_LOST),
        ("Host EC2 (instance i-0abc) terminated.; exit code 143", Outcome.CLUSTER_LOST),
        ("Host EC2 (instance i-0abc) stopped.", Outcome.CLUSTER_LOST),
        (
            "Essential container in task exited; OutOfMemoryError: Container killed due to memory "
            "usage; exit code 137",
            Outcome.OUT_OF_MEMORY,
        ),
        ("Essential container in task exited; exit code 137", Outcome.OUT_OF_MEMORY),
        ("Essential container in task exited; exit code 1", Outcome.KILLED),
        ("The job said: Host EC2 (instance i-0abc) terminated.", Outcome.KILLED),
        ("None", Outcome.KILLED),
    ],
)
def test_the_place_is_told_from_the_task(words, outcome):
    """A container that is killed with its machine ends with 137 too, and wanted no memory."""
    assert outcome is outcome_of(words)


@pytest.mark.parametrize(
    ("code", "taken_back"),
    [
        ("SpotInterruption", True),
        ("TerminationNotice", True),
        ("EssentialContainerExited", False),
        ("UserInitiated", False),
        ("", False),
    ],
)
def test_the_stop_code_of_ecs_is_enough(code, taken_back):
    """Whatever the reason says."""
    assert taken_back is was_taken_back("", code)
