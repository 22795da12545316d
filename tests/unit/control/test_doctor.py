"""The doctor finds what is wrong, says what to do, and changes nothing."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from aiops_provider.control import doctor, doctor_services
from aiops_provider.control.doctor import examine
from aiops_provider.control.finding import Finding, Verdict, exit_status
from aiops_provider.control.host_facts import HostFacts, ask_host
from aiops_provider.control.installation import Installation
from aiops_provider.control.tokens import verify_token
from aiops_provider.domain.cluster import (
    Capacity,
    ClusterHealth,
    ClusterSpec,
    HealthState,
    Pool,
)
from aiops_provider.domain.units import utc_now
from aiops_provider.errors import ClusterUnreachableError
from aiops_provider.settings.schema import Settings

SECRET = "s" * 40
CLUSTER = "clusters: [{name: onprem, kind: local, capacity: {cores: 1, memory_gib: 1}}]\n"
AIRFLOW = HostFacts(
    name="airflow",
    version="3.3.2",
    said={"executors": ["aiops_provider.airflow.AiopsExecutor"], "token_secret": "j" * 40},
)


@pytest.fixture
def hosts(monkeypatch) -> dict[str, HostFacts]:
    """The hosts that are said to be installed."""
    found: dict[str, HostFacts] = {}
    monkeypatch.setattr(doctor, "ask_host", lambda name, environ: found.get(name))
    return found


@pytest.fixture
def store(tmp_path) -> str:
    """A store with tables, in which the host has just seen the cluster healthy."""
    url = f"sqlite:///{tmp_path}/aiops.db"
    opened = Installation.open(Settings.model_validate({"store": url}))
    opened.require_store().upgrade()
    seen = ClusterHealth(cluster="onprem", state=HealthState.HEALTHY, observed_at=utc_now())
    opened.require_store().record_health([seen])
    opened.close()
    return url


@pytest.fixture
def config(tmp_path, store, monkeypatch):
    """Write aiops.yaml; returns the environment that names it."""
    monkeypatch.delenv("AIOPS_TOKEN_SECRET", raising=False)

    def write(text: str = "") -> dict[str, str]:
        file = tmp_path / "aiops.yaml"
        file.write_text(f"store: {store}\n{CLUSTER}{text}", encoding="utf-8")
        return {"AIOPS_CONFIG": str(file)}

    return write


def server_section(url: str = "http://127.0.0.1:9") -> str:
    return f"server: {{url: '{url}', token_secret: {SECRET}}}\n"


def by_check(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.check: finding for finding in findings}


def test_sound_installation_is_found_sound(hosts, config, api):
    """Everything is ok, and the exit status is 0."""
    hosts["airflow"] = AIRFLOW
    api.status = 200
    findings = examine(config(server_section(api.url)))
    assert {finding.verdict for finding in findings} == {Verdict.OK}, findings
    assert exit_status(findings) == 0
    assert {"package", "host", "executor", "settings", "store", "clocks", "cluster onprem",
            "token secret", "server"} == set(by_check(findings))  # fmt: skip


def test_everything_that_is_not_ok_says_what_to_do(hosts, config):
    """A finding without a mend is of no use."""
    for finding in examine(config(server_section())):
        assert finding.detail
        assert (finding.mend == "") == (finding.verdict is Verdict.OK)


def test_bad_settings_are_all_told(hosts, tmp_path):
    """Each problem with place and mend; exit status 2; nothing else can be looked at."""
    bad = tmp_path / "bad.yaml"
    bad.write_text("servr: {}\nmode: enforced\n", encoding="utf-8")
    findings = examine({"AIOPS_CONFIG": str(bad)})
    details = [finding.detail for finding in findings if finding.check == "settings"]
    assert [detail.partition(": ")[0] for detail in details] == [f"{bad}:1", f"{bad}:2"]
    assert exit_status(findings) == 2


def test_store_without_tables_is_told(hosts, config, tmp_path, monkeypatch):
    """The doctor says ``aiops db upgrade`` and does not run it."""
    environ = config(server_section())
    environ["AIOPS__STORE"] = f"sqlite:///{tmp_path}/empty.db"
    findings = by_check(examine(environ))
    assert findings["store"].verdict is Verdict.FAIL
    assert findings["store"].mend == "aiops db upgrade"
    assert not (tmp_path / "empty.db").exists()


def test_unreachable_store_is_told_without_its_password(hosts, config):
    """The other checks are made all the same; exit status 1."""
    environ = config(server_section())
    environ["AIOPS__STORE"] = "postgresql://me:hush@127.0.0.1:9/x?connect_timeout=1"
    findings = examine(environ)
    assert by_check(findings)["store"].verdict is Verdict.FAIL
    assert "server" in by_check(findings)
    assert "hush" not in str(findings)
    assert exit_status(findings) == 1


@pytest.mark.parametrize(
    ("facts", "check", "verdict", "word"),
    [
        (HostFacts(name="airflow", version="3.1.9"), "host", Verdict.FAIL, "airflow>=3.2,<3.4"),
        (HostFacts(name="airflow", version="3.4.0"), "host", Verdict.FAIL, "airflow>=3.2,<3.4"),
        (HostFacts(name="airflow", version="3.2.0rc1"), "host", Verdict.OK, ""),
        (HostFacts(name="prefect", version="3.7.6"), "host", Verdict.FAIL, "prefect>=3.7.7,<4"),
        (HostFacts(name="prefect", version="4.0"), "host", Verdict.FAIL, "prefect>=3.7.7,<4"),
        (
            HostFacts(name="airflow", version="3.3.2", error="ImportError: x"),
            "executor", Verdict.FAIL, "pip install 'aiops-provider[airflow]'",
        ),
        (
            HostFacts(name="airflow", version="3.3.2", said={"executors": ["LocalExecutor"]}),
            "executor", Verdict.WARN, "executor = aiops_provider.airflow.AiopsExecutor",
        ),
        (
            HostFacts(name="prefect", version="3.8.8", said={"api_url": None}),
            "worker", Verdict.WARN, "PREFECT_API_URL",
        ),
        (
            HostFacts(name="prefect", version="3.8.8", said={"api_url": "http://p/api"}),
            "worker", Verdict.OK, "",
        ),
    ],
)  # fmt: skip
def test_host_is_judged(hosts, config, facts, check, verdict, word):
    """Version and door of each host, with the line that mends them."""
    hosts[facts.name] = facts
    finding = by_check(examine(config(server_section())))[check]
    assert (finding.verdict, word in finding.mend) == (verdict, True)


def test_without_host_it_is_a_warning(hosts, config):
    """The command line alone is a legitimate use."""
    assert by_check(examine(config(server_section())))["host"].verdict is Verdict.WARN


def test_store_of_the_host_is_the_one_looked_at(hosts, tmp_path, store):
    """As in the host itself, its database is the default."""
    said = {**AIRFLOW.said, "store_url": store}
    hosts["airflow"] = HostFacts(name="airflow", version="3.3.2", said=said)
    file = tmp_path / "aiops.yaml"
    file.write_text(CLUSTER, encoding="utf-8")
    findings = by_check(examine({"AIOPS_CONFIG": str(file)}))
    assert store in findings["store"].detail
    assert findings["token secret"].detail.startswith("taken from the host")
    assert findings["server"].detail == "mounted in Airflow's API server"


def test_secret_that_others_may_read_is_told(hosts, config, tmp_path):
    """A secret file with wide rights is a failure, with the chmod that mends it."""
    secret = tmp_path / "aiops_token_secret"
    secret.write_text(SECRET, encoding="ascii")
    secret.chmod(0o644)
    findings = examine(config())
    assert by_check(findings)["token secret"].mend == f"chmod 600 {secret}"
    assert exit_status(findings) == 2
    secret.chmod(0o600)
    assert by_check(examine(config()))["token secret"].verdict is Verdict.OK


def test_cluster_that_the_host_lost_is_told(hosts, config, store):
    """What the host's own probes saw lately is what counts."""
    opened = Installation.open(Settings.model_validate({"store": store}))
    lost = ClusterHealth(
        cluster="onprem", state=HealthState.UNREACHABLE, observed_at=utc_now(), detail="silent"
    )
    opened.require_store().record_health([lost])
    opened.close()
    finding = by_check(examine(config(server_section())))["cluster onprem"]
    assert (finding.verdict, finding.detail) == (Verdict.FAIL, "silent, seen by the host")


