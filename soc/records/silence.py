"""Rows of silence: when each source usually speaks, and each time that one did not."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from soc.records.database import Base, OfAgency


class HabitRow(OfAgency, Base):
    """How long a stream, or a whole agent (``stream`` empty), usually pauses at each hour of the day.

    ``hours``: ``w09`` (a weekday from nine) or ``e21`` (a weekend from 21 h), Vietnam's time, to the longest pause in
    seconds, the ordinal day it was last met, and how many looks of that hour found something new.
    """

    __tablename__ = "habits"
    agent_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    stream: Mapped[str] = mapped_column(String(300), primary_key=True)
    hours: Mapped[dict[str, Any]] = mapped_column(default=dict)


class SilenceEpisodeRow(OfAgency, Base):
    """From when to when a source was silent; the agency is the device's. ``told_end``: its alert knows of the end."""

    __tablename__ = "silence_episodes"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)  # of its signal too
    agent_id: Mapped[str] = mapped_column(String(40), index=True)
    stream: Mapped[str] = mapped_column(String(300))
    last_heard_at: Mapped[datetime]
    noticed_at: Mapped[datetime]
    ended_at: Mapped[datetime | None] = mapped_column(index=True)
    told_end: Mapped[bool] = mapped_column(default=False)
    usual: Mapped[bool] = mapped_column(default=False)  # somebody said so, and it was learned
