"""Which code a task runs, as told by real operators."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG, task

from aiops_provider.airflow.code_version import code_version


def bash(command: str, **others: Any) -> BashOperator:
    with DAG("d", schedule=None):
        return BashOperator(task_id="t", bash_command=command, **others)


def add_one() -> Any:
    def work(rows: int) -> int:
        return rows + 1

    return mapped(work)


def add_two() -> Any:
    def work(rows: int) -> int:
        return rows + 2

    return mapped(work)


def mapped(work: Any) -> Any:
    with DAG("d", schedule=None) as dag:
        task(work).expand(rows=[1, 2])
    return dag.task_dict["work"]


def test_a_template_counts_as_it_was_written() -> None:
    """What it is rendered to differs from run to run."""
    written = bash("load {{ ds }}")
    running = copy.copy(written)
    running.bash_command = "load 2026-01-01"
    assert code_version(running) == code_version(written)
    assert code_version(bash("load {{ ds }} --fast")) != code_version(written)


def test_what_is_no_template_does_not_count() -> None:
    """Retries and queues are no code."""
    assert code_version(bash("load", retries=3)) == code_version(bash("load", retries=0))


def test_a_decorated_function_is_told_by_its_code() -> None:
    """Also when mapped: all instances run the same."""
    first, second = (add_one().unmap({"op_kwargs": {"rows": rows}}) for rows in (1, 2))
    assert code_version(first) == code_version(second)
    assert code_version(first) != code_version(add_two().unmap({"op_kwargs": {"rows": 1}}))


def test_an_operator_that_cannot_be_read_fails_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """Its try is told without."""
    assert code_version(object()) is None
    assert code_version(None) is None
