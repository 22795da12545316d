"""
What AWS says of a container that has ended: was it the task, or the place?

The words are those of Amazon ECS, which AWS Batch passes on as the reason of its status. Sources: "Fargate
capacity providers" and "Stopped task error codes", Amazon ECS developer guide: a task on Fargate Spot that is
interrupted ends with ``Your Spot Task was interrupted.`` and the stop code ``SpotInterruption`` (earlier
``TerminationNotice``); "Automated job retries", AWS Batch user guide, and ``Reason.SPOT_INSTANCE_RECLAIMED``
of the AWS CDK: where an instance was reclaimed, the reason begins with ``Host EC2``. AWS says the same of an
instance that somebody else has ended. Both come with the exit code of a killed container, 137, which
would be taken for a want of memory otherwise.
"""

from __future__ import annotations

from aiops_provider.domain.execution import OUT_OF_MEMORY_EXIT_CODE, Outcome

_TAKEN_BACK = ("Your Spot Task was interrupted", "Host EC2")
_STOP_CODES = frozenset({"SpotInterruption", "TerminationNotice"})
_OUT_OF_MEMORY = ("OutOfMemory", "OOMKilled", f"exit code {OUT_OF_MEMORY_EXIT_CODE}")


def was_taken_back(words: str, stop_code: str = "") -> bool:
    """
    Whether the machine of a container was taken from under it.

    Args:
        words: The reason of the status or the stop, with or without more.
        stop_code: Of a task of ECS.

    >>> was_taken_back("Host EC2 (instance i-0abc) terminated.")
    True
    >>> was_taken_back("Essential container in task exited", "EssentialContainerExited")
    False
    """
    return stop_code in _STOP_CODES or words.startswith(_TAKEN_BACK)


def outcome_of(words: str) -> Outcome:
    """
    How a try ended that its cluster calls failed.

    Args:
        words: The reason of its status, then the reason and the exit code of its container.

    >>> outcome_of("Your Spot Task was interrupted.; exit code 137").value
    'cluster_lost'
    >>> outcome_of("Essential container in task exited; exit code 137").value
    'out_of_memory'
    """
    if was_taken_back(words):
        return Outcome.CLUSTER_LOST
    if any(sign in words for sign in _OUT_OF_MEMORY):
        return Outcome.OUT_OF_MEMORY
    return Outcome.KILLED
