"""The variables by which a worker knows which try it is, where it runs and where it reports to."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiops_provider.control.decide import Decision
    from aiops_provider.control.installation import Installation

# Longer than any try is expected to wait and run; the token can do nothing but report for its try.
_TOKEN_VALID_S = 48 * 3600.0


def worker_environment(
    installation: Installation, decision: Decision, *, url: str
) -> dict[str, str]:
    """
    Environment of one try.

    Args:
        installation: Signs the token.
        decision: Where the try runs.
        url: Base address of the API that workers report to.

    Returns:
        Variables ``AIOPS_*``; the token among them may report for this try only.
    """
    from aiops_provider.control.tokens import issue_token

    placement, cluster = decision.placement, decision.cluster
    run = placement.run
    return {
        "AIOPS_INGEST_URL": url,
        "AIOPS_TOKEN": issue_token(
            installation.token_secret,
            scope="ingest",
            subject=str(run.task),
            valid_s=_TOKEN_VALID_S,
            run=run,
        ),
        "AIOPS_CLUSTER": cluster.name,
        "AIOPS_PROVIDER": cluster.provider,
        "AIOPS_REGION": cluster.region,
        "AIOPS_POOL": placement.route.pool if placement.applied else cluster.pools[0].name,
        **({"AIOPS_INPUTS": json.dumps(decision.inputs)} if decision.inputs else {}),
        "AIOPS_TASK": json.dumps(
            {
                "namespace": run.task.namespace,
                "name": run.task.name,
                "run_id": run.run_id,
                "map_index": run.map_index,
                "try_number": run.try_number,
                "segment": placement.epoch,
            }
        ),
    }
