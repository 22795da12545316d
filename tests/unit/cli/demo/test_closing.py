from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from aiops_provider.cli.commands import build_app
from aiops_provider.cli.demo.closing import (
    cheapest_alone,
    commands,
    cost_there,
    peak_cores,
    super_alarm_lines,
)
from aiops_provider.domain.alarm import (
    CauseKind,
    Hypothesis,
    Response,
    ResponseAction,
    RootCause,
    Severity,
    SuperAlarm,
)
from aiops_provider.domain.cluster import Capacity, ClusterSpec, Pool
from aiops_provider.domain.execution import ExecutionRecord, Outcome
from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.domain.task import TaskKey, TaskRun

START = datetime(2026, 1, 5, 12, tzinfo=UTC)


def cluster(name, price, *, cores=4.0):
    pool = Pool(
        name="p",
        machine=Capacity(cores=cores, memory_gib=8),
        max_instances=1,
        price_usd_per_hour=price,
    )
    return ClusterSpec(name=name, kind="local", provider="aws", region="r", pools=(pool,))


def record(cores, *, hours=1.0):
    return ExecutionRecord(
        run=TaskRun(TaskKey("d", "t"), "r"),
        cluster="a",
        provider="aws",
        region="r",
        started_at=START,
        ended_at=START + timedelta(hours=hours),
        outcome=Outcome.SUCCESS,
        request=ResourceRequest(cores=cores, memory_gib=1),
    )


def test_a_run_costs_its_share_of_a_machine_for_its_duration():
    """Two of four cores for half an hour at 1 USD an hour are a quarter of a dollar."""
    assert cost_there(record(2.0, hours=0.5), cluster("a", 1.0)) == pytest.approx(0.25)


@pytest.mark.parametrize("where", [cluster("a", None), cluster("a", 1.0, cores=1.0)])
def test_what_is_unknown_or_impossible_costs_nothing_known(where):
    """Without a price, or without a machine that holds it, there is no figure."""
    assert cost_there(record(2.0), where) is None


def test_the_single_cluster_must_hold_every_task():
    """The cheapest one does not count when one task fits nowhere in it."""
    small, dear, dearer = cluster("s", 0.1, cores=1.0), cluster("d", 1.0), cluster("e", 2.0)
    alone = cheapest_alone([record(0.5), record(2.0)], [small, dearer, dear])
    assert alone is not None
    assert alone.name == "d"


def test_what_runs_at_one_time_needs_room_at_one_time():
    """Overlapping runs add up, runs after one another do not."""
    later = replace(
        record(2.0), started_at=START + timedelta(hours=1), ended_at=START + timedelta(hours=2)
    )
    assert peak_cores([record(2.0), record(1.0), later]) == 3.0
    assert peak_cores([]) == 0.0


def test_own_machines_must_be_enough_as_they_are():
    """A cloud can add machines for the peak; on-premises cannot, however cheap it is."""
    own, cloud = replace(cluster("own", 0.1), provider="on_premises"), cluster("cloud", 1.0)
    few, many = [record(3.0)], [record(3.0), record(3.0)]
    assert cheapest_alone(few, [own, cloud]) == own
    assert cheapest_alone(many, [own, cloud]) == cloud


def test_without_such_a_cluster_there_is_none():
    """No figure is made up."""
    assert cheapest_alone([record(9.0)], [cluster("a", 1.0)]) is None


def test_the_commands_to_look_further_exist():
    """Every one of them is a command of ours with options that it has, and none shows a secret."""
    environment = {"AIRFLOW_HOME": "/h", "AIOPS_CONFIG": "/h/aiops.yaml", "JWT_SECRET": "s3cret"}
    config = SimpleNamespace(database_url="sqlite:////h/airflow.db")
    scene = SimpleNamespace(stage=SimpleNamespace(environment=environment, config=config))
    told = [SimpleNamespace(id="super-1", alarms=("a", "b"))]
    export, *lines = commands(scene, told)
    assert export.startswith("export AIRFLOW_HOME=/h AIOPS_CONFIG=/h/aiops.yaml AIOPS__STORE=")
    assert "s3cret" not in export
    assert "aiops alarms show super-1" in lines
    for line in lines:
        program, *arguments = line.split()
        assert program == "aiops"
        options = [word for word in arguments if word.startswith("--")]
        with pytest.raises(SystemExit) as leaving:
            build_app(arguments)([*arguments, "--help"])
        assert leaving.value.code == 0
        assert set(options) <= {"--why", "--explain"}


def test_a_super_alarm_is_told_with_its_hypotheses_and_response():
    """The best three, in plain words."""
    guesses = tuple(
        Hypothesis(
            cause={"provider": name},
            kind=CauseKind.CLUSTER,
            support=1.0,
            precision=0.5,
            lift=2.0,
            p_value=0.01,
            confidence=0.9,
        )
        for name in ("aws", "azure", "b", "c")
    )
    told = SuperAlarm(
        id="s",
        summary="much is wrong",
        opened_at=START,
        severity=Severity.CRITICAL,
        alarms=("a", "b"),
        representative="a",
        root_cause=RootCause(hypotheses=guesses),
        updated_at=START,
        response=Response(
            id="r",
            super_alarm="s",
            action=ResponseAction.QUARANTINE,
            reason="because",
            starts_at=START,
            expires_at=START,
        ),
    )
    (line,) = super_alarm_lines([told])
    assert (line.summary, line.alarms, line.response) == (
        "much is wrong",
        2,
        "quarantine: because",
    )
    assert len(line.hypotheses) == 3
    assert line.hypotheses[0].startswith("provider=aws (cluster): explains 100% of the alarms")
