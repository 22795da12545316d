"""What a check of a cluster says, from what the host's process told of it."""

import json
import subprocess
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from aiops_provider.control import cluster_check
from aiops_provider.control.cluster_check import check_cluster, failed_checks, forget_check
from aiops_provider.control.decide import Decider, TaskRequest
from aiops_provider.control.installation import Installation
from aiops_provider.control.snapshot_reader import load_snapshot
from aiops_provider.domain.cluster import ClusterHealth, HealthState
from aiops_provider.domain.task import TaskKey, TaskRun
from aiops_provider.domain.workload import Generic
from aiops_provider.errors import ConfigurationError, DataError
from aiops_provider.settings.schema import Settings
from aiops_provider.store import Store

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
CLUSTERS = [
    {"name": "gpu", "kind": "local", "capacity": {"cores": 4, "memory_gib": 8}, "price_usd_per_hour": 0.1},
    {"name": "onprem", "kind": "local", "capacity": {"cores": 4, "memory_gib": 8}, "price_usd_per_hour": 3.0},
]  # fmt: skip
VERSIONS = {"airflow": "3.3.2", "aiops": "0.1.0", "python": "3.12.4"}


@pytest.fixture
def installation(sqlite_template, tmp_path):
    file = tmp_path / "aiops.db"
    file.write_bytes(sqlite_template.read_bytes())
    settings = Settings.model_validate({"mode": "enforce", "clusters": CLUSTERS})
    with closing(Store.open(f"sqlite:///{file}")) as store:
        yield Installation(settings=settings, store=store, clusters=settings.cluster_specs)


def told(**changes):
    """All is well, but for what is changed in the report or beside it."""
    report = {
        "cluster": "gpu",
        "host": "w1",
        "versions": VERSIONS,
        "bundle": {"name": "dags-folder", "version": None},
        "xcom": "",
        "secrets": {"ExecutionAPISecretsBackend": ""},
        "connections": {},
    }
    beside = {
        "dag": "ready",
        "state": "success",
        "started": True,
        "host": "w1",
        "here": VERSIONS,
        "xcom": "",
        "log": "",
        "report": report,
    }
    for name, value in changes.items():
        if name.startswith("worker_"):
            report[name.removeprefix("worker_")] = value
        else:
            beside[name] = value
    return beside


@pytest.fixture
def check(installation, monkeypatch):
    """Check a cluster whose host tells this; pretended, for here is no host."""

    def check(answer=None, *, name="gpu", stderr="", **options):
        asked = []

        def run(command, **words):
            asked.append((command[-1], json.loads(words["input"])))
            out = "" if answer is None else f"noise\naiops-cluster-check:{json.dumps(answer)}\n"
            return SimpleNamespace(returncode=0 if answer else 1, stdout=out, stderr=stderr)

        monkeypatch.setattr(cluster_check.subprocess, "run", run)
        found = check_cluster(installation, name, NOW, timeout_s=60, **options)
        return found, asked

    return check


def test_a_cluster_where_all_is_well(check, installation):
    """Nothing is held against it."""
    found, asked = check(told(worker_connections={"db": ""}), connections=["db"])
    assert "" == found.problem
    assert {"ok"} == {each.verdict.value for each in found.findings}
    assert {} == failed_checks(installation.store)
    ((module, question),) = asked
    assert "aiops_provider.airflow.run_check" == module
    assert ("gpu", "check__gpu__20260302T120000", ["db"]) == (
        question["cluster"],
        question["run_id"],
        question["connections"],
    )


@pytest.mark.parametrize(
    ("changes", "check_name", "mend"),
    [
        ({"started": False, "state": "queued"}, "execution API", "execution_api_server_url"),
        ({"report": None, "state": "failed"}, "DAG bundle", "in the image"),
        ({"worker_cluster": "onprem"}, "place", "another cluster's queue"),
        ({"worker_cluster": ""}, "place", "no aiops-provider plugin"),
        ({"worker_xcom": "NoCredentialsError"}, "XCom backend", "[core] xcom_backend"),
        ({"xcom": "nothing is there"}, "XCom backend", "with one place"),
        ({"log": "what the task logged is not in it"}, "task log", "remote_base_log_folder"),
        ({"worker_secrets": {"VaultBackend": "Forbidden"}}, "secrets", "secrets_backend"),
        ({"worker_connections": {"db": "AirflowNotFoundException"}}, "connection db", "Define it"),
        ({"worker_versions": {**VERSIONS, "airflow": "3.2.1"}}, "Airflow version", "same versions"),
        ({"worker_versions": {**VERSIONS, "python": "3.11.9"}}, "Python version", "same versions"),
    ],
)
def test_whatever_fails_is_told_with_its_mend(check, installation, changes, check_name, mend):
    """And the cluster is unfit for that reason until a check succeeds, or it is forgotten."""
    found, _ = check(told(**changes))
    (bad,) = [each for each in found.findings if each.verdict.value == "fail"]
    assert check_name == bad.check
    assert mend in bad.mend
    reason = failed_checks(installation.store)["gpu"]
    assert "its check of 2026-03-02 12:00 UTC failed" in reason
    assert bad.detail in reason
    check(told())
    assert {} == failed_checks(installation.store)


