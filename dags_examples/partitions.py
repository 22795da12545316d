"""
Watches the data of 25 hospitals: one mapped task each, 32 KPIs per task.

Ordinary Airflow code. Each task reads the replica of the cluster that it runs in, as jobs read
the bucket of their own region.
"""

from __future__ import annotations

import time
from datetime import timedelta

from airflow.sdk import dag, task

from aiops_provider import report
from aiops_provider.cli.demo import partitions as steps
from aiops_provider.cli.demo.data import data_folder


@dag(
    schedule=None,
    params={"transfer_s": 3.0},
    default_args={"retries": 2, "retry_delay": timedelta(seconds=1)},
    tags=["aiops"],
)
def partitions() -> None:
    @task
    def check(hospital: str, params=None, run_id=None) -> int:
        # On loopback nothing is transferred; a real replica takes about this long to read.
        time.sleep(float(params["transfer_s"]))
        rows = steps.read_replica(hospital)
        found = steps.kpis(rows, steps.FrozenModel.load(data_folder()))
        for (kpi, feature), value in found.items():
            dimensions = {"feature": feature} if feature else {}
            report(kpi, value, **dimensions)
        steps.deliver(run_id, hospital, {"row_count": len(rows)})
        return len(rows)

    check.expand(hospital=list(steps.PARTITIONS))


partitions()
