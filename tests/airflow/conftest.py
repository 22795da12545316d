"""A real Airflow for the tests that need one: API server, scheduler, DAG processor on loopback."""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from uuid import uuid4

import pytest

# Airflow writes to its home as soon as it is imported; it must be no home of anybody's.
if "AIRFLOW_HOME" not in os.environ:
    import tempfile

    os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="aiops-airflow-")

from aiops_provider.airflow.inner.health_probe import HealthProbe
from aiops_provider.airflow.inner.runner import ClusterRunner
from aiops_provider.cli.demo.airflow_stage import AirflowStage
from aiops_provider.control.installation import Installation
from aiops_provider.domain.cluster import Capacity, ClusterSpec, Pool
from aiops_provider.domain.execution import Outcome
from aiops_provider.domain.task import TaskKey, TaskRun
from aiops_provider.errors import ClusterUnreachableError
from aiops_provider.settings.schema import Settings

DAGS = Path(__file__).with_name("dags")


def pytest_configure(config: pytest.Config) -> None:
    """
    Let the models of Airflow 3.2 be made whichever test is the first to use one.

    SQLAlchemy 2.1 warns of a loader in them. As an error that would spoil them for all tests after.
    """
    config.addinivalue_line("filterwarnings", "ignore:The ``noload`` loader strategy is deprecated")


class RunningAirflow:
    """A started stage with what a test asks it for."""

    def __init__(self, stage: AirflowStage) -> None:
        self.stage = stage
        self.api = stage.api
        self.url = stage.config.url
        self.installation = Installation.open(
            Settings(),
            default_store_url=stage.config.database_url,
            default_token_secret=stage.config.jwt_secret,
        )

    def run(self, dag_id: str, run_id: str, *, timeout_s: float = 120.0) -> str:
        """Trigger a DAG and wait for its end."""
        self.api.trigger(dag_id, run_id)
        return self.api.wait(dag_id, run_id, timeout_s=timeout_s)

    def ledger(self, name: str) -> list[str]:
        """What tasks wrote down as side effects."""
        file = self.stage.home / "ledger" / name
        return file.read_text().splitlines() if file.exists() else []


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAirflow]:
    home = tmp_path_factory.mktemp("airflow") / "home"
    ledger = home / "ledger"
    with AirflowStage(home, DAGS, variables={"LEDGER": str(ledger)}) as stage:
        ledger.mkdir()
        stage.migrate()
        stage.start(["everyday", "outage"])
        yield RunningAirflow(stage)


SPEC = ClusterSpec(
    name="eks",
    kind="celery",
    provider="aws",
    region="sa-east-1",
    pools=(
        Pool(
            name="default",
            machine=Capacity(cores=4, memory_gib=8),
            max_instances=1,
            price_usd_per_hour=1.0,
        ),
    ),
)


class PretendedInner:
    """Takes workloads, reports what it is told to, and hangs when told to."""

    def __init__(self) -> None:
        self.sent: list = []
        self.revoked: list = []
        self.unknown: set = set()
        self.events: dict = {}
        self.threads: set[int] = set()
        self.hang = threading.Event()
        self.hang.set()
        self.start_fails = 0

    def start(self):
        if self.start_fails:
            self.start_fails -= 1
            raise ConnectionError("no route to host")

    def queue_workload(self, workload, session):
        self.sent.append(workload)

    def heartbeat(self):
        self.threads.add(threading.get_ident())
        self.hang.wait(10)

    def get_event_buffer(self):
        events, self.events = self.events, {}
        return events

    def revoke_task(self, *, ti):
        self.revoked.append(ti)

    def try_adopt_task_instances(self, tis):
        return [ti for ti in tis if ti.key in self.unknown]


class PretendedBinding:
    """Hands everything through."""

    def __init__(self, inner: PretendedInner) -> None:
        self.inner = inner
        self.ended = False

    def build(self):
        return self.inner

    def prepare(self, shipment):
        if shipment.workload.bad:
            raise ValueError("executor_config: cores: not a number")
        return shipment.workload

    def external_id(self, ti_id, epoch, stored):
        return f"{ti_id}/{epoch}"

    def given(self, grant):
        return grant

    def outcome(self, info):
        return Outcome.OUT_OF_MEMORY if info == "OOMKilled" else Outcome.KILLED

    def end(self, inner):
        self.ended = True


class Site:
    """A runner on a cluster whose health the test decides."""

    def __init__(self) -> None:
        self.inner = PretendedInner()
        self.binding = PretendedBinding(self.inner)
        self.trouble = ""
        self.probe = HealthProbe("eks", self._check, period_s=0.02, timeout_s=0.1)
        self.runner = ClusterRunner(
            SPEC,
            self.binding,
            self.probe,
            prepare=lambda inner: None,
            late_after_s=0.3,
            turn_s=0.02,
        )
        self.news: list = []

    def _check(self):
        if self.trouble:
            raise ClusterUnreachableError(self.trouble)

    def open(self):
        self.runner.start()
        self.eventually(lambda: self.runner.accepting)
        return self

    def submit(self, key="k", epoch=1, *, bad=False):
        ti = SimpleNamespace(id=uuid4(), key=key)
        workload = SimpleNamespace(key=key, ti=ti, bad=bad)
        run = TaskRun(TaskKey("medical", key), "r1")
        placement = SimpleNamespace(
            epoch=epoch,
            run=run,
            applied=True,
            placed_at=None,
            route=SimpleNamespace(pool="default"),
        )
        decision = SimpleNamespace(placement=placement, cluster=SPEC, grant=None)
        self.runner.submit(workload, decision, {})
        return workload

    def eventually(self, condition, timeout_s=5.0):
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, "it never happened"
            time.sleep(0.005)

    def heard(self, kind):
        self.news.extend(self.runner.poll())
        return [each for each in self.news if isinstance(each, kind)]


@pytest.fixture
def site():
    """A remote cluster that only pretends, not opened yet."""
    site = Site()
    yield site
    site.inner.hang.set()
    site.runner.stop(5)
