"""clocks

Revision 0004, after 0003, of 2026-11-27.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
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

    op.create_table(
        "suppressed_groups",
        sa.Column("suppression_id", sa.String(length=40), nullable=False),
        sa.Column("group_key", sa.String(length=32), nullable=False),
        sa.Column("group", sa.Text(), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("told_signal_id", sa.String(length=32), nullable=False),
        sa.Column("told", sa.Integer(), nullable=False),
        sa.Column("held", sa.Integer(), nullable=False),
        sa.Column("last_held_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("agency_id", sa.String(length=40), nullable=True),
        sa.PrimaryKeyConstraint("suppression_id", "group_key"),
    )
    with op.batch_alter_table("suppressed_groups", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_suppressed_groups_agency_id"), ["agency_id"], unique=False
        )

    op.create_table(
        "suppressions",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("rule_id", sa.String(length=40), nullable=False),
        sa.Column("by", sa.JSON(), nullable=False),
        sa.Column("period_seconds", sa.Integer(), nullable=False),
        sa.Column("system_id", sa.String(length=40), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("author", sa.String(length=80), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_by", sa.String(length=80), nullable=False),
        sa.Column("agency_id", sa.String(length=40), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("number"),
    )
    with op.batch_alter_table("suppressions", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_suppressions_agency_id"), ["agency_id"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_suppressions_expires_at"), ["expires_at"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_suppressions_rule_id"), ["rule_id"], unique=False)

    with op.batch_alter_table("signals", schema=None) as batch_op:
        batch_op.add_column(sa.Column("suppressed_by", sa.String(length=40), nullable=True))
        batch_op.create_index(
            batch_op.f("ix_signals_suppressed_by"), ["suppressed_by"], unique=False
        )


def downgrade() -> None:
    with op.batch_alter_table("signals", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_signals_suppressed_by"))
        batch_op.drop_column("suppressed_by")

    with op.batch_alter_table("suppressions", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_suppressions_rule_id"))
        batch_op.drop_index(batch_op.f("ix_suppressions_expires_at"))
        batch_op.drop_index(batch_op.f("ix_suppressions_agency_id"))

    op.drop_table("suppressions")
    with op.batch_alter_table("suppressed_groups", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_suppressed_groups_agency_id"))

    op.drop_table("suppressed_groups")
    with op.batch_alter_table("clocks", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_clocks_agency_id"))

    op.drop_table("clocks")
    with op.batch_alter_table("clock_episodes", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_clock_episodes_ended_at"))
        batch_op.drop_index(batch_op.f("ix_clock_episodes_agent_id"))
        batch_op.drop_index(batch_op.f("ix_clock_episodes_agency_id"))

    op.drop_table("clock_episodes")
