"""Rows of senders that are no agents of ours: their tokens, and the ids that they gave their records."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from soc.records.database import Base, OfAgency


class ShipperRow(OfAgency, Base):
    """The token of a shipper; whose its records are, and whether it was revoked, says its row in ``agents``."""

    __tablename__ = "shippers"
    agent_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    token_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    incarnation: Mapped[str] = mapped_column(String(40))
    source: Mapped[str] = mapped_column(
        String(80)
    )  # whose lines it ships; "auto": told by the bytes
    created_by: Mapped[str] = mapped_column(String(80))


class PostedIdRow(Base):
    """The number that a record got which came with an id of its sender's; kept as long as it may come again."""

    __tablename__ = "posted_ids"
    agent_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    key: Mapped[bytes] = mapped_column(LargeBinary(16), primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger)
    received_at: Mapped[datetime]
    __table_args__ = (
        Index("posted_ids_received", "received_at"),
        {"sqlite_with_rowid": False},
    )
