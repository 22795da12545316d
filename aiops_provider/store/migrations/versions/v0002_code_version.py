"""
Which code and which image a try ran.

Revision 0002, after 0001. Tries that were recorded before stay without: unknown, not changed.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_TABLE = "aiops_execution"
_COLUMNS = ("code_hash", "image")


def upgrade() -> None:
    """Add the columns; nothing is rewritten, so that it takes no longer on a large table."""
    for name in _COLUMNS:
        op.add_column(_TABLE, sa.Column(name, sa.String(), nullable=True))


def downgrade() -> None:
    """Drop them; the payload keeps what they said."""
    for name in reversed(_COLUMNS):
        op.drop_column(_TABLE, name)
