"""agency decisions

Revision 0006, after 0005, of 2026-11-27.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "agency_decisions",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("agency_id", sa.String(length=40), nullable=True),
        sa.PrimaryKeyConstraint("number"),
    )
    with op.batch_alter_table("agency_decisions", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_agency_decisions_agency_id"), ["agency_id"], unique=False
        )


def downgrade() -> None:
    with op.batch_alter_table("agency_decisions", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_agency_decisions_agency_id"))
    op.drop_table("agency_decisions")
