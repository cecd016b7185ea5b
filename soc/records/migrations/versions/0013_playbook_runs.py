"""playbook runs

Revision 0013, after 0012, of 2026-11-27.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("playbook_runs", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("by_itself", sa.Boolean(), nullable=False, server_default=sa.false())
        )
        batch_op.add_column(sa.Column("paused_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(
            sa.Column("called_by", sa.String(length=40), nullable=False, server_default="")
        )
    with op.batch_alter_table("playbook_steps", schema=None) as batch_op:
        batch_op.add_column(sa.Column("due_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("round", sa.Integer(), nullable=False, server_default="1"))
        batch_op.add_column(
            sa.Column("approved_by", sa.JSON(), nullable=False, server_default="[]")
        )
        batch_op.add_column(sa.Column("earlier", sa.JSON(), nullable=False, server_default="[]"))


def downgrade() -> None:
    with op.batch_alter_table("playbook_steps", schema=None) as batch_op:
        for column in ("earlier", "approved_by", "round", "due_at"):
            batch_op.drop_column(column)
    with op.batch_alter_table("playbook_runs", schema=None) as batch_op:
        for column in ("called_by", "paused_at", "by_itself"):
            batch_op.drop_column(column)
