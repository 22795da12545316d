"""``@task.aiops``: a Python task that says what it does."""

import pytest
from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import dag, task, task_group

from aiops_provider import Training
from aiops_provider.airflow.description import declared_kpis, describe, read_description
from aiops_provider.errors import DescriptionError


def made(decorator):
    """The operator of a task made by that decorator, in a DAG."""

    @dag(schedule=None)
    def some():
        @decorator
        def train(): ...

        train()

    return some().get_task("train")


def test_a_described_task_is_a_python_task_that_says_what_it_does():
    """Whatever `@task` takes it takes as well."""
    operator = made(task.aiops(Training(epochs=3), retries=4))
    assert Training(epochs=3) == read_description(operator.executor_config)
    assert 4 == operator.retries
    assert "@task" == operator.custom_operator_name


def test_without_arguments_it_is_a_plain_task():
    """A habit that costs nothing."""
    assert read_description(made(task.aiops).executor_config) is None


def test_other_executor_config_stays():
    """For whichever executor it is meant."""
    operator = made(task.aiops(Training(), executor_config={"pod_override": 1}))
    assert {"pod_override", "aiops"} == set(operator.executor_config)


def test_a_described_task_can_be_mapped():
    """One description for all of its instances."""

    @dag(schedule=None)
    def some():
        @task.aiops(Training(epochs=2))
        def train(part): ...

        train.expand(part=[1, 2])

    operator = some().get_task("train")
    assert Training(epochs=2) == read_description(operator.executor_config)


def test_what_is_no_description_is_refused():
    """With what to give instead."""
    with pytest.raises(DescriptionError, match=r"@task\.aiops: is no description"):
        task.aiops({"epochs": 3})


def test_a_dag_describes_all_of_its_tasks():
    """By its default arguments; what a task says itself goes before."""

    @dag(schedule=None, default_args={"executor_config": describe(Training(epochs=2))})
    def some():
        @task
        def plain(): ...

        @task.aiops(Training(epochs=3))
        def described(): ...

        @task
        def mapped(part): ...

        plain(), described(), mapped.expand(part=[1, 2])
        BashOperator(task_id="shell", bash_command="true")

    made = some()
    epochs = {each.task_id: read_description(each.executor_config).epochs for each in made.tasks}
    assert epochs == {"plain": 2, "described": 3, "mapped": 2, "shell": 2}


def test_the_decorator_without_a_description_keeps_what_the_dag_says():
    """It adds nothing of its own."""

    @dag(schedule=None, default_args={"executor_config": describe(Training(epochs=2))})
    def some():
        @task.aiops
        def train(): ...

        train()

    assert read_description(some().get_task("train").executor_config) == Training(epochs=2)


def test_a_declared_kpi_keeps_what_the_dag_says():
    """What a task returns says nothing about what it needs."""
    defaults = {"executor_config": describe(Training(epochs=2), pod_override=1)}

    @dag(schedule=None, default_args=defaults)
    def some():
        @task.aiops(kpis=["row_count"])
        def train(): ...

        @task_group(default_args={"executor_config": describe(Training(epochs=5))})
        def group():
            @task.aiops(kpis=["row_count"])
            def grouped(): ...

            grouped()

        @task.aiops(
            kpis=["row_count"], default_args={"executor_config": describe(Training(epochs=7))}
        )
        def own(): ...

        train(), group(), own()

    made = some()
    configs = {each.task_id: each.executor_config for each in made.tasks}
    epochs = {name: read_description(config).epochs for name, config in configs.items()}
    assert epochs == {"train": 2, "group.grouped": 5, "own": 7}
    assert all(declared_kpis(config) for config in configs.values())
    assert 1 == configs["train"]["pod_override"]
    assert declared_kpis(defaults["executor_config"]) == ()


def test_a_description_in_the_executor_config_counts():
    """A pin that is written there does not vanish without a word."""
    config = {"aiops": {"cluster": "gpu"}, "pod_override": 1}
    operator = made(task.aiops(kpis=["row_count"], executor_config=config))
    assert "gpu" == read_description(operator.executor_config).cluster
    assert declared_kpis(operator.executor_config)
    assert 1 == operator.executor_config["pod_override"]
    assert config == {"aiops": {"cluster": "gpu"}, "pod_override": 1}


def test_kpis_in_the_executor_config_stay():
    """They were declared by the other spelling only."""
    config = describe(Training(epochs=2), kpis=["row_count"])
    operator = made(task.aiops(executor_config=config))
    assert declared_kpis(operator.executor_config)
    assert Training(epochs=2) == read_description(operator.executor_config)


def test_a_task_that_is_described_twice_is_refused():
    """Nobody can know which was meant."""
    with pytest.raises(DescriptionError, match=r"executor_config\['aiops'\]: describes the task"):
        task.aiops(Training(), executor_config=describe(Training(epochs=2)))
