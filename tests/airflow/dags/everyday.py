"""Ordinary DAGs whose tasks leave side effects that can be counted."""

import os
import sqlite3
import time
from datetime import timedelta
from pathlib import Path

from airflow.providers.common.sql.hooks.sql import DbApiHook
from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator
from airflow.sdk import Asset, dag, get_current_context, task

from aiops_provider import Generic
from aiops_provider.airflow import describe, push_kpis

CLAIMS = Asset("claims")
QUICK = {"retries": 2, "retry_delay": timedelta(seconds=1)}


def note(name: str, text: str) -> None:
    folder = Path(os.environ["LEDGER"])
    with (folder / name).open("a") as ledger:
        ledger.write(f"{text} {os.environ.get('AIOPS_CLUSTER', 'none')}\n")


@dag(schedule=None, default_args=QUICK)
def everyday():
    """Mapped tasks, a branch, a task that fails once, one that wants more memory than it gets."""

    @task
    def work(index: int) -> int:
        note("work", str(index))
        return index

    @task.branch
    def decide() -> str:
        return "taken"

    @task
    def taken() -> None:
        note("branch", "taken")

    @task
    def skipped() -> None:
        note("branch", "skipped")

    @task
    def fails_once() -> None:
        from aiops_provider import report

        number = get_current_context()["ti"].try_number
        note("fails_once", str(number))
        report("row_count", 17.0)
        if number == 1:
            raise ValueError("the first try")

    @task(retries=6)
    def greedy() -> None:
        ballast = bytearray(1_100_000_000)
        time.sleep(6)
        note("greedy", str(len(ballast)))

    mapped = work.expand(index=list(range(6)))
    branch = decide()
    mapped >> branch >> [taken(), skipped()]
    mapped >> fails_once()
    mapped >> greedy()


@dag(schedule=None, default_args=QUICK)
def observed():
    """As under LocalExecutor: routes are only recorded."""

    @task
    def where() -> None:
        note("observed", "here")

    where()


@dag(schedule=None, default_args=QUICK)
def outage():
    """Long enough to lose a cluster in the middle."""

    # A whole core each, whatever was learned: two cores on premises never hold all of them.
    @task(executor_config=describe(Generic(cores=1)))
    def slow(index: int) -> None:
        time.sleep(4)
        note("outage", str(index))

    slow.expand(index=list(range(6)))


class Rows(DbApiHook):
    """A database that every Python has."""

    conn_name_attr = "rows_conn_id"

    def get_conn(self) -> sqlite3.Connection:
        return sqlite3.connect(":memory:")


class InsertRows(SQLExecuteQueryOperator):
    """Airflow's own operator, on that database."""

    def get_db_hook(self) -> DbApiHook:
        return Rows()


@dag(schedule=None, default_args=QUICK)
def measured():
    """Every way in which a task tells a KPI without calling us."""

    @task.aiops(Generic(), kpis={"rows_declared": "rows.read"})
    def declares() -> dict:
        return {"rows": {"read": 11}}

    @task(on_success_callback=push_kpis("rows_pushed"))
    def pushes(index: int) -> int:
        return 20 + index

    @task(outlets=[CLAIMS])
    def emits(*, outlet_events: dict) -> None:
        outlet_events[CLAIMS].extra = {"aiops": {"rows_emitted": 31}}

    inserts = InsertRows(
        task_id="inserts",
        conn_id="none",
        sql=["CREATE TABLE t (n)", "INSERT INTO t VALUES (1), (2), (3)"],
        split_statements=False,
    )
    [declares(), pushes.expand(index=[0, 1]), emits(), inserts]


@dag(schedule=None)
def undescribed():
    """A query of which only Airflow knows that it is one; nothing answers under that name."""
    SQLExecuteQueryOperator(task_id="query", conn_id="no_such_connection", sql="SELECT 1")


everyday()
measured()
observed()
outage()
undescribed()
