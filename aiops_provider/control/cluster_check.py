"""
What ``aiops clusters check`` does: a probe task on a cluster, and what it found there in words.

A cluster whose check fails gets no tasks until a check succeeds: that it answers its probe does not
mean that a task can run there. Airflow starts the task in a process of its own, for control never
imports a host.
"""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from aiops_provider.control.check_run import DAG_ID, MARK, run_id_of
from aiops_provider.control.finding import Finding, Verdict, failed, fine, warned
from aiops_provider.domain.cluster import HealthState
from aiops_provider.errors import ConfigurationError, DataError

if TYPE_CHECKING:
    from aiops_provider.control.installation import Installation
    from aiops_provider.store import Store

_RUNNER = "aiops_provider.airflow.run_check"
# Airflow starts within this on a busy machine, beside the time that the task is given.
_START_S = 120.0
_KEY = "cluster_check/"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterCheck:
    """
    What a check found.

    Attributes:
        cluster: Which.
        checked_at: When.
        run_id: Of the run that did it.
        findings: In the order in which they matter.
    """

    cluster: str
    checked_at: datetime
    run_id: str
    findings: tuple[Finding, ...]

    @property
    def problem(self) -> str:
        """What failed, in one sentence; empty if nothing did."""
        bad = [
            f"{each.check}: {each.detail}" for each in self.findings if each.verdict is Verdict.FAIL
        ]
        return "; ".join(bad)


def check_cluster(
    installation: Installation,
    name: str,
    now: datetime,
    *,
    timeout_s: float,
    connections: Sequence[str] = (),
) -> ClusterCheck:
    """
    Run the probe task on a cluster; the result decides whether the cluster gets tasks.

    Args:
        installation: With the store of the running Airflow.
        name: The cluster.
        now: Becomes part of the run's id.
        timeout_s: The task must have ended by then.
        connections: Ids of connections that must be found there.

    Raises:
        ConfigurationError: There is no such cluster, or it answers no probe now.
        DataError: Airflow is not here, or has no DAG for this.
        StoreError: The store does not answer.
    """
    store = installation.require_store()
    if installation.cluster(name) is None:
        names = ", ".join(spec.name for spec in installation.clusters)
        raise ConfigurationError(
            "there is no such cluster", field="NAME", value=name, mend=f"Name one of {names}."
        )
    health = store.health().get(name)
    if health is not None and health.state is HealthState.UNREACHABLE:
        raise ConfigurationError(
            f"is unreachable, so that no task gets there: {health.detail}",
            field="cluster",
            value=name,
            mend="Mend that first; its own probe will tell, and it is used again.",
        )
    check = try_cluster(name, now, timeout_s=timeout_s, connections=connections)
    _remember(store, check)
    return check


def try_cluster(
    name: str, now: datetime, *, timeout_s: float, connections: Sequence[str] = ()
) -> ClusterCheck:
    """
    Run the probe task on a cluster without a consequence.

    Args:
        name: The cluster.
        now: Becomes part of the run's id.
        timeout_s: The task must have ended by then.
        connections: Ids of connections that must be found there.

    Raises:
        DataError: Airflow is not here, or has no DAG for this.
    """
    run_id = run_id_of(name, f"{now:%Y%m%dT%H%M%S}")
    told = _run(
        {
            "cluster": name,
            "run_id": run_id,
            "marker": secrets.token_hex(8),
            "timeout_s": timeout_s,
            "connections": list(connections),
        }
    )
    findings = tuple(_findings(name, told, timeout_s))
    return ClusterCheck(cluster=name, checked_at=now, run_id=run_id, findings=findings)


def forget_check(store: Store, name: str) -> None:
    """Let a cluster get tasks again whatever its last check said."""
    store.set_check(_KEY + name, None)


def failed_checks(store: Store) -> dict[str, str]:
    """Why clusters whose last check failed get no tasks, by cluster."""
    return {
        key.removeprefix(_KEY): f"its check of {said['checked_at']} failed: {said['problem']}"
        for key, said in store.checks(_KEY).items()
        if said and said["problem"]
    }


def _remember(store: Store, check: ClusterCheck) -> None:
    said = {
        "checked_at": f"{check.checked_at:%Y-%m-%d %H:%M} UTC",
        "run_id": check.run_id,
        "problem": check.problem,
    }
    store.set_check(_KEY + check.cluster, said)


