"""The doctor's checks of what must answer: clocks, clusters, the server."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime

from aiops_provider.control.finding import Finding, failed, fine, warned
from aiops_provider.control.installation import Installation
from aiops_provider.control.pools import JobClient, kind_takes_jobs, open_job_client
from aiops_provider.control.remote_jobs import kind_keeps_jobs, open_remote_jobs
from aiops_provider.control.tokens import Scope, issue_token
from aiops_provider.domain.cluster import ClusterHealth, ClusterSpec, HealthState
from aiops_provider.domain.units import utc_now
from aiops_provider.errors import AiopsError, StoreError

# Beyond this the tolerance for samples from the future is used up by the clocks alone.
_CLOCK_WARNING_S = 5.0
_SERVER_TIMEOUT_S = 3.0
_STALE_S = 120.0
_STARTING_S = 15.0
_PROBE_PAUSE_S = 0.1


def check_clocks(installation: Installation) -> Iterator[Finding]:
    """Compare the store's clock with ours: leases and samples are judged by both."""
    try:
        theirs = _store_clock(str(installation.settings_for_child()["store"]))
    except StoreError:
        return  # the check of the store has said so
    if theirs is None:
        yield fine("clocks", "the store is a file of this machine: there is one clock")
        return
    off_s = abs((theirs - utc_now()).total_seconds())
    detail = f"the clocks of the store and of this machine differ by {off_s:.1f} s"
    tolerance_s = installation.settings.server.clock_tolerance_s
    if off_s > tolerance_s:
        yield failed("clocks", detail, "Set both clocks (NTP): samples would be refused.")
    elif off_s > min(_CLOCK_WARNING_S, tolerance_s):
        yield warned("clocks", detail, "Set both clocks (NTP).")
    else:
        yield fine("clocks", detail)


def check_clusters(installation: Installation) -> Iterator[Finding]:
    """Look at each cluster: can its kind be used here, and does it answer?"""
    store = installation.require_store()
    try:
        store.check()  # reading from an SQLite file that is not there would make one
        seen = store.health()
    except StoreError:
        seen = {}
    for spec in installation.clusters:
        told = seen.get(spec.name)
        now = utc_now()
        if told is not None and (now - told.observed_at).total_seconds() < _STALE_S:
            # Whoever sends tasks there probes it all the time and knows better than we do.
            yield _judged(spec, told.state, f"{told.detail or told.state.value}, seen by the host")
        else:
            yield _probed(installation, spec)


def _probed(installation: Installation, spec: ClusterSpec) -> Finding:
    timeout_s = installation.settings.routing.probe_timeout_s
    if kind_keeps_jobs(spec.kind) and not spec.options.get("connection"):
        return _asked(spec, timeout_s)
    if not kind_takes_jobs(spec.kind):
        return fine(_name(spec), f"{spec.kind}: the host talks to it; nothing has probed it lately")
    try:
        client = open_job_client(spec)
        client.start()
        try:
            health = _settled(client, timeout_s)
        finally:
            client.close(1.0)
    except AiopsError as error:
        return failed(_name(spec), str(error), "Mend its settings, or start it.")
    return _judged(spec, health.state, f"{_offer(spec)}; {health.detail or health.state.value}")


def _asked(spec: ClusterSpec, timeout_s: float) -> Finding:
    """Ask a batch service, unless only a connection of the host has its credentials."""
    try:
        client = open_remote_jobs(spec, timeout_s=timeout_s)
        try:
            client.probe()
        finally:
            client.close()
    except AiopsError as error:
        return failed(_name(spec), str(error), "Mend its options, its credentials or the network.")
    return _judged(spec, HealthState.HEALTHY, f"{_offer(spec)}; it answers")


def _settled(client: JobClient, timeout_s: float) -> ClusterHealth:
    """Probe until the cluster has made up its mind: one that has just been opened says unknown."""
    deadline = time.monotonic() + _STARTING_S
    while True:
        health = client.probe(timeout_s)
        if health.state is not HealthState.UNKNOWN or time.monotonic() > deadline:
            return health
        time.sleep(_PROBE_PAUSE_S)
        client.poll()


def _judged(spec: ClusterSpec, state: HealthState, detail: str) -> Finding:
    if state is HealthState.HEALTHY:
        stands_in = f"; local processes stand in for {spec.provider}" if spec.stands_in else ""
        return fine(_name(spec), f"{detail}{stands_in}")
    if state is HealthState.UNREACHABLE:
        mend = "Start it or mend its network; meanwhile tasks go to the other clusters."
        return failed(_name(spec), detail, mend)
    return warned(_name(spec), detail, "Look again when the host has probed it.")


def _offer(spec: ClusterSpec) -> str:
    cores = sum(pool.capacity.cores for pool in spec.pools)
    memory = sum(pool.capacity.memory_gib for pool in spec.pools)
    return f"{spec.provider} {spec.region}, {cores:g} cores, {memory:g} GiB"


def _name(spec: ClusterSpec) -> str:
    return f"cluster {spec.name}"


def check_server(installation: Installation, *, mounted: bool) -> Iterator[Finding]:
    """
    Ask the API for its health, with a token of ours.

    Args:
        installation: Whose API.
        mounted: Whether Airflow's own server may be the one that serves it.
    """
    import httpx

    url = _server_url(installation)
    if url is None and mounted:
        yield fine("server", "mounted in Airflow's API server")
        return
    url = url or f"http://{_reachable(installation)}"
    token = issue_token(
        installation.token_secret, scope=Scope.READ.value, subject="doctor", valid_s=60
    )
    try:
        answer = httpx.get(
            f"{url}/api/v1/health",
            headers={"Authorization": f"Bearer {token}"},
            timeout=_SERVER_TIMEOUT_S,
        )
    except httpx.HTTPError as error:
        detail = f"{url} does not answer ({type(error).__name__})"
        mend = "Start `aiops server`, or set server.url; without it workers keep what they measure."
        yield warned("server", detail, mend)
        return
    yield _judged_answer(url, answer.status_code)


def _judged_answer(url: str, status: int) -> Finding:
    if status == 200:
        return fine("server", f"{url} answers and accepts our tokens")
    if status in (401, 403):
        mend = "Give both the same AIOPS_TOKEN_SECRET, or the same server.token_secret."
        return failed("server", f"{url} refuses tokens made here", mend, input_error=True)
    if status == 503:
        return failed("server", f"{url} cannot reach its store", "Run `aiops doctor` there.")
    return failed("server", f"{url} answers {status}", "Check server.url: is that our API?")


def _server_url(installation: Installation) -> str | None:
    url = installation.settings.server.url
    return url.rstrip("/") if url else None


def _reachable(installation: Installation) -> str:
    server = installation.settings.server
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(server.host, server.host)  # noqa: S104 - compared
    return f"{host}:{server.port}"


def _store_clock(url: str) -> datetime | None:
    """The clock of a database server; ``None`` for a file, which has none of its own."""
    from sqlalchemy import func, select

    from aiops_provider.store.database import Database

    database = Database(url)
    try:
        if database.url.get_backend_name() == "sqlite":
            return None
        asked = select(func.clock_timestamp())
        moment: datetime = database.read(lambda connection: connection.execute(asked).scalar_one())
        return moment
    finally:
        database.close()
