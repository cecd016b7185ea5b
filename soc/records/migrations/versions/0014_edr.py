"""edr

Revision 0014, after 0013, of 2026-11-27.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "edr_machines",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("machine", sa.String(length=200), nullable=False),
        sa.Column("product", sa.String(length=120), nullable=False),
        sa.Column("version", sa.String(length=80), nullable=False),
        sa.Column("version_at", MOMENT, nullable=True),
        sa.Column("protection", sa.String(length=8), nullable=False),
        sa.Column("protection_at", MOMENT, nullable=True),
        sa.Column("signature_date", MOMENT, nullable=True),
        sa.Column("signature_at", MOMENT, nullable=True),
        sa.Column("last_contact", MOMENT, nullable=True),
        sa.Column("agency_id", sa.String(length=40), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    _index("edr_machines", ("agency_id", "key", "last_contact"))
    op.create_table(
        "edr_detections",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("machine_key", sa.String(length=200), nullable=False),
        sa.Column("machine", sa.String(length=200), nullable=False),
        sa.Column("product", sa.String(length=120), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("threat", sa.String(length=400), nullable=False),
        sa.Column("threat_type", sa.String(length=120), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("action", sa.String(length=20), nullable=False),
        sa.Column("user", sa.String(length=200), nullable=False),
        sa.Column("event_id", sa.String(length=32), nullable=False),
        sa.Column("agency_id", sa.String(length=40), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    _index("edr_detections", ("agency_id", "at", "hash"))
    op.create_table(
        "edr_reading",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("cursor", sa.Text(), nullable=False),
        sa.Column("read_to", MOMENT, nullable=False),
        sa.Column("events", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )


def _index(table: str, columns: tuple[str, ...]) -> None:
    with op.batch_alter_table(table, schema=None) as batch_op:
        for column in columns:
            batch_op.create_index(batch_op.f(f"ix_{table}_{column}"), [column], unique=False)


def downgrade() -> None:
    for table in ("edr_reading", "edr_detections", "edr_machines"):
        op.drop_table(table)
