"""
The tables, as SQLAlchemy metadata; the migrations must build exactly these.

Columns are what one queries by; the rest of a domain object lies in ``payload`` as JSON text. Text,
not PostgreSQL's JSON type, because figures may be infinite (the bound of a plan without solution),
which that type refuses.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from aiops_provider.store.columns import RowId, UtcDateTime

TABLE_PREFIX = "aiops_"
VERSION_TABLE = "aiops_alembic_version"

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

RUN_COLUMNS = ("namespace", "name", "run_id", "map_index", "try_number")


def _run() -> list[Column[Any]]:
    return [
        Column("namespace", String, nullable=False),
        Column("name", String, nullable=False),
        Column("run_id", String, nullable=False),
        Column("map_index", Integer, nullable=False),
        Column("try_number", Integer, nullable=False),
    ]


plan = Table(
    "aiops_plan",
    metadata,
    Column("version", RowId, primary_key=True, autoincrement=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("activated_at", UtcDateTime),
    Column("payload", Text, nullable=False),
    sqlite_autoincrement=True,  # a version is never given twice, even after a purge
)

# One row. What the routers poll: it says which plan is in force – so there can never be two – and
# counts the changes of everything that a router reads.
in_force = Table(
    "aiops_in_force",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("version", BigInteger, nullable=False),
    Column("plan_version", RowId, ForeignKey("aiops_plan.version")),
)

profile = Table(
    "aiops_profile",
    metadata,
    Column("namespace", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("predicted_at", UtcDateTime, nullable=False),
    Column("payload", Text, nullable=False),
)

execution = Table(
    "aiops_execution",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    *_run(),
    Column("cluster", String, nullable=False),
    Column("outcome", String, nullable=False),
    Column("ended_at", UtcDateTime, nullable=False),
    Column("payload", Text, nullable=False),
    Column("code_hash", String),
    Column("image", String),
    UniqueConstraint(*RUN_COLUMNS, name="uq_aiops_execution_run"),
    Index(None, "namespace", "name", "ended_at"),
    Index(None, "ended_at"),
)

placement = Table(
    "aiops_placement",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    *_run(),
    Column("epoch", Integer, nullable=False),
    Column("cluster", String, nullable=False),
    Column("mode", String, nullable=False),
    Column("applied", Boolean, nullable=False),
    Column("state", String, nullable=False),
    Column("placed_at", UtcDateTime, nullable=False),
    Column("route", Text, nullable=False),
    UniqueConstraint(*RUN_COLUMNS, "epoch", name="uq_aiops_placement_run_epoch"),
    Index(None, "namespace", "name", "placed_at"),
    Index(None, "run_id", "placed_at"),
    Index(None, "placed_at"),
)

series = Table(
    "aiops_series",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("name", String, nullable=False),
    Column("dimensions", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    UniqueConstraint("digest"),
)

sample = Table(
    "aiops_sample",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("series_id", RowId, ForeignKey("aiops_series.id"), nullable=False),
    Column("observed_at", UtcDateTime, nullable=False),
    Column("value", Double, nullable=False),
    Column("context", Text, nullable=False),
    Column("idempotency_key", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    UniqueConstraint("digest"),
    Index(None, "series_id", "observed_at"),
    sqlite_autoincrement=True,  # ids are the cursor of samples_after: never reused after a purge
)

alarm = Table(
    "aiops_alarm",
    metadata,
    Column("id", String, primary_key=True),
    Column("state", String, nullable=False),
    Column("super_alarm", String),
    Column("last_seen_at", UtcDateTime, nullable=False),
    Column("payload", Text, nullable=False),
    Index(None, "state", "last_seen_at"),
    Index(None, "super_alarm"),
    Index(None, "last_seen_at"),
)

super_alarm = Table(
    "aiops_super_alarm",
    metadata,
    Column("id", String, primary_key=True),
    Column("state", String, nullable=False),
    Column("opened_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("payload", Text, nullable=False),
    Index(None, "state", "opened_at"),
    Index(None, "opened_at"),
)

response = Table(
    "aiops_response",
    metadata,
    Column("id", String, primary_key=True),
    Column("super_alarm", String, nullable=False),
    Column("action", String, nullable=False),
    Column("dry_run", Boolean, nullable=False),
    Column("starts_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("released_at", UtcDateTime),
    Column("payload", Text, nullable=False),
    Index(None, "starts_at"),
    Index(None, "expires_at"),
)

cluster_health = Table(
    "aiops_cluster_health",
    metadata,
    Column("cluster", String, primary_key=True),
    Column("state", String, nullable=False),
    Column("observed_at", UtcDateTime, nullable=False),
    Column("detail", Text, nullable=False),
    Column("watched_s", Double, nullable=False, server_default="0"),
    Column("available_s", Double, nullable=False, server_default="0"),
    Column("up_s", Double, nullable=False, server_default="0"),
    Column("down_s", Double, nullable=False, server_default="0"),
    Column("losses", Double, nullable=False, server_default="0"),
    Column("returns", Double, nullable=False, server_default="0"),
    Column("lost_at", UtcDateTime, nullable=True),
    Column("returned_at", UtcDateTime, nullable=True),
)

lease = Table(
    "aiops_lease",
    metadata,
    Column("name", String, primary_key=True),
    Column("holder", String, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
)

pool_lease = Table(
    "aiops_pool_lease",
    metadata,
    Column("holder", String, primary_key=True),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("payload", Text, nullable=False),
)

state = Table(
    "aiops_state",
    metadata,
    Column("key", String, primary_key=True),
    Column("value", Text, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
)
