"""backfill

Revision 0005, after 0004, of 2026-11-27.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "backfill_windows",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("rule_id", sa.String(length=40), nullable=False),
        sa.Column("start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("end", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("looked_at", sa.Integer(), nullable=False),
        sa.Column("matches", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.String(length=80), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("backfill_windows", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_backfill_windows_rule_id"), ["rule_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_backfill_windows_state"), ["state"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("backfill_windows", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_backfill_windows_state"))
        batch_op.drop_index(batch_op.f("ix_backfill_windows_rule_id"))
    op.drop_table("backfill_windows")
