"""What a DAG can look like: mapped, grouped, branched, set up and torn down."""

import time

from airflow.exceptions import AirflowException
from airflow.sdk import dag, setup, task, task_group, teardown
from ledger import note

from aiops_provider import report

ROWS = (1_000, 800_000, 1_600_000, 2_400_000)
BYTES_PER_ROW = 200


@dag(schedule=None, default_args={"retries": 0})
def mapped_sizes():
    """The same work on inputs of different sizes."""

    @task
    def load(rows: int) -> None:
        report("input_rows", rows)
        table = bytearray(rows * BYTES_PER_ROW)
        time.sleep(1.0)  # long enough for whoever measures from outside
        note("mapped_sizes", rows, len(table))

    load.expand(rows=list(ROWS))


@dag(schedule=None, default_args={"retries": 0})
def grouped():
    """A mapped group of two tasks, within a group, and what comes after all of them."""

    @task_group
    def outer():
        @task_group
        def each(number: int):
            @task
            def double(given: int) -> int:
                note("grouped", "double", given)
                return 2 * given

            @task
            def tell(given: int) -> int:
                note("grouped", "tell", given)
                return given

            return tell(double(number))

        return each.expand(number=[1, 2])

    @task
    def total(numbers: list[int]) -> None:
        note("grouped", "total", sum(numbers))

    total(outer())


@dag(schedule=None, default_args={"retries": 0})
def torn_down():
    """What was set up is torn down although the work fails."""

    @setup
    def make() -> None:
        note("torn_down", "make")

    @task
    def work() -> None:
        note("torn_down", "work")
        raise AirflowException("as it should")

    @teardown
    def remove() -> None:
        note("torn_down", "remove")

    made, removed = make(), remove()
    made >> work() >> removed
    made >> removed


@dag(schedule=None, default_args={"retries": 0})
def branched():
    """A short circuit, a branch, a failure, and rules that look at all of them."""

    @task.short_circuit(ignore_downstream_trigger_rules=False)
    def stop() -> bool:
        return False

    @task.branch
    def choose() -> str:
        return "chosen"

    @task
    def fails() -> None:
        raise AirflowException("as it should")

    def task_named(name: str, rule: str = "all_success"):
        @task(task_id=name, trigger_rule=rule)
        def noted() -> None:
            note("branched", name)

        return noted()

    stopped = task_named("stopped")
    stop() >> stopped
    chosen, passed_over = task_named("chosen"), task_named("passed_over")
    choose() >> [chosen, passed_over]
    failed = fails()
    failed >> task_named("after_failure")
    failed >> task_named("one_failed", "one_failed")
    [chosen, passed_over, stopped] >> task_named("none_failed", "none_failed_min_one_success")
    [failed, stopped, chosen] >> task_named("all_done", "all_done")


mapped_sizes()
grouped()
torn_down()
branched()
