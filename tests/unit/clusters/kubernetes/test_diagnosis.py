"""What the last state of a pod says: was it the task, or the place?"""

import pytest

from aiops_provider.clusters.kubernetes.diagnosis import diagnose
from aiops_provider.domain.execution import Outcome


def container(kind: str, name="base", **state) -> dict:
    return {"name": name, "state": {kind: state}}


def failed(*containers, **status) -> dict:
    return {"status": {"phase": "Failed", "containerStatuses": list(containers), **status}}


def disrupted(reason: str) -> dict:
    return {"type": "DisruptionTarget", "status": "True", "reason": reason}


UNSCHEDULABLE = {
    "type": "PodScheduled",
    "status": "False",
    "reason": "Unschedulable",
    "message": "0/3 nodes are available: 3 Insufficient cpu.",
}


@pytest.mark.parametrize(
    ("pod", "outcome", "words"),
    [
        (
            failed(container("terminated", exitCode=137, reason="OOMKilled")),
            Outcome.OUT_OF_MEMORY,
            "container base: OOMKilled, exit code 137",
        ),
        (
            # The main process outlived a child that was killed, and said so by its own status.
            failed(container("terminated", exitCode=1, reason="OOMKilled")),
            Outcome.OUT_OF_MEMORY,
            "container base: OOMKilled, exit code 1",
        ),
        (
            failed(container("terminated", exitCode=137, reason="Error")),
            Outcome.OUT_OF_MEMORY,
            "container base: Error, exit code 137",
        ),
        (
            failed(container("terminated", exitCode=3, reason="Error")),
            Outcome.KILLED,
            "container base: Error, exit code 3",
        ),
        (
            failed(
                container("terminated", exitCode=137),
                conditions=[disrupted("PreemptionByScheduler")],
            ),
            Outcome.CLUSTER_LOST,
            "PreemptionByScheduler",
        ),
        (
            failed(reason="Evicted", message="The node was low on resource: memory."),
            Outcome.CLUSTER_LOST,
            "Evicted: The node was low on resource: memory.",
        ),
        (
            failed(
                reason="Evicted",
                message="Container base exceeded its local ephemeral storage limit.",
            ),
            Outcome.KILLED,
            "Evicted: Container base exceeded its local ephemeral storage limit.",
        ),
        (failed(reason="OutOfcpu"), Outcome.CLUSTER_LOST, "OutOfcpu"),
        (
            failed(
                reason="Terminated",
                message="Pod was terminated in response to imminent node shutdown.",
            ),
            Outcome.CLUSTER_LOST,
            "Terminated: Pod was terminated in response to imminent node shutdown.",
        ),
        (
            {
                "metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"},
                "status": {"phase": "Running"},
            },
            Outcome.KILLED,
            "the pod was deleted",
        ),
        (
            # A deletion ends in SIGKILL when the process does not end by itself: no want of memory.
            {
                "metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"},
                **failed(container("terminated", exitCode=137, reason="Error")),
            },
            Outcome.KILLED,
            "the pod was deleted",
        ),
        (
            {"status": {"phase": "Pending", "conditions": [UNSCHEDULABLE]}},
            Outcome.CLUSTER_LOST,
            "Unschedulable: 0/3 nodes are available: 3 Insufficient cpu.",
        ),
        (
            {
                "status": {
                    "phase": "Pending",
                    "initContainerStatuses": [
                        container("waiting", name="git-sync", reason="ImagePullBackOff")
                    ],
                }
            },
            Outcome.CLUSTER_LOST,
            "container git-sync waits: ImagePullBackOff",
        ),
        ({}, Outcome.KILLED, "the pod is unknown"),
    ],
)
def test_every_end_is_judged(pod, outcome, words):
    """And quoted in the cluster's own words."""
    found = diagnose(pod)
    assert (outcome, words) == (found.outcome, found.words)
