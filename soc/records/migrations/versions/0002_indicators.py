"""indicators

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
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
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
        batch_op.create_index(batch_op.f("ix_indicators_changed_at"), ["changed_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_indicators_expires_at"), ["expires_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_indicators_kind"), ["kind"], unique=False)
        batch_op.create_index(batch_op.f("ix_indicators_source"), ["source"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("indicators", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_indicators_source"))
        batch_op.drop_index(batch_op.f("ix_indicators_kind"))
        batch_op.drop_index(batch_op.f("ix_indicators_expires_at"))
        batch_op.drop_index(batch_op.f("ix_indicators_changed_at"))
        batch_op.drop_index(batch_op.f("ix_indicators_agency_id"))

    op.drop_table("indicators")
