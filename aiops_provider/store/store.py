"""The store as the rest of the package sees it: one method per question, each one transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from aiops_provider.domain.alarm import Alarm, Response, SuperAlarm
from aiops_provider.domain.cluster import Availability, ClusterHealth, ClusterSpells
from aiops_provider.domain.execution import ExecutionRecord
from aiops_provider.domain.kpi import KpiSample, SeriesKey
from aiops_provider.domain.plan import Placement, PlacementPlan, PlacementState, PlanVersion
from aiops_provider.domain.profile import WorkloadProfile
from aiops_provider.domain.task import TaskKey, TaskRun
from aiops_provider.store import alarms as alarm_rows
from aiops_provider.store import (
    checks,
    executions,
    health,
    kpis,
    leases,
    plans,
    pool_leases,
    responses,
    retention,
    schema,
    state,
    version,
)
from aiops_provider.store import placements as placement_rows
from aiops_provider.store import profiles as profile_rows
from aiops_provider.store.database import Database
from aiops_provider.store.glance import Glance, glance
from aiops_provider.store.kpis import IngestReceipt
from aiops_provider.store.profiles import StoredProfile
from aiops_provider.store.statements import chunks

if TYPE_CHECKING:
    from aiops_provider.store.placements import HostTransaction


class Store:
    """
    What the installation remembers, in SQLite or PostgreSQL.

    Synchronous, thread-safe, usable on both sides of a fork. Every moment must have a time zone and
    is returned in UTC. Any method but :meth:`open`, :meth:`close` and :meth:`head` may raise

    - StoreUnreachableError: the database does not answer, or stayed locked for 30 s;
    - StoreNotMigratedError: tables are missing; the message says ``aiops db upgrade``;
    - DataError: a value cannot be stored; nothing of the call was;
    - StoreError: anything else that the database says.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    def open(cls, url: str) -> Store:
        """
        The store behind an SQLAlchemy URL; connects to nothing yet.

        Raises:
            ConfigurationError: If the URL cannot be used.
        """
        return cls(Database(url))

    def __repr__(self) -> str:
        return f"Store({self.url_redacted!r})"

    @property
    def url_redacted(self) -> str:
        """The URL without its secrets."""
        return self._database.url_redacted

    @property
    def dialect(self) -> str:
        """``sqlite`` or ``postgresql``."""
        return self._database.url.get_backend_name()

    def close(self) -> None:
        """Close the connections; the store opens new ones when it is used again."""
        self._database.close()

    def check(self) -> None:
        """Raise StoreUnreachableError or StoreNotMigratedError unless the store can be used."""
        schema.check(self._database)

    def upgrade(self) -> tuple[str | None, str]:
        """Bring the tables up to date; the revision before and after. Any number at once may."""
        return schema.upgrade(self._database)

    def revision(self) -> str | None:
        """The revision of the tables; ``None`` when there are none."""
        return schema.revision(self._database)

    def head(self) -> str:
        """The revision that this version of the package needs."""
        return schema.head()

    def purge(self, *, before: datetime) -> dict[str, int]:
        """Delete what is over since before that moment; see :func:`retention.purge`."""
        return retention.purge(self._database, before=before)

    def record_executions(self, records: Iterable[ExecutionRecord]) -> int:
        """Insert or merge, see :mod:`.execution_merge`; how many told something new."""
        records = list(records)
        return self._database.write(executions.record, records) if records else 0

    def executions(
        self,
        task: TaskKey | None = None,
        *,
        since: datetime | None = None,
        limit: int | None = None,
    ) -> list[ExecutionRecord]:
        """Finished tries that ended at *since* or later, newest end first."""
        return self._database.read(executions.listed, task, since=since, limit=limit)

    def executions_of(self, runs: Sequence[TaskRun]) -> dict[TaskRun, ExecutionRecord]:
        """What is known of these tries, as far as they have ended."""
        return self._database.read(executions.of_runs, runs)

    def executions_after(self, cursor: int, limit: int) -> tuple[list[ExecutionRecord], int]:
        """
        Finished tries in the order in which their rows were made, and the cursor to go on from.

        A row of a transaction that took long may appear below a cursor that was given already, and
        what is added to a row later is not seen again: look at :meth:`executions` for those.
        """
        return self._database.read(executions.after, cursor, limit)

    def newest_execution(self) -> int:
        """The cursor after all finished tries that are there now."""
        return self._database.read(executions.newest)

    def record_placements(
        self, placements: Iterable[Placement], connection: HostTransaction | None = None
    ) -> None:
        """
        Insert placements; a repeated one is ignored.

        Args:
            placements: At most one per try and epoch.
            connection: A connection or ORM session of the host: the rows are then written in its
                transaction, and vanish if it is rolled back. On SQLite no other method that writes
                may be called before that transaction ends: it would wait for it.

        Raises:
            StoreError: If an epoch of a try is taken by another placement.
        """
        rows = list(placements)
        if not rows:
            return
        if connection is None:
            self._database.write(placement_rows.record, rows)
            return
        with self._database.translating():
            placement_rows.record_for_host(connection, rows)

    def latest_placements(self, runs: Sequence[TaskRun]) -> dict[TaskRun, Placement]:
        """The placement with the highest epoch, of each try that has one."""
        return self._database.read(placement_rows.latest, runs) if runs else {}

    def placements(
        self,
        *,
        task: TaskKey | None = None,
        run_id: str | None = None,
        run: TaskRun | None = None,
        since: datetime | None = None,
        state: PlacementState | None = None,
        limit: int = 100,
    ) -> list[Placement]:
        """Newest first; *run*: those of one try only."""
        return self._database.read(
            placement_rows.listed,
            task=task,
            run_id=run_id,
            run=run,
            since=since,
            state=state,
            limit=limit,
        )

    def set_placement_state(self, run: TaskRun, epoch: int, state: PlacementState) -> None:
        """Move one placement on; an unknown one is ignored."""
        self._database.write(placement_rows.set_state, run, epoch, state)

    def add_samples(self, samples: Iterable[KpiSample]) -> IngestReceipt:
        """
        Store those that are new; all or nothing.

        Raises:
            KpiRejectedError: If a value is not finite.
        """
        with self._database.translating():
            batch = kpis.prepare(samples)
        if not batch.samples:
            return IngestReceipt(accepted=0, duplicates=0)
        return self._database.write(kpis.add, batch)

    def samples_after(self, cursor: int, limit: int) -> tuple[list[KpiSample], int]:
        """Samples in order of arrival, none left out, and the cursor to go on from; 0 at first."""
        return self._database.read(kpis.after, cursor, limit)

    def newest_samples(
        self, name: str, *, labels: Mapping[str, str], since: datetime, limit: int = 100
    ) -> list[KpiSample]:
        """The newest samples of a KPI that have all of these labels, newest first."""
        return self._database.read(kpis.newest, name, labels=labels, since=since, limit=limit)

    def last_samples(self, *, since: datetime) -> list[KpiSample]:
        """The newest sample of every series that was observed since then, the newest first."""
        return self._database.read(kpis.last_of_each, since=since)

    def history(
        self, series: Sequence[SeriesKey], *, since: datetime, before: datetime | None = None
    ) -> dict[SeriesKey, list[tuple[datetime, float]]]:
        """Moments and values of each series asked for, oldest first, in ``[since, before)``."""
        points: dict[SeriesKey, list[tuple[datetime, float]]] = {key: [] for key in series}
        # A transaction per chunk: a long one would keep writers of a shared SQLite file waiting.
        for keys in chunks(list(points), kpis.SERIES_CHUNK):
            known = self._database.read(kpis.series_ids, keys)
            for row_id, moment, value in self._database.read(
                kpis.history, list(known), since=since, before=before
            ):
                points[known[row_id]].append((moment, value))
        return points

    def save_alarms(self, alarms: Iterable[Alarm]) -> None:
        """Insert or replace by id; a mark given by a person stays, see :mod:`.alarms`."""
        rows = list(alarms)
        if rows:
            self._database.write(alarm_rows.save, rows)

    def alarms(
        self,
        *,
        open_only: bool = False,
        super_alarm: str | None = None,
        since: datetime | None = None,
        limit: int = 1000,
    ) -> list[Alarm]:
        """Last seen first; ``open_only`` includes acknowledged ones, *since* is when last seen."""
        return self._database.read(
            alarm_rows.listed,
            open_only=open_only,
            super_alarm=super_alarm,
            since=since,
            limit=limit,
        )

    def save_super_alarms(self, super_alarms: Iterable[SuperAlarm]) -> None:
        """Insert or replace by id; a mark given by a person stays, see :mod:`.alarms`."""
        rows = list(super_alarms)
        if rows:
            self._database.write(alarm_rows.save_super, rows)

    def super_alarms(self, *, open_only: bool = False, limit: int = 100) -> list[SuperAlarm]:
        """Newest first, each with its response as it is now."""
        return self._database.read(alarm_rows.listed_super, open_only=open_only, limit=limit)

    def super_alarm(self, id: str) -> SuperAlarm | None:  # noqa: A002 -- the word of the API
        """The super-alarm of that id, with its response as it is now."""
        return self._database.read(alarm_rows.get_super, id)

    def save_response(self, response: Response) -> None:
        """Insert or replace by id; what was released stays released."""
        self._database.write(responses.save, response)

    def responses(self, *, active_at: datetime | None = None, limit: int = 100) -> list[Response]:
        """Latest start first; *active_at*: only those that routers must honour then."""
        return self._database.read(responses.listed, active_at=active_at, limit=limit)

    def release_response(self, id: str, at: datetime) -> None:  # noqa: A002 -- the word of the API
        """Lift a response; DataError if there is none of that id."""
        self._database.write(responses.release, id, at)

    def save_plan(self, plan: PlacementPlan, *, activate: bool) -> int:
        """Insert a plan, put it in force if asked to; the version it got."""
        return self._database.write(plans.save, plan, activate=activate)

    def plan_in_force(self) -> PlacementPlan | None:
        """The plan that routers follow."""
        return self._database.read(plans.current)

    def plan_version_in_force(self) -> int | None:
        """The version of that plan."""
        return self._database.read(plans.current_version)

    def plan(self, version: int) -> PlacementPlan | None:
        """The plan of that version."""
        return self._database.read(plans.get, version)

    def plan_versions(self, *, limit: int = 100) -> list[PlanVersion]:
        """The stored plans, latest version first."""
        return self._database.read(plans.listed, limit=limit)

    def activate_plan(self, version: int) -> None:
        """Put a stored plan in force; DataError if there is none of that version."""
        self._database.write(plans.put_in_force, version)

    def save_profiles(self, profiles: Iterable[WorkloadProfile]) -> None:
        """Insert or replace by task."""
        rows = list(profiles)
        if rows:
            self._database.write(profile_rows.save, rows)

    def profiles(self) -> list[WorkloadProfile]:
        """The latest profile of every task."""
        return self._database.read(profile_rows.listed)

    def stored_profiles(self, *, since: datetime | None = None) -> list[StoredProfile]:
        """The profiles made at *since* or later, unopened; all of them without it."""
        return self._database.read(profile_rows.stored, since=since)

    def profile(self, task: TaskKey) -> WorkloadProfile | None:
        """The latest profile of that task."""
        return self._database.read(profile_rows.get, task)

    def record_health(self, healths: Iterable[ClusterHealth], *, again: bool = False) -> None:
        """Keep the latest probe of each cluster; *again*: the prober has said the same before."""
        rows = list(healths)
        if rows:
            self._database.write(health.record, rows, again=again)

    def health(self) -> dict[str, ClusterHealth]:
        """The latest probe of each cluster, by its name."""
        return self._database.read(health.listed)

    def availability(self) -> dict[str, Availability]:
        """How often each cluster could be used, by name; of those watched for a day at least."""
        return self._database.read(health.availability)

    def spells(self) -> dict[str, ClusterSpells]:
        """How each cluster has come and gone, as all who probe it agree, by its name."""
        return self._database.read(health.spells)

    def set_check(self, key: str, value: Any) -> None:
        """Keep what a check of a cluster found, as a small JSON value; routers hear of it."""
        self._database.write(checks.put, key, value)

    def checks(self, prefix: str) -> dict[str, Any]:
        """What checks found, by key, of all keys that start so."""
        return self._database.read(checks.listed, prefix)

    def version(self) -> int:
        """Moves when the plan in force, a response, profile, check or health state changed."""
        return self._database.read(version.current)

    def glance(self, lease_name: str) -> Glance:
        """The version, who holds the pools, and whether anybody has that lease: by one statement."""
        return self._database.read(glance, lease_name)

    def acquire_lease(self, name: str, holder: str, ttl_s: float) -> bool:
        """Whether *holder* has the lease for the next *ttl_s* seconds; renews one it has."""
        return self._database.write(leases.acquire, name, holder, ttl_s)

    def release_lease(self, name: str, holder: str) -> None:
        """Give a lease back; nothing happens when somebody else has it."""
        self._database.write(leases.release, name, holder)

    def renew_pool_lease(
        self, holder: str, ttl_s: float, claim: Callable[[Mapping[str, str]], str]
    ) -> None:
        """Hold *claim(what others hold)* of the pools for the next *ttl_s* seconds."""
        self._database.write(pool_leases.renew, holder, ttl_s, claim)

    def release_pool_lease(self, holder: str) -> None:
        """Give back whatever *holder* has of the pools."""
        self._database.write(pool_leases.release, holder)

    def get_state(self, key: str) -> Any | None:
        """A small JSON value, or ``None``; tuples come back as lists."""
        return self._database.read(state.get, key)

    def set_state(self, key: str, value: Any) -> None:
        """Keep a small JSON value."""
        self._database.write(state.put, key, value)
