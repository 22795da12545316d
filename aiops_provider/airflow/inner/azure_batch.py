"""A ``kind: azure_batch`` cluster: tasks of an account of Azure Batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiops_provider.airflow.inner.job_binding import JobBinding

# Connections that were made by old versions of Airflow's provider still have it.
_PREFIX = "extra__azure__"


class AzureBatchBinding(JobBinding):
    """Feeds the executor of one account."""

    def secret_of(self, connection: Any) -> Mapping[str, Any] | None:
        """
        A client secret, of a connection of type ``azure``; or the account's key, of ``azure_batch``.

        Which it is shows in the tenant that only the former has. Airflow's provider of Azure need not
        be installed.
        """
        if not connection.login or not connection.password:
            return None
        extra = connection.extra_dejson
        tenant = extra.get("tenantId") or extra.get(f"{_PREFIX}tenantId")
        if tenant:
            return {
                "tenant_id": tenant,
                "client_id": connection.login,
                "client_secret": connection.password,
            }
        return {"name": connection.login, "key": connection.password}
