"""A ``kind: google_batch`` cluster: jobs of a region of Google Cloud Batch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aiops_provider.airflow.inner.job_binding import JobBinding
from aiops_provider.errors import ConfigurationError

# Connections that were made by old versions of Airflow's provider still have it.
_PREFIX = "extra__google_cloud_platform__"


class GoogleBatchBinding(JobBinding):
    """Feeds the executor of one region."""

    def secret_of(self, connection: Any) -> Mapping[str, Any] | None:
        """
        The service account's key of a connection of type ``google_cloud_platform``.

        Airflow's provider of Google need not be installed.
        """
        extra = connection.extra_dejson
        key = extra.get("keyfile_dict") or extra.get(f"{_PREFIX}keyfile_dict")
        path = extra.get("key_path") or extra.get(f"{_PREFIX}key_path")
        try:
            if not key and path:
                key = Path(path).read_text(encoding="utf-8")
            found: Mapping[str, Any] | None = json.loads(key) if isinstance(key, str) else key
        except (OSError, ValueError) as error:
            raise ConfigurationError(
                f"its key cannot be read: {type(error).__name__}",
                field=f"connection {connection.conn_id}",
                mend="keyfile_dict is the JSON of a service account's key, key_path its file.",
            ) from error
        return found
