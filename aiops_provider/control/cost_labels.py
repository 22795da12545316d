"""What a try is called on the side of its cluster, so that the cloud's bill can be split the same way."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiops_provider.domain.plan import Placement

# Tags of AWS may hold these and at most 256 characters (Tag restrictions, AWS General Reference).
_NOT_IN_A_TAG = re.compile(r"[^\w\s+=.:/@-]", re.ASCII)
_LONGEST_TAG = 256


def cost_labels(placement: Placement) -> dict[str, str]:
    """
    What one try is called on any cloud: DAG, task, run, cluster, and the team if it has one.

    Args:
        placement: Of the try.
    """
    run = placement.run
    said = {
        "aiops-dag": run.task.namespace,
        "aiops-task": run.task.name,
        "aiops-run": run.run_id,
        "aiops-cluster": placement.cluster,
        "aiops-team": placement.route.team,
    }
    return {key: value for key, value in said.items() if value}


def aws_tags(placement: Placement) -> dict[str, str]:
    """
    The same in the letters that AWS allows.

    Args:
        placement: Of the try.
    """
    return {
        key: _NOT_IN_A_TAG.sub("_", value)[:_LONGEST_TAG]
        for key, value in cost_labels(placement).items()
    }
