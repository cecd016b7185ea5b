"""Rows of the register: agencies, contacts, systems with their dossier (Mẫu 08 NĐ 331), assets, address ranges."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import String, Text
from sqlalchemy.orm import Mapped, mapped_column

from soc.records.database import Base, OfAgency


class AgencyRow(Base):
    """An agency. Readable by everybody: names of agencies are no secret inside the province."""

    __tablename__ = "agencies"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    code: Mapped[str] = mapped_column(String(35), index=True)  # mã định danh
    scheme: Mapped[str] = mapped_column(String(80), default="")  # lược đồ định danh
    name: Mapped[str] = mapped_column(String(300))
    short_name: Mapped[str] = mapped_column(String(80), default="")
    kind: Mapped[str] = mapped_column(String(40), default="")
    address: Mapped[str] = mapped_column(String(300), default="")
    phone: Mapped[str] = mapped_column(String(60), default="")
    email: Mapped[str] = mapped_column(String(200), default="")
    parent_id: Mapped[str | None] = mapped_column(String(40))
    valid_from: Mapped[date | None]
    valid_to: Mapped[date | None]
    successor_id: Mapped[str | None] = mapped_column(String(40))


class ContactRow(OfAgency, Base):
    """A contact point (TT 31/2017 art. 7): ``role`` is monitoring, response or deputy."""

    __tablename__ = "contacts"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    role: Mapped[str] = mapped_column(String(20))
    name: Mapped[str] = mapped_column(String(200))
    department: Mapped[str] = mapped_column(String(200), default="")
    position: Mapped[str] = mapped_column(String(200), default="")
    address: Mapped[str] = mapped_column(String(300), default="")
    phone: Mapped[str] = mapped_column(String(60), default="")
    mobile: Mapped[str] = mapped_column(String(60), default="")
    email: Mapped[str] = mapped_column(String(200), default="")
    hours: Mapped[str] = mapped_column(String(100), default="")


class SystemRow(OfAgency, Base):
    """An information system. ``agency_id`` is the operator (đơn vị vận hành). Empty stays empty and is counted."""

    __tablename__ = "systems"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str] = mapped_column(String(300))
    owner_id: Mapped[str] = mapped_column(String(40))  # chủ quản
    level: Mapped[int | None]  # approved or proposed level 1-5
    purpose: Mapped[str] = mapped_column(Text, default="")
    domains: Mapped[list[Any]] = mapped_column(default=list)
    public_addresses: Mapped[list[Any]] = mapped_column(default=list)
    security_provider: Mapped[str] = mapped_column(String(200), default="")
    internet_provider: Mapped[str] = mapped_column(String(200), default="")
    # Mẫu 08 NĐ 331/2026, columns 5-12
    approval_state: Mapped[str] = mapped_column(
        String(40), default=""
    )  # drafting sent appraised approved
    decision: Mapped[str] = mapped_column(String(300), default="")  # số, ngày, cơ quan
    regulation: Mapped[str] = mapped_column(String(300), default="")  # Quy chế: số, ngày, cơ quan
    approval_expected: Mapped[date | None]
    plan_state: Mapped[str] = mapped_column(String(40), default="")  # none partial full
    plan_expected: Mapped[date | None]
    checks: Mapped[list[Any]] = mapped_column(default=list)  # before_use, periodic
    valid_from: Mapped[date | None]
    valid_to: Mapped[date | None]


class AssetRow(OfAgency, Base):
    __tablename__ = "assets"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str] = mapped_column(String(200), index=True)  # host name
    kind: Mapped[str] = mapped_column(String(40), default="")
    system_id: Mapped[str | None] = mapped_column(String(40), index=True)
    addresses: Mapped[list[Any]] = mapped_column(default=list)
    operating_system: Mapped[str] = mapped_column(String(200), default="")
    criticality: Mapped[int] = mapped_column(default=2)  # 1 low .. 4 decisive


class RangeRow(OfAgency, Base):
    """An address range of an agency, and of one of its systems if ``system_id`` is set. The longest prefix wins."""

    __tablename__ = "ranges"
    cidr: Mapped[str] = mapped_column(String(50), primary_key=True)
    system_id: Mapped[str | None] = mapped_column(String(40))
    note: Mapped[str] = mapped_column(String(200), default="")


class RegisterChangeRow(OfAgency, Base):
    """Append-only: what an import made of one row, so that nothing is ever overwritten without a trace."""

    __tablename__ = "register_changes"
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    version: Mapped[int] = mapped_column(index=True)  # of the register, after the change
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(String(80))
    noun: Mapped[str] = mapped_column(String(20))  # agency contact system asset range
    key: Mapped[str] = mapped_column(String(50), index=True)
    act: Mapped[str] = mapped_column(String(10))  # added changed ended removed
    before: Mapped[dict[str, Any]] = mapped_column(default=dict)  # only what changed
    after: Mapped[dict[str, Any]] = mapped_column(default=dict)


class RegisterVersionRow(Base):
    """Counts the changes of the register, so that a process knows when to read it again."""

    __tablename__ = "register_version"
    id: Mapped[int] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(default=0)
