"""
The first tables.

Revision 0001, after nothing.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from aiops_provider.store.columns import RowId, UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TABLES = (
    "aiops_plan",
    "aiops_in_force",
    "aiops_profile",
    "aiops_execution",
    "aiops_placement",
    "aiops_series",
    "aiops_sample",
    "aiops_alarm",
    "aiops_super_alarm",
    "aiops_response",
    "aiops_cluster_health",
    "aiops_lease",
    "aiops_state",
)
_RUN = ("namespace", "name", "run_id", "map_index", "try_number")


def upgrade() -> None:
    """Create the tables and the only row of the counter."""
    _create_plans_and_profiles()
    _create_executions_and_placements()
    _create_samples()
    _create_alarms_and_responses()
    _create_the_rest()


def downgrade() -> None:
    """Drop the tables, with everything in them."""
    for table in reversed(_TABLES):
        op.drop_table(table)


def _text(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.String(), nullable=nullable)


def _long_text(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(), nullable=False)


def _moment(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, UtcDateTime(), nullable=nullable)


def _row_id(name: str = "id") -> sa.Column[Any]:
    return sa.Column(name, RowId, autoincrement=True, nullable=False)


def _run() -> list[sa.Column[Any]]:
    return [
        _text("namespace"),
        _text("name"),
        _text("run_id"),
        sa.Column("map_index", sa.Integer(), nullable=False),
        sa.Column("try_number", sa.Integer(), nullable=False),
    ]


def _key(table: str, *columns: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*columns, name=f"pk_{table}")


def _index(table: str, *columns: str) -> None:
    op.create_index(f"ix_{table}_{'_'.join(columns)}", table, list(columns))


def _create_plans_and_profiles() -> None:
    op.create_table(
        "aiops_plan",
        _row_id("version"),
        _moment("created_at"),
        _moment("activated_at", nullable=True),
        _long_text("payload"),
        _key("aiops_plan", "version"),
        sqlite_autoincrement=True,
    )
    in_force = op.create_table(
        "aiops_in_force",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("plan_version", RowId, nullable=True),
        _key("aiops_in_force", "id"),
        sa.ForeignKeyConstraint(
            ["plan_version"], ["aiops_plan.version"], name="fk_aiops_in_force_plan_version"
        ),
    )
    op.bulk_insert(in_force, [{"id": 1, "version": 0, "plan_version": None}])
    op.create_table(
        "aiops_profile",
        _text("namespace"),
        _text("name"),
        _moment("predicted_at"),
        _long_text("payload"),
        _key("aiops_profile", "namespace", "name"),
    )


def _create_executions_and_placements() -> None:
    op.create_table(
        "aiops_execution",
        _row_id(),
        *_run(),
        _text("cluster"),
        _text("outcome"),
        _moment("ended_at"),
        _long_text("payload"),
        _key("aiops_execution", "id"),
        sa.UniqueConstraint(*_RUN, name="uq_aiops_execution_run"),
    )
    _index("aiops_execution", "namespace", "name", "ended_at")
    _index("aiops_execution", "ended_at")
    op.create_table(
        "aiops_placement",
        _row_id(),
        *_run(),
        sa.Column("epoch", sa.Integer(), nullable=False),
        _text("cluster"),
        _text("mode"),
        sa.Column("applied", sa.Boolean(), nullable=False),
        _text("state"),
        _moment("placed_at"),
        _long_text("route"),
        _key("aiops_placement", "id"),
        sa.UniqueConstraint(*_RUN, "epoch", name="uq_aiops_placement_run_epoch"),
    )
    _index("aiops_placement", "namespace", "name", "placed_at")
    _index("aiops_placement", "run_id", "placed_at")
    _index("aiops_placement", "placed_at")


def _create_samples() -> None:
    op.create_table(
        "aiops_series",
        _row_id(),
        _text("name"),
        _long_text("dimensions"),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        _key("aiops_series", "id"),
        sa.UniqueConstraint("digest", name="uq_aiops_series_digest"),
    )
    op.create_table(
        "aiops_sample",
        _row_id(),
        sa.Column("series_id", RowId, nullable=False),
        _moment("observed_at"),
        sa.Column("value", sa.Double(), nullable=False),
        _long_text("context"),
        _long_text("idempotency_key"),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        _key("aiops_sample", "id"),
        sa.ForeignKeyConstraint(
            ["series_id"], ["aiops_series.id"], name="fk_aiops_sample_series_id"
        ),
        sa.UniqueConstraint("digest", name="uq_aiops_sample_digest"),
        sqlite_autoincrement=True,
    )
    _index("aiops_sample", "series_id", "observed_at")


def _create_alarms_and_responses() -> None:
    op.create_table(
        "aiops_alarm",
        _text("id"),
        _text("state"),
        _text("super_alarm", nullable=True),
        _moment("last_seen_at"),
        _long_text("payload"),
        _key("aiops_alarm", "id"),
    )
    _index("aiops_alarm", "state", "last_seen_at")
    _index("aiops_alarm", "super_alarm")
    _index("aiops_alarm", "last_seen_at")
    op.create_table(
        "aiops_super_alarm",
        _text("id"),
        _text("state"),
        _moment("opened_at"),
        _moment("updated_at"),
        _long_text("payload"),
        _key("aiops_super_alarm", "id"),
    )
    _index("aiops_super_alarm", "state", "opened_at")
    _index("aiops_super_alarm", "opened_at")
    op.create_table(
        "aiops_response",
        _text("id"),
        _text("super_alarm"),
        _text("action"),
        sa.Column("dry_run", sa.Boolean(), nullable=False),
        _moment("starts_at"),
        _moment("expires_at"),
        _moment("released_at", nullable=True),
        _long_text("payload"),
        _key("aiops_response", "id"),
    )
    _index("aiops_response", "starts_at")
    _index("aiops_response", "expires_at")


def _create_the_rest() -> None:
    op.create_table(
        "aiops_cluster_health",
        _text("cluster"),
        _text("state"),
        _moment("observed_at"),
        _long_text("detail"),
        _key("aiops_cluster_health", "cluster"),
    )
    op.create_table(
        "aiops_lease",
        _text("name"),
        _text("holder"),
        _moment("expires_at"),
        _key("aiops_lease", "name"),
    )
    op.create_table(
        "aiops_state",
        _text("key"),
        _long_text("value"),
        _moment("updated_at"),
        _key("aiops_state", "key"),
    )
