"""Agencies and systems for programs."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Depends

from soc.console.api.shapes import Shape
from soc.console.deps import SignedIn, require
from soc.console.parts import Parts

router = APIRouter(prefix="/register", tags=["register"])
Reader = Annotated[SignedIn, Depends(require("register.read"))]


class Agency(Shape):
    """A body of the province; ``code`` is its mã định danh."""

    id: str
    code: str
    name: str
    short_name: str
    kind: str
    parent_id: str | None
    valid_from: date | None
    valid_to: date | None
    successor_id: str | None


class System(Shape):
    """An information system; ``agency_id`` is its operator, ``level`` null where it has none yet."""

    id: str
    name: str
    agency_id: str | None
    owner_id: str
    level: int | None
    domains: list[Any]
    public_addresses: list[Any]
    approval_state: str
    decision: str


@router.get("/agencies", name="api_agencies")
def agencies(parts: Parts, who: Reader) -> list[Agency]:
    """The agencies within the caller's scope."""
    return [Agency.model_validate(row) for row in parts.situation.register(who.scope).agencies]


@router.get("/systems", name="api_systems")
def systems(parts: Parts, who: Reader) -> list[System]:
    """The systems that those agencies operate."""
    return [System.model_validate(row) for row in parts.situation.register(who.scope).systems]
