"""The connection type `aiops`: our real server on loopback, asked by Airflow's hooks and operators."""

import json
import threading
import time
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace

import pytest
import uvicorn
from airflow.providers_manager import ProvidersManager
from airflow.sdk import DAG, task

from aiops_provider.airflow.data_sensor import AiopsDataSensor
from aiops_provider.airflow.hook import AiopsHook
from aiops_provider.airflow.kpi_branch import AiopsKpiBranchOperator
from aiops_provider.airflow.kpi_sensor import AiopsKpiSensor
from aiops_provider.airflow.maintenance import maintenance_dag
from aiops_provider.airflow.notifier import SuperAlarmNotifier
from aiops_provider.airflow.plan_operator import AiopsPlanOperator
from aiops_provider.airflow.provider_info import get_provider_info
from aiops_provider.control.installation import Installation
from aiops_provider.control.replan import take_request
from aiops_provider.control.tokens import issue_token
from aiops_provider.control.watch_position import Position
from aiops_provider.domain.alarm import (
    Alarm,
    AlarmState,
    CauseKind,
    Hypothesis,
    Response,
    ResponseAction,
    RootCause,
    Severity,
    SuperAlarm,
)
from aiops_provider.domain.kpi import KpiSample, SeriesKey
from aiops_provider.domain.task import TaskKey
from aiops_provider.domain.units import utc_now
from aiops_provider.errors import (
    AiopsError,
    ConfigurationError,
    DataError,
    DescriptionError,
    TokenError,
    TokenScopeError,
)
from aiops_provider.settings.schema import Settings
from aiops_provider.web import create_app


