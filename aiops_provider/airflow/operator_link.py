"""The link beside every task in Airflow that tells why a try ran where it did."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from airflow.sdk import BaseOperatorLink

from aiops_provider.airflow.host import MOUNT_PATH, base_path


class WhyThisClusterLink(BaseOperatorLink):
    """Leads to our page, narrowed to the try that somebody looks at."""

    name = "Why this cluster?"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:  # noqa: ARG002 - Airflow calls it so
        """The page's address for that try."""
        asked = {
            "task": f"{ti_key.dag_id}/{ti_key.task_id}",
            "run_id": ti_key.run_id,
            "map_index": ti_key.map_index,
            "try_number": ti_key.try_number,
        }
        return f"{base_path()}{MOUNT_PATH}/?{urlencode(asked)}#routes"
