"""shippers and the ids of their records

Revision 0008, after 0007, of 2026-11-27.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "posted_ids",
        sa.Column("agent_id", sa.String(length=40), nullable=False),
        sa.Column("key", sa.LargeBinary(length=16), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("agent_id", "key"),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("posted_ids", schema=None) as batch_op:
        batch_op.create_index("posted_ids_received", ["received_at"], unique=False)

    op.create_table(
        "shippers",
        sa.Column("agent_id", sa.String(length=40), nullable=False),
        sa.Column("token_sha256", sa.String(length=64), nullable=False),
        sa.Column("incarnation", sa.String(length=40), nullable=False),
        sa.Column("source", sa.String(length=80), nullable=False),
        sa.Column("created_by", sa.String(length=80), nullable=False),
        sa.Column("agency_id", sa.String(length=40), nullable=True),
        sa.PrimaryKeyConstraint("agent_id"),
        sa.UniqueConstraint("token_sha256"),
    )
    with op.batch_alter_table("shippers", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_shippers_agency_id"), ["agency_id"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("shippers", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_shippers_agency_id"))

    op.drop_table("shippers")
    with op.batch_alter_table("posted_ids", schema=None) as batch_op:
        batch_op.drop_index("posted_ids_received")

    op.drop_table("posted_ids")
