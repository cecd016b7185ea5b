"""What one entry of the register file may say. Unknown is left out; nothing is filled in by us."""

from __future__ import annotations

import ipaddress
import unicodedata
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from soc.register.identifiers import to_first_order

NEVER_PUBLIC = tuple(
    ipaddress.ip_network(text)
    for text in (
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "fc00::/7",
        "fe80::/10",
        "::1/128",
    )
)


def _quoted(value: Any) -> Any:
    if isinstance(value, (int, float)):
        raise ValueError("write it in quotes: without them YAML reads a number and loses its zeros")
    return value


def _written_one_way(text: str) -> str:
    """Vietnamese letters composed (NFC), so that equal names are equal bytes; no blanks around."""
    return unicodedata.normalize("NFC", text).strip()


def _address(text: str) -> str:
    return str(ipaddress.ip_address(text))


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError as error:
        if "has host bits set" not in str(error):
            raise
        meant = ipaddress.ip_network(text, strict=False)
        raise ValueError(f"{text} is an address inside {meant}; write {meant}") from None


def _public(text: str) -> str:
    network = ipaddress.ip_network(text, strict=False)
    for private in NEVER_PUBLIC:
        if network.version == private.version and network.subnet_of(private):  # type: ignore[arg-type]  # same version
            raise ValueError(f"{text} is not a public address")
    return text if "/" in text else _address(text)


Text = Annotated[str, BeforeValidator(_quoted), AfterValidator(_written_one_way)]
Key = Annotated[str, BeforeValidator(_quoted), Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$")]
Code = Annotated[str, BeforeValidator(_quoted), AfterValidator(to_first_order)]
Address = Annotated[str, AfterValidator(_address)]
PublicAddress = Annotated[str, AfterValidator(_public)]
Network = Annotated[str, AfterValidator(_network)]
Level = Annotated[int, Field(strict=True, ge=1, le=5)]


class Entry(BaseModel):
    """An entry; unknown keys are refused, so that a slip of the pen is not lost in silence."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class _Lasting(Entry):
    valid_from: date | None = None
    valid_to: date | None = None

    @model_validator(mode="after")
    def _in_order(self) -> _Lasting:
        if self.valid_from and self.valid_to and self.valid_to < self.valid_from:
            raise ValueError(f"valid_to {self.valid_to} is before valid_from {self.valid_from}")
        return self


class AgencyEntry(_Lasting):
    """``id`` is the key that no merger changes; ``code`` is the mã định danh, kept with the first level first."""

    id: Key
    code: Code
    scheme: Text = ""
    name: Text = Field(min_length=1, max_length=300)
    short_name: Text = Field("", max_length=80)
    kind: Text = Field("", max_length=40)
    address: Text = Field("", max_length=300)
    phone: Text = Field("", max_length=60)
    email: Text = Field("", max_length=200)
    parent: Key | None = None
    successor: Key | None = None

    @model_validator(mode="after")
    def _ended_if_succeeded(self) -> AgencyEntry:
        if self.successor and not self.valid_to:
            raise ValueError("an agency with a successor needs valid_to, the day it ended")
        return self


class ContactEntry(Entry):
    """A contact point with the fields of TT 31/2017 art. 7 (no copy of a signature is kept)."""

    id: Key
    agency: Key
    role: Literal["monitoring", "response", "deputy"]
    name: Text = Field(min_length=1, max_length=200)
    department: Text = Field("", max_length=200)
    position: Text = Field("", max_length=200)
    address: Text = Field("", max_length=300)
    phone: Text = Field("", max_length=60)
    mobile: Text = Field("", max_length=60)
    email: Text = Field("", max_length=200)
    hours: Text = Field("", max_length=100)


class SystemEntry(_Lasting):
    """An information system with the columns of Mẫu 08 (NĐ 331/2026)."""

    id: Key
    name: Text = Field(min_length=1, max_length=300)
    owner: Key  # chủ quản
    operator: Key  # đơn vị vận hành
    level: Level | None = None
    purpose: Text = ""
    domains: tuple[Text, ...] = ()
    public_addresses: tuple[PublicAddress, ...] = ()
    security_provider: Text = Field("", max_length=200)
    internet_provider: Text = Field("", max_length=200)
    approval_state: Literal["", "drafting", "sent", "appraised", "approved"] = ""
    decision: Text = Field("", max_length=300)
    regulation: Text = Field("", max_length=300)
    approval_expected: date | None = None
    plan_state: Literal["", "none", "partial", "full"] = ""
    plan_expected: date | None = None
    checks: tuple[Literal["before_use", "periodic"], ...] = ()


class AssetEntry(Entry):
    """A server, workstation or device; ``name`` is its host name."""

    id: Key
    name: Text = Field(min_length=1, max_length=200)
    kind: Text = Field("", max_length=40)
    agency: Key
    system: Key | None = None
    addresses: tuple[Address, ...] = ()
    operating_system: Text = Field("", max_length=200)
    criticality: Annotated[int, Field(strict=True, ge=1, le=4)] = 2


class RangeEntry(Entry):
    """An address range. Inside another agency's range it must say so: ``inside`` names that range."""

    cidr: Network
    agency: Key
    system: Key | None = None
    note: Text = Field("", max_length=200)
    inside: Network | None = None


SECTIONS: dict[str, type[Entry]] = {
    "agencies": AgencyEntry,
    "contacts": ContactEntry,
    "systems": SystemEntry,
    "assets": AssetEntry,
    "ranges": RangeEntry,
}
