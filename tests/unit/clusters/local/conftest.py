from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import psutil
import pytest

from aiops_provider.clusters.job_client import Job
from aiops_provider.clusters.local import LocalPool
from aiops_provider.domain.cluster import Capacity, ClusterSpec, Pool
from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.testing import Follower

DEADLINE_S = 30.0


def has_ended(process: psutil.Process) -> bool:
    """Whether it is gone, or only its parent has not noticed yet."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:  # between the two questions
        return True


class Site:
    """A local pool, what it reported, and what its jobs wrote."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        machine = Capacity(cores=64, memory_gib=64)
        pools = (Pool(name="default", machine=machine, max_instances=1, price_usd_per_hour=None),)
        self.spec = ClusterSpec(
            name="test", kind="local", provider="on_premises", region="here", pools=pools
        )
        self.environment = {"SITE": "of the pool"}
        self.preload: tuple[str, ...] = ()
        self.most_at_once: int | None = None

    def open(self) -> LocalPool:
        self.pool = LocalPool(
            self.spec,
            preload=self.preload,
            environment=self.environment,
            most_at_once=self.most_at_once,
        )
        self.follower = Follower(self.pool, DEADLINE_S)
        self.pool.start()
        return self.pool

    def job(
        self,
        job_id: str,
        *command: str,
        entry: str | None = None,
        argument: str | None = None,
        cores: float = 1.0,
        memory_gib: float = 1.0,
        **environment: str,
    ) -> Job:
        return Job(
            job_id=job_id,
            request=ResourceRequest(cores=cores, memory_gib=memory_gib),
            entry=entry,
            argument=argument,
            command=command or None,
            environment=environment,
            log_path=str(self.folder / "logs" / f"{job_id}.log"),
        )

    def log(self, job_id: str) -> str:
        return (self.folder / "logs" / f"{job_id}.log").read_text()

    def note(self, name: str) -> str:
        """What a job wrote to a file, as soon as it has."""
        path = self.folder / name
        self.wait_until(lambda: path.exists() and path.read_text().endswith("\n"))
        return path.read_text().strip()

    def family(self) -> list[psutil.Process]:
        """The warden, the pool and all processes below."""
        pool = psutil.Process(self.pool.pid)
        warden = pool.parent()
        assert warden is not None
        return [warden, pool, *pool.children(recursive=True)]

    @staticmethod
    def living(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
        """Those that have not ended."""
        return [each for each in processes if not has_ended(each)]

    @staticmethod
    def wait_until(condition: Callable[[], object]) -> None:
        """Come back when the condition holds; fail after the deadline."""
        end = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < end, "it did not happen in time"
            time.sleep(0.01)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A pool that was not opened yet."""
    made = Site(tmp_path)
    yield made
    if hasattr(made, "pool"):
        made.pool.close(grace_s=0.0)


@pytest.fixture
def open_site(site: Site) -> Site:
    """An open pool."""
    site.open()
    return site


@pytest.fixture
def jobs_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Write a module that jobs can import; its name is returned."""

    def write(source: str) -> str:
        name = f"jobs_of_{tmp_path.name}".replace("-", "_")
        (tmp_path / f"{name}.py").write_text(source)
        monkeypatch.syspath_prepend(str(tmp_path))
        return name

    return write
