"""
How long each cluster stays and how long it is away.

Revision 0006, after 0005.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from aiops_provider.store.columns import UtcDateTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_FIGURES = ("up_s", "down_s", "losses", "returns")
_MOMENTS = ("lost_at", "returned_at")


def upgrade() -> None:
    """Begin to count at nothing."""
    for name in _FIGURES:
        op.add_column(
            "aiops_cluster_health",
            sa.Column(name, sa.Double(), nullable=False, server_default="0"),
        )
    for name in _MOMENTS:
        op.add_column("aiops_cluster_health", sa.Column(name, UtcDateTime(), nullable=True))


def downgrade() -> None:
    """Forget what was counted."""
    with op.batch_alter_table("aiops_cluster_health") as table:
        for name in (*_FIGURES, *_MOMENTS):
            table.drop_column(name)