@pytest.fixture(scope="module")
def installation(tmp_path_factory):
    """With empty tables."""
    folder = tmp_path_factory.mktemp("store")
    settings = Settings.model_validate(
        {"store": f"sqlite:///{folder}/aiops.db", "server": {"token_secret": "s" * 40}}
    )
    opened = Installation.open(settings)
    opened.require_store().upgrade()
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def address(installation):
    """Where the server of that installation listens."""
    server = uvicorn.Server(
        uvicorn.Config(create_app(installation), host="127.0.0.1", port=0, log_level="error")
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 60
    while not server.started:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(10)


@pytest.fixture
def connect(monkeypatch, installation, address):
    """``connect("read")`` makes the default connection one with that right."""

    def make(scope="read", **fields):
        token = issue_token(installation.token_secret, scope=scope, subject="airflow", valid_s=600)
        said = {"conn_type": "aiops", "host": address, "password": token, **fields}
        monkeypatch.setenv("AIRFLOW_CONN_AIOPS_DEFAULT", json.dumps(said))
        return AiopsHook()

    return make


def report(installation, value, **labels):
    """A row count of now."""
    sample = KpiSample(name="row_count", observed_at=utc_now(), value=value, dimensions=labels)
    installation.require_store().add_samples([sample])


def test_the_server_tells_health_kpis_and_super_alarms(connect, installation):
    """With the rights to read."""
    hook = connect("read")
    assert "ok" == hook.health()["status"]
    assert [] == hook.super_alarms()
    report(installation, 7, dag="told")
    assert [7] == [sample["value"] for sample in hook.kpis("row_count", {"dag": "told"})]
    later = utc_now() + timedelta(hours=1)
    assert [] == hook.kpis("row_count", {"dag": "told"}, since=later)
    assert hook.test_connection()[0]


def test_an_address_may_stand_in_parts(connect, address):
    """As Airflow's form and connection URIs give it."""
    _, host, port = address.replace("//", "").split(":")
    hook = connect(host=host, port=int(port), schema="http")
    assert "ok" == hook.health()["status"]


@pytest.mark.parametrize(
    ("fields", "error", "words"),
    [
        ({"host": None}, ConfigurationError, "no address"),
        ({"host": "ftp://x"}, ConfigurationError, "no http address"),
        ({"password": None}, ConfigurationError, "aiops token create"),
        ({"extra": {"timeout_s": -1}}, ConfigurationError, "timeout_s"),
        ({"extra": {"timeout_s": "soon"}}, ConfigurationError, "timeout_s"),
        ({"password": "forged"}, TokenError, "token"),
        ({"host": "http://127.0.0.1:9"}, AiopsError, "does not answer"),
    ],
)
def test_what_cannot_work_is_told(connect, fields, error, words):
    """By the question and by the button *Test*, and never with the token."""
    hook = connect(**fields)
    with pytest.raises(error, match=words) as raised:
        hook.health()
    assert (False, str(raised.value)) == hook.test_connection()
    assert "forged" not in str(raised.value)


def test_a_server_that_refuses_is_quoted(connect):
    """With the kind of error that our API names."""
    hook = connect("read")
    with pytest.raises(TokenScopeError):
        hook.request_plan("nightly")
    with pytest.raises(DataError, match="limit"):
        hook.kpis("row_count", limit=0)


def test_the_operator_asks_for_a_plan(connect, installation):
    """And names the DAG that asks, when nothing else is said."""
    connect("admin")
    with DAG("maintenance", schedule=None):
        operator = AiopsPlanOperator(task_id="plan")
    operator.render_template_fields({"dag": operator.dag})
    operator.execute({})
    assert "asked for by airflow: maintenance" == take_request(installation.require_store())


def test_the_maintenance_dag_asks_for_a_plan(connect, installation):
    """It can be stored as any DAG, and its one task runs with the connection of its own."""
    from airflow.serialization.serialized_objects import DagSerialization

    connect("admin")
    dag = maintenance_dag(schedule="@daily")
    assert "aiops_maintenance" == DagSerialization.from_dict(DagSerialization.to_dict(dag)).dag_id
    (task,) = dag.tasks
    task.render_template_fields({"dag": dag})
    task.execute({})
    assert take_request(installation.require_store()).endswith("aiops_maintenance")


@pytest.mark.parametrize("mode", ["poke", "reschedule"])
def test_the_sensor_waits_for_a_value_between_its_bounds(connect, installation, mode):
    """And returns it."""
    connect("read")
    with DAG("waits", schedule=None):
        sensor = AiopsKpiSensor(
            task_id="wait",
            kpi="row_count",
            labels={"dag": "{{ name }}"},
            at_least=10,
            at_most=20,
            mode=mode,
        )
    sensor.render_template_fields({"name": f"sensed {mode}"})
    assert not sensor.poke({}).is_done
    for value, done in ((9, False), (10, True), (20, True), (21, False)):
        report(installation, value, dag=f"sensed {mode}")
        answer = sensor.poke({})
        assert (done, value if done else None) == (answer.is_done, answer.xcom_value)


def hold(installation, task: str) -> Response:
    """Hold the data of a task for an hour."""
    now = utc_now()
    response = Response(
        id=f"response-{task}",
        super_alarm="super-1",
        action=ResponseAction.HOLD_DOWNSTREAM,
        reason="a rule holds them",
        starts_at=now - timedelta(minutes=1),
        expires_at=now + timedelta(hours=1),
        data_of=(TaskKey("sales", task),),
    )
    installation.require_store().save_response(response)
    return response


@pytest.mark.parametrize("rescheduled", [False, True])
def test_the_sensor_waits_until_data_are_judged_and_not_held(connect, installation, rescheduled):
    """Judged since it asked first, which in mode reschedule another process did."""
    connect("read")
    store, began = installation.require_store(), utc_now()
    context = {
        "ti": SimpleNamespace(get_first_reschedule_date=lambda _: began if rescheduled else None)
    }
    with DAG("publishes", schedule=None):
        sensor = AiopsDataSensor(task_id="usable", of="sales/{{ task_id }}")
    task_id = f"load_{rescheduled}"
    sensor.render_template_fields({"task_id": task_id})
    earlier = Position(watched_at=began - timedelta(minutes=5))
    earlier.write(store, Position())
    assert not sensor.poke(context)
    response = hold(installation, task_id)
    replace(earlier, watched_at=utc_now() + timedelta(seconds=1)).write(store, earlier)
    assert not sensor.poke(context)
    hold(installation, "clean")
    store.release_response(response.id, utc_now())
    assert sensor.poke(context)


@pytest.mark.parametrize("of", ["", "load", "/load", "sales/"])
def test_data_of_no_task_are_refused(of):
    """When the DAG is parsed."""
    with pytest.raises(DescriptionError, match="dag_id/task_id"):
        AiopsDataSensor(task_id="usable", of=of)


@pytest.mark.parametrize(
    "wrong",
    [
        {"at_least": 2, "at_most": 1},
        {"at_least": "2"},
        {"at_most": float("nan")},
        {"within": timedelta(0)},
        {"within": "24h"},
    ],
)
def test_a_sensor_that_can_never_be_done_is_refused(wrong):
    """When the DAG is parsed."""
    with pytest.raises(DescriptionError, match=next(iter(wrong))):
        AiopsKpiSensor(task_id="wait", kpi="row_count", **wrong)


BRANCHES = {1000: "large", 10: "small"}


def branch(name, **given):
    """A branch on the row count of that DAG."""
    labels = {"dag": name}
    return AiopsKpiBranchOperator(
        task_id="choose", kpi="row_count", branches=BRANCHES, labels=labels, **given
    )


def test_the_row_count_decides_the_branch(connect, installation):
    """The highest bound that the newest value reaches, in whatever order they are given."""
    connect("read")
    for value, expected in ((9, "none"), (10, "small"), (999, "small"), (1000, "large")):
        report(installation, value, dag="branched")
        assert expected == branch("branched", otherwise="none").choose_branch({})


def test_without_a_value_nothing_is_chosen_by_chance(connect, installation):
    """Either the author has said what then, or the task fails."""
    connect("read")
    assert "safe" == branch("never", otherwise="safe").choose_branch({})
    with pytest.raises(DataError, match="otherwise"):
        branch("never").choose_branch({})
    report(installation, 9, dag="too few")
    with pytest.raises(DataError, match=r"got 9\.0"):
        branch("too few").choose_branch({})


@pytest.fixture
def chosen():
    """A DAG whose function chooses by the row count; the operator and what it was called with."""
    calls = []

    with DAG("decides", schedule=None):

        @task.aiops_branch(kpi="row_count", labels={"dag": "{{ name }}"}, retries=3)
        def choose(row_count, limit, *, task_id=None):
            calls.append((row_count, limit, task_id))
            return "none" if row_count is None else "large" if row_count >= limit else "small"

        operator = choose(1000).operator
    return operator, calls


@pytest.mark.parametrize(("value", "branch"), [(None, "none"), (999, "small"), (1000, "large")])
def test_a_function_decides_by_the_row_count(
    connect, installation, chosen, monkeypatch, value, branch
):
    """It gets the newest value, or that there is none, before its own arguments."""
    connect("read")
    operator, calls = chosen
    name = f"decided {value}"
    if value is not None:
        report(installation, value, dag=name)
    operator.render_template_fields({"name": name})
    followed = []
    monkeypatch.setattr(operator, "do_branch", lambda _, taken: followed.append(taken))
    operator.execute({})
    assert followed == [branch]
    assert calls == [(value, 1000, None)]
    assert operator.retries == 3


def test_a_decided_branch_is_stored_with_its_dag(chosen):
    """As any operator, and Airflow knows that it skips."""
    from airflow.serialization.serialized_objects import DagSerialization

    operator, _ = chosen
    stored = DagSerialization.from_dict(DagSerialization.to_dict(operator.dag)).get_task("choose")
    assert stored.inherits_from_skipmixin


def test_a_function_without_room_for_the_value_is_refused():
    """When the DAG is parsed."""

    @task.aiops_branch(kpi="row_count")
    def choose(*, limit): ...

    with DAG("decides", schedule=None), pytest.raises(DescriptionError, match="no argument"):
        choose(limit=1)


def test_a_branch_is_stored_with_its_dag():
    """As any operator, and Airflow knows that it skips."""
    from airflow.serialization.serialized_objects import DagSerialization

    with DAG("branches", schedule=None) as dag:
        branch("branches")
    stored = DagSerialization.from_dict(DagSerialization.to_dict(dag)).get_task("choose")
    assert stored.inherits_from_skipmixin


@pytest.mark.parametrize("wrong", [{}, {"many": "large"}, {float("nan"): "large"}])
def test_branches_that_decide_nothing_are_refused(wrong):
    """When the DAG is parsed."""
    with pytest.raises(DescriptionError, match="branches"):
        AiopsKpiBranchOperator(task_id="choose", kpi="row_count", branches=wrong)


@pytest.fixture
def incident(installation):
    """An open super-alarm of the DAG `medical`."""
    now, store = utc_now(), installation.require_store()
    hypothesis = Hypothesis(
        cause={"provider": "aws"}, kind=CauseKind.CLUSTER, support=1, precision=1, lift=2,
        p_value=0.01, confidence=0.9,
    )  # fmt: skip
    alarm = Alarm(
        id="a1", series=SeriesKey("row_count", (("dag", "medical"),)), observed_at=now, value=3.0,
        expected=900.0, score=0.99, p_value=1e-6, attributes={}, super_alarm="s1",
    )  # fmt: skip
    store.save_super_alarms(
        [
            SuperAlarm(
                id="s1", summary="Row counts fell on aws", opened_at=now,
                severity=Severity.CRITICAL, alarms=("a1",), representative="a1",
                root_cause=RootCause(hypotheses=(hypothesis,)), updated_at=now,
            )
        ]
    )  # fmt: skip
    store.save_alarms([alarm])
    yield
    store.save_super_alarms(
        [replace(each, state=AlarmState.RESOLVED) for each in store.super_alarms()]
    )


@pytest.fixture
def webhook(monkeypatch):
    """A real webhook on loopback: what it was sent, and the status that it answers."""
    got = SimpleNamespace(texts=[], status=200)

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self):
            got.texts.append(
                json.loads(self.rfile.read(int(self.headers["Content-Length"])))["text"]
            )
            self.send_response(got.status)
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Hook) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/hush"
        monkeypatch.setenv("AIRFLOW_CONN_CHAT", json.dumps({"conn_type": "http", "host": address}))
        yield got
        server.shutdown()


