"""Rows of clocks: what is known of those that are or were wrong, and each time that one was."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from soc.records.database import Base, OfAgency


class ClockRow(OfAgency, Base):
    """A clock as last measured: an agent's own (``stream`` and ``host`` empty), or a host's in one of its streams.

    ``offset_us`` is theirs minus ours. Since ``suspected_at`` messages seem late by ``suspected_us``: late, or a clock
    that is behind.
    """

    __tablename__ = "clocks"
    agent_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    stream: Mapped[str] = mapped_column(String(300), primary_key=True)
    host: Mapped[str] = mapped_column(String(200), primary_key=True)
    offset_us: Mapped[int] = mapped_column(BigInteger, default=0)
    measured_at: Mapped[datetime]
    suspected_at: Mapped[datetime | None]
    suspected_us: Mapped[int] = mapped_column(BigInteger, default=0)
    episode_id: Mapped[str] = mapped_column(String(32), default="")  # the one that goes on


class ClockEpisodeRow(OfAgency, Base):
    """From when to when a clock was wrong, by ours. ``told_end``: its alert knows that it is over."""

    __tablename__ = "clock_episodes"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)  # of its signal too
    agent_id: Mapped[str] = mapped_column(String(40), index=True)
    stream: Mapped[str] = mapped_column(String(300))
    host: Mapped[str] = mapped_column(String(200))
    began_at: Mapped[datetime]
    ended_at: Mapped[datetime | None] = mapped_column(index=True)
    worst_us: Mapped[int] = mapped_column(BigInteger)
    told_end: Mapped[bool] = mapped_column(default=False)
