"""clocks

Revision 0003, after 0002, of 2026-11-27.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "clock_episodes",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("agent_id", sa.String(length=40), nullable=False),
        sa.Column("stream", sa.String(length=300), nullable=False),
        sa.Column("host", sa.String(length=200), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("worst_us", sa.BigInteger(), nullable=False),
        sa.Column("told_end", sa.Boolean(), nullable=False),
        sa.Column("agency_id", sa.String(length=40), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("clock_episodes", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_clock_episodes_agency_id"), ["agency_id"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_clock_episodes_agent_id"), ["agent_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_clock_episodes_ended_at"), ["ended_at"], unique=False)

    op.create_table(
        "clocks",
        sa.Column("agent_id", sa.String(length=40), nullable=False),
        sa.Column("stream", sa.String(length=300), nullable=False),
        sa.Column("host", sa.String(length=200), nullable=False),
        sa.Column("offset_us", sa.BigInteger(), nullable=False),
        sa.Column("measured_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("suspected_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("suspected_us", sa.BigInteger(), nullable=False),
        sa.Column("episode_id", sa.String(length=32), nullable=False),
        sa.Column("agency_id", sa.String(length=40), nullable=True),
        sa.PrimaryKeyConstraint("agent_id", "stream", "host"),
    )
    with op.batch_alter_table("clocks", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_clocks_agency_id"), ["agency_id"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("clocks", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_clocks_agency_id"))

    op.drop_table("clocks")
    with op.batch_alter_table("clock_episodes", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_clock_episodes_ended_at"))
        batch_op.drop_index(batch_op.f("ix_clock_episodes_agent_id"))
        batch_op.drop_index(batch_op.f("ix_clock_episodes_agency_id"))

    op.drop_table("clock_episodes")