def test_super_alarms_of_the_dag_are_sent(connect, incident, webhook):
    """To the webhook, in their own words, and none of another DAG."""
    connect("read")
    for name in ("other", "medical"):
        SuperAlarmNotifier(webhook_conn_id="chat")({"dag": DAG(name, schedule=None)})
    (text,) = webhook.texts
    assert "medical" in text
    assert "critical: Row counts fell on aws" in text


def test_a_webhook_that_refuses_is_told_without_its_address(connect, incident, webhook):
    """For the address is the secret."""
    connect("read")
    webhook.status = 403
    with pytest.raises(AiopsError, match="answers 403") as raised:
        SuperAlarmNotifier("medical", webhook_conn_id="chat")({})
    assert "hush" not in str(raised.value)


def test_airflow_has_a_form_for_the_connection():
    """Its fields as Airflow's own manager reads them out of what we declare."""
    (declared,) = get_provider_info()["connection-types"]
    assert "aiops_provider.airflow.hook.AiopsHook" == declared["hook-class-name"]
    assert AiopsHook.conn_type == declared["connection-type"]
    manager = ProvidersManager()
    manager._add_widgets("aiops-provider", "hook", "aiops_form", declared["conn-fields"])
    manager._add_customized_fields("aiops-provider", "aiops_form", declared["ui-field-behaviour"])
    widgets = manager._connection_form_widgets
    assert {"timeout_s", "verify"} == {
        widget.field_name for name, widget in widgets.items() if "__aiops_form__" in name
    }
    assert "Token" == manager._field_behaviours["aiops_form"]["relabeling"]["password"]