def of_batch_service(**options: object) -> Finding:
    """What the doctor says of a cluster that no host has probed."""
    machine = Capacity(cores=1, memory_gib=1)
    pools = (Pool(name="p", machine=machine, max_instances=1, price_usd_per_hour=None),)
    spec = ClusterSpec(
        name="batch",
        kind="google_batch",
        provider="google_cloud",
        region="europe-west4",
        pools=pools,
        options={"project": "p", "image": "i", **options},
    )
    store = SimpleNamespace(check=lambda: None, health=dict)
    installation: Any = SimpleNamespace(
        clusters=(spec,), settings=Settings(), require_store=lambda: store
    )
    (finding,) = doctor_services.check_clusters(installation)
    return finding


@pytest.mark.parametrize("problem", ["", "its key is not known there"])
def test_batch_service_of_a_cloud_is_really_asked(monkeypatch, problem):
    """By its own client; what it says is told."""
    closed = []

    class Client:
        def probe(self) -> None:
            if problem:
                raise ClusterUnreachableError(problem)

        def close(self) -> None:
            closed.append(True)

    monkeypatch.setattr(doctor_services, "open_remote_jobs", lambda *_, **__: Client())
    finding = of_batch_service()
    assert (Verdict.FAIL if problem else Verdict.OK, [True]) == (finding.verdict, closed)
    assert (problem or "it answers") in finding.detail


