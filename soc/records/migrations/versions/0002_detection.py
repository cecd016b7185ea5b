"""detection

Revision 0002, after 0001, of 2026-11-26.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "correlation_cursor",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("evaluated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "correlation_entries",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("correlation_id", sa.String(length=40), nullable=False),
        sa.Column("group_key", sa.String(length=32), nullable=False),
        sa.Column("group", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("rule_id", sa.String(length=40), nullable=False),
        sa.Column("event_id", sa.String(length=32), nullable=False),
        sa.Column("value", sa.JSON(), nullable=True),
        sa.Column("starts", sa.Boolean(), nullable=False),
        sa.Column("carried", sa.JSON(), nullable=False),
        sa.Column("below", sa.String(length=32), nullable=False),
        sa.Column("host", sa.String(length=200), nullable=False),
        sa.Column("system_id", sa.String(length=40), nullable=True),
        sa.Column("system_level", sa.Integer(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("agency_id", sa.String(length=40), nullable=True),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("id"),
    )
    with op.batch_alter_table("correlation_entries", schema=None) as batch_op:
        batch_op.create_index("correlation_entries_below", ["below", "at"], unique=False)
        batch_op.create_index(
            "correlation_entries_group", ["correlation_id", "group_key", "at"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_correlation_entries_agency_id"), ["agency_id"], unique=False
        )

    op.create_table(
        "correlation_owed",
        sa.Column("correlation_id", sa.String(length=40), nullable=False),
        sa.Column("group_key", sa.String(length=32), nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False),
        sa.Column("end", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("correlation_id", "group_key", "start"),
    )
    with op.batch_alter_table("correlation_owed", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_correlation_owed_due_at"), ["due_at"], unique=False)

    op.create_table(
        "correlation_runs",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("correlation_id", sa.String(length=40), nullable=False),
        sa.Column("group_key", sa.String(length=32), nullable=False),
        sa.Column("group", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.Column("signal_id", sa.String(length=32), nullable=False),
        sa.Column("told", sa.Integer(), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("withdrawn_because", sa.Text(), nullable=False),
        sa.Column("agency_id", sa.String(length=40), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("correlation_runs", schema=None) as batch_op:
        batch_op.create_index(
            "correlation_runs_group", ["correlation_id", "group_key", "last"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_correlation_runs_agency_id"), ["agency_id"], unique=False
        )

    op.create_table(
        "indicators",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("source", sa.String(length=120), nullable=False),
        sa.Column("tlp", sa.String(length=20), nullable=False),
        sa.Column("level", sa.String(length=20), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.String(length=80), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("withdrawn_by", sa.String(length=80), nullable=False),
        sa.Column("withdrawn_because", sa.Text(), nullable=False),
        sa.Column("held_back", sa.Integer(), nullable=False),
        sa.Column("held_because", sa.Text(), nullable=False),
        sa.Column("agency_id", sa.String(length=40), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("indicators", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_indicators_agency_id"), ["agency_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_indicators_expires_at"), ["expires_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_indicators_kind"), ["kind"], unique=False)
        batch_op.create_index(batch_op.f("ix_indicators_source"), ["source"], unique=False)

    op.create_table(
        "retro_windows",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("indicators", sa.JSON(), nullable=False),
        sa.Column("start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("end", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("hits", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("retro_windows", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_retro_windows_due_at"), ["due_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_retro_windows_state"), ["state"], unique=False)

    op.create_table(
        "rule_exceptions",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("rule_id", sa.String(length=40), nullable=False),
        sa.Column("where", sa.JSON(), nullable=False),
        sa.Column("system_id", sa.String(length=40), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("author", sa.String(length=80), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("confirmed", sa.JSON(), nullable=False),
        sa.Column("approved_by", sa.String(length=80), nullable=False),
        sa.Column("approved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_by", sa.String(length=80), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("agency_id", sa.String(length=40), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("number"),
    )
    with op.batch_alter_table("rule_exceptions", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_rule_exceptions_agency_id"), ["agency_id"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_rule_exceptions_expires_at"), ["expires_at"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_rule_exceptions_rule_id"), ["rule_id"], unique=False)

    with op.batch_alter_table("alerts", schema=None) as batch_op:
        batch_op.add_column(sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True))

    with op.batch_alter_table("signals", schema=None) as batch_op:
        batch_op.add_column(sa.Column("since", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("excepted_by", sa.String(length=40), nullable=True))
        batch_op.create_index(batch_op.f("ix_signals_excepted_by"), ["excepted_by"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("signals", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_signals_excepted_by"))
        batch_op.drop_column("excepted_by")
        batch_op.drop_column("withdrawn_at")
        batch_op.drop_column("since")

    with op.batch_alter_table("alerts", schema=None) as batch_op:
        batch_op.drop_column("withdrawn_at")

    with op.batch_alter_table("rule_exceptions", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_rule_exceptions_rule_id"))
        batch_op.drop_index(batch_op.f("ix_rule_exceptions_expires_at"))
        batch_op.drop_index(batch_op.f("ix_rule_exceptions_agency_id"))

    op.drop_table("rule_exceptions")
    with op.batch_alter_table("retro_windows", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_retro_windows_state"))
        batch_op.drop_index(batch_op.f("ix_retro_windows_due_at"))

    op.drop_table("retro_windows")
    with op.batch_alter_table("indicators", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_indicators_source"))
        batch_op.drop_index(batch_op.f("ix_indicators_kind"))
        batch_op.drop_index(batch_op.f("ix_indicators_expires_at"))
        batch_op.drop_index(batch_op.f("ix_indicators_agency_id"))

    op.drop_table("indicators")
    with op.batch_alter_table("correlation_runs", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_correlation_runs_agency_id"))
        batch_op.drop_index("correlation_runs_group")

    op.drop_table("correlation_runs")
    with op.batch_alter_table("correlation_owed", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_correlation_owed_due_at"))

    op.drop_table("correlation_owed")
    with op.batch_alter_table("correlation_entries", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_correlation_entries_agency_id"))
        batch_op.drop_index("correlation_entries_group")
        batch_op.drop_index("correlation_entries_below")

    op.drop_table("correlation_entries")
    op.drop_table("correlation_cursor")