def _run(asked: Mapping[str, Any]) -> dict[str, Any]:
    try:
        answer = subprocess.run(  # noqa: S603 - our own module
            [sys.executable, "-m", _RUNNER],
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            timeout=asked["timeout_s"] + _START_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise DataError("Airflow's database does not answer", field="airflow") from None
    marked = [line for line in answer.stdout.splitlines() if line.startswith(MARK)]
    if answer.returncode != 0 or not marked:
        last = [line for line in answer.stderr.splitlines() if line.strip()][-1:] or ["no answer"]
        raise DataError(
            f"the check cannot be started ({last[0]})",
            field="airflow",
            mend="Call it where Airflow's scheduler runs: same environment, same database.",
        )
    told: dict[str, Any] = json.loads(marked[-1].removeprefix(MARK))
    if told["dag"] == "absent":
        raise DataError(
            "is not in any bundle",
            field=f"DAG {DAG_ID}",
            mend="Add a file with these two lines: from aiops_provider.airflow.cluster_check import "
            "cluster_check_dag; dag = cluster_check_dag()",
        )
    if told["dag"] == "paused":
        raise DataError("is paused", field=f"DAG {DAG_ID}", mend="Switch it on in Airflow.")
    return told


def _findings(name: str, told: Mapping[str, Any], timeout_s: float) -> Iterator[Finding]:
    report = told.get("report")
    if not told["started"]:
        yield failed(
            "execution API",
            f"no worker started the task within {timeout_s:g} s (it is {told['state']})",
            "See that workers take tasks there and reach [core] execution_api_server_url; "
            "their own log says which.",
        )
        return
    yield fine("execution API", f"a worker on {told['host'] or 'an unknown host'} started the task")
    if report is None:
        yield failed(
            "DAG bundle",
            f"the task ended as {told['state']} before it could report",
            "See its log in Airflow: mostly the bundle, or aiops-provider, is not in the image.",
        )
        return
    bundle = report["bundle"]
    version = f", version {bundle['version']}" if bundle["version"] else ""
    yield fine("DAG bundle", f"{bundle['name'] or 'the bundle'} is there{version}")
    yield _place(name, report["cluster"])
    yield _xcom(report["xcom"], told["xcom"])
    yield _log(told["log"])
    yield from _secrets(report)
    yield from _versions(report["versions"], told["here"])


def _place(name: str, cluster: str) -> Finding:
    if cluster == name:
        return fine("place", f"the task knows that it is on {name}")
    return failed(
        "place",
        f"the task takes itself to be on {cluster or 'no cluster'}",
        "Its worker takes tasks of another cluster's queue, or has no aiops-provider plugin.",
    )


def _xcom(there: str, here: str) -> Finding:
    if there:
        return failed(
            "XCom backend",
            f"a worker cannot write and read a value ({there})",
            "Give the workers the credentials and packages of [core] xcom_backend.",
        )
    if here:
        return failed(
            "XCom backend",
            f"what a worker wrote cannot be read here ({here})",
            "Configure one [core] xcom_backend, with one place, for workers and API server.",
        )
    return fine("XCom backend", "a value was written there, and read there and here")


def _log(problem: str) -> Finding:
    if not problem:
        return fine("task log", "what the task logged can be read here")
    return failed(
        "task log",
        f"what the task logged cannot be read here ({problem})",
        "Set up [logging] remote_logging with one remote_base_log_folder for workers and API server, "
        "or open the workers' log server to the API server.",
    )


def _secrets(report: Mapping[str, Any]) -> Iterator[Finding]:
    broken = {name: why for name, why in report["secrets"].items() if why}
    if broken:
        told = ", ".join(f"{backend} ({why})" for backend, why in sorted(broken.items()))
        yield failed(
            "secrets",
            f"these backends do not answer there: {told}",
            "Give the workers the credentials and the network of [workers] secrets_backend.",
        )
    else:
        yield fine("secrets", f"{', '.join(sorted(report['secrets'])) or 'no backend'} answered")
    for connection, why in sorted(report["connections"].items()):
        if why:
            yield failed(
                f"connection {connection}",
                f"it is not found there ({why})",
                "Define it in Airflow, or in a secrets backend that the workers reach.",
            )
        else:
            yield fine(f"connection {connection}", "it is found there")


def _versions(there: Mapping[str, str], here: Mapping[str, str]) -> Iterator[Finding]:
    for package, name in (
        ("airflow", "Airflow"),
        ("aiops", "aiops-provider"),
        ("python", "Python"),
    ):
        theirs, ours = there[package], here[package]
        detail = f"{name} {theirs} there, {ours} here"
        if theirs == ours:
            yield fine(f"{name} version", f"{ours} there and here")
        elif theirs.split(".")[:2] == ours.split(".")[:2]:
            yield warned(f"{name} version", detail, "Build the image anew when you can.")
        else:
            yield failed(
                f"{name} version", detail, "Build the workers' image with the same versions."
            )
