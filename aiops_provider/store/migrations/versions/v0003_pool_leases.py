"""
What each scheduler holds of the pools.

Revision 0003, after 0002.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from aiops_provider.store.columns import UtcDateTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "aiops_pool_lease",
        sa.Column("holder", sa.String(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("holder", name="pk_aiops_pool_lease"),
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("aiops_pool_lease")