def test_batch_service_whose_credentials_only_the_host_has_is_left_to_it():
    """They are in a connection of the host, which the doctor does not open."""
    finding = of_batch_service(connection="google_prod")
    assert (Verdict.OK, True) == (finding.verdict, "nothing has probed it" in finding.detail)


def test_local_cluster_is_really_started(hosts, config):
    """Without news of the host, a pool is opened, probed and closed again."""
    environ = config(server_section())
    environ["AIOPS__CLUSTERS"] = "[{name: fresh, kind: local, capacity: {cores: 1, memory_gib: 1}}]"
    finding = by_check(examine(environ))["cluster fresh"]
    assert finding.verdict is Verdict.OK, finding
    assert "1 cores, 1 GiB" in finding.detail


@pytest.mark.parametrize(
    ("off_s", "verdict"),
    [(0, Verdict.OK), (20, Verdict.WARN), (-20, Verdict.WARN), (90, Verdict.FAIL)],
)
def test_clocks_are_compared(hosts, config, monkeypatch, off_s, verdict):
    """Small differences are told, large ones are a failure."""
    from datetime import timedelta

    monkeypatch.setattr(
        doctor_services, "_store_clock", lambda url: utc_now() + timedelta(seconds=off_s)
    )
    assert by_check(examine(config(server_section())))["clocks"].verdict is verdict


class _Api:
    """A server that answers with a given status and remembers what was asked."""

    def __init__(self) -> None:
        self.status = 200
        self.tokens: list[str] = []
        api = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                api.tokens.append(self.headers["Authorization"].removeprefix("Bearer "))
                self.send_response(api.status)
                self.end_headers()

            def log_message(self, *_args: object) -> None:
                """Say nothing."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def api() -> Iterator[_Api]:
    made = _Api()
    thread = threading.Thread(target=made.server.serve_forever, args=(0.01,))
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


@pytest.mark.parametrize(
    ("status", "verdict", "word"),
    [
        (200, Verdict.OK, "accepts our tokens"),
        (401, Verdict.FAIL, "refuses tokens"),
        (403, Verdict.FAIL, "refuses tokens"),
        (503, Verdict.FAIL, "cannot reach its store"),
        (404, Verdict.FAIL, "answers 404"),
    ],
)
def test_server_is_asked_with_a_token(hosts, config, api, status, verdict, word):
    """The answer of the API tells whether both have the same secret."""
    api.status = status
    finding = by_check(examine(config(server_section(api.url))))["server"]
    assert (finding.verdict, word in finding.detail) == (verdict, True)
    assert verify_token(SECRET, api.tokens[0], "read").subject == "doctor"


def test_silent_server_is_a_warning(hosts, config):
    """Workers keep what they measure until it is there again."""
    finding = by_check(examine(config(server_section())))["server"]
    assert finding.verdict is Verdict.WARN
    assert "aiops server" in finding.mend


def test_check_that_breaks_does_not_stop_the_others(hosts, config, monkeypatch):
    """A defect of the doctor is told like any other finding."""

    def broken(_installation):
        raise ZeroDivisionError("oops")
        yield

    monkeypatch.setattr(doctor, "check_clocks", broken)
    findings = by_check(examine(config(server_section())))
    assert "the check itself failed: ZeroDivisionError: oops" in findings["clocks"].detail
    assert "server" in findings


def test_host_is_asked_in_a_process_of_its_own(monkeypatch, tmp_path):
    """What the host prints besides is ignored; what it raises is told in one line."""
    environ = {"PYTHONPATH": str(Path.cwd())}
    monkeypatch.setattr("aiops_provider.control.host_facts.installed_host", lambda name: "9.9")
    good = "print('noise'); print('aiops-facts:{\"store_url\": \"x\"}')"
    monkeypatch.setattr("aiops_provider.control.host_facts._ASK_AIRFLOW", good)
    facts = ask_host("airflow", environ)
    assert facts is not None
    assert (facts.version, facts.text("store_url"), facts.error) == ("9.9", "x", "")
    bad = "raise ImportError('no such door')"
    monkeypatch.setattr("aiops_provider.control.host_facts._ASK_AIRFLOW", bad)
    facts = ask_host("airflow", environ)
    assert facts is not None
    assert facts.error == "ImportError: no such door"
    assert facts.text("store_url") is None


def test_host_that_is_not_installed_is_not_asked(monkeypatch):
    """No process is started for nothing."""
    monkeypatch.setattr("aiops_provider.control.host_facts.installed_host", lambda name: None)
    assert ask_host("airflow", {}) is None


def test_facts_show_no_secret():
    """The answers of the host hold its database's password."""
    assert "jjjj" not in repr(AIRFLOW)
