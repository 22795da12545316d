"""The example DAGs, as Airflow itself reads them."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "dags_examples"


@pytest.fixture(scope="module")
def dag_bag():
    from airflow.dag_processing.dagbag import DagBag

    return DagBag(dag_folder=str(EXAMPLES))


def test_every_example_is_imported_without_an_error(dag_bag):
    """Airflow finds the DAGs that the demo runs and nothing to complain about."""
    assert dag_bag.import_errors == {}
    assert set(dag_bag.dags) == {"medical", "medical_observed", "partitions", "failing"}


def test_the_observed_dag_is_the_same_pipeline(dag_bag):
    """Act 0 compares like with like."""
    first, second = dag_bag.dags["medical"], dag_bag.dags["medical_observed"]
    assert set(first.task_ids) == set(second.task_ids)
    for task in first.tasks:
        twin = second.get_task(task.task_id)
        assert task.downstream_task_ids == twin.downstream_task_ids


def test_no_example_says_anything_about_machines(dag_bag):
    """Ordinary code: no executor, queue, pool or executor_config of its own."""
    for dag in dag_bag.dags.values():
        for task in dag.tasks:
            assert task.executor is None
            assert task.executor_config == {}
            assert task.queue == "default"
            assert task.pool == "default_pool"


def test_retries_are_quick(dag_bag):
    """A lost task is tried again within a second; the broken one is tried five times in all."""
    for dag in dag_bag.dags.values():
        for task in dag.tasks:
            assert task.retry_delay == timedelta(seconds=1)
            assert task.retries == (4 if dag.dag_id == "failing" else 2)


def test_twenty_five_partitions_are_mapped(dag_bag):
    """One task per hospital."""
    from airflow.sdk.definitions.mappedoperator import MappedOperator

    check = dag_bag.dags["partitions"].get_task("check")
    assert isinstance(check, MappedOperator)
    assert len(check.op_kwargs_expand_input.value["hospital"]) == 25


def test_parsing_an_example_imports_nothing_heavy():
    """Every task parses its file: what the parse imports, every task pays for."""
    code = (
        "import sys, runpy, airflow.sdk\n"
        "before = set(sys.modules)\n"
        "for path in sys.argv[1:]: runpy.run_path(path)\n"
        "print(*{name.partition('.')[0] for name in set(sys.modules) - before})"
    )
    files = sorted(str(path) for path in EXAMPLES.glob("*.py"))
    found = subprocess.run(
        [sys.executable, "-c", code, *files],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(EXAMPLES.parent)},
    )
    imported = set(found.stdout.splitlines()[-1].split())
    assert not imported & {"numpy", "scipy", "sklearn", "pandas", "sqlalchemy", "typer", "rich"}
