"""Agency, InformationSystem, Asset: who owns what in the province."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class Agency:
    """A body of the province. ``id`` is our own key, which no merger changes; ``code`` is the mã định danh."""

    id: str
    code: str
    name: str
    kind: str = ""  # so, xa, don_vi, ...
    parent_id: str | None = None
    valid_from: date | None = None
    valid_to: date | None = None
    successor_id: str | None = None


@dataclass(frozen=True, slots=True)
class InformationSystem:
    """A hệ thống thông tin with its security level (cấp độ) 1-5 and the state of its dossier."""

    id: str
    name: str
    owner_id: str  # chủ quản
    operator_id: str  # đơn vị vận hành
    level: int | None = None  # None: not yet classified


@dataclass(frozen=True, slots=True)
class Asset:
    """A server, workstation or device."""

    id: str
    name: str
    kind: str  # server, workstation, firewall, ...
    agency_id: str
    system_id: str | None = None
    addresses: tuple[str, ...] = ()
    criticality: int = 2  # 1 low .. 4 decisive


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose an address or an agent is: the stamp of an event."""

    agency_id: str | None
    system_id: str | None = None
    level: int = 0


UNOWNED = Owner(None)