def test_a_small_difference_of_versions_is_a_warning(check, installation):
    """Tasks run; one should know all the same."""
    found, _ = check(told(worker_versions={**VERSIONS, "airflow": "3.3.1"}))
    assert ["warn"] == [f.verdict.value for f in found.findings if f.check == "Airflow version"]
    assert {} == failed_checks(installation.store)


def test_routes_avoid_a_cluster_that_failed_its_check(check, installation):
    """Also of tasks that wait; a pin, and a check, go there all the same."""
    decider = Decider(installation, clock=lambda: NOW)
    request = TaskRequest(run=TaskRun(TaskKey("d", "t"), "r"))
    before = decider.decide(request)
    check(told(xcom="nothing is there"))
    store = installation.store
    decider.swap(load_snapshot(installation, NOW))
    after = decider.decide(request)
    assert ("gpu", "onprem") == (before.cluster.name, after.cluster.name)
    assert "unfit: its check of" in after.placement.route.reason.rejected["gpu"]
    assert (False, True) == (decider.still_good(before), decider.still_good(after))
    pinned = replace(request, description=Generic(cluster="gpu"))
    assert "gpu" == decider.decide(pinned).cluster.name
    forget_check(store, "gpu")
    decider.swap(load_snapshot(installation, NOW))
    assert "gpu" == decider.decide(request).cluster.name


def test_a_check_is_sent_there_even_while_only_observing_and_full(installation):
    """It tests the cluster, not the layer's decisions."""
    observing = replace_mode(installation, "observe")
    decider = Decider(observing, clock=lambda: NOW)
    big = Generic(cluster="onprem", cores=4)
    for number in range(3):
        decider.decide(TaskRequest(run=TaskRun(TaskKey("d", "t"), f"r{number}"), description=big))
    decision = decider.decide(
        TaskRequest(run=TaskRun(TaskKey("c", "c"), "r"), description=big, check="onprem")
    )
    assert ("onprem", True, False) == (
        decision.cluster.name,
        decision.placement.applied,
        decision.limited,
    )


def replace_mode(installation, mode):
    settings = Settings.model_validate({"mode": mode, "clusters": CLUSTERS})
    return replace(installation, settings=settings)


def test_a_cluster_that_is_not_there_or_gone_is_not_checked(check, installation):
    """Its own probe tells; nothing is held against it beyond that."""
    with pytest.raises(ConfigurationError, match="Name one of gpu, onprem"):
        check(told(), name="nowhere")
    health = ClusterHealth(
        cluster="gpu", state=HealthState.UNREACHABLE, observed_at=NOW, detail="no worker answers"
    )
    installation.store.record_health([health])
    with pytest.raises(ConfigurationError, match="no worker answers"):
        check(told())
    assert {} == failed_checks(installation.store)


@pytest.mark.parametrize(
    ("answer", "stderr", "why"),
    [
        ({"dag": "absent"}, "", "cluster_check_dag"),
        ({"dag": "paused"}, "", "Switch it on"),
        (None, "Traceback\nModuleNotFoundError: No module named 'airflow'", "No module named"),
        (None, "", "no answer"),
    ],
)
def test_a_check_that_cannot_be_made_is_no_failure_of_the_cluster(
    check, installation, answer, stderr, why
):
    """It says what is missing here."""
    with pytest.raises(DataError, match=why):
        check(answer, stderr=stderr)
    assert {} == failed_checks(installation.store)


def test_a_host_that_hangs_is_told(installation, monkeypatch):
    """Nobody waits for ever."""

    def hang(*_, **__):
        raise subprocess.TimeoutExpired("airflow", 180)

    monkeypatch.setattr(cluster_check.subprocess, "run", hang)
    with pytest.raises(DataError, match="does not answer"):
        check_cluster(installation, "gpu", NOW, timeout_s=60)
