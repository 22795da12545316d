"""
How long each cluster was watched, and how long it could be used.

Revision 0005, after 0003.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0003"
branch_labels = None
depends_on = None

_COLUMNS = ("watched_s", "available_s")


def upgrade() -> None:
    """Begin to count at nothing."""
    for name in _COLUMNS:
        op.add_column(
            "aiops_cluster_health",
            sa.Column(name, sa.Double(), nullable=False, server_default="0"),
        )


def downgrade() -> None:
    """Forget what was counted."""
    with op.batch_alter_table("aiops_cluster_health") as table:
        for name in _COLUMNS:
            table.drop_column(name)
