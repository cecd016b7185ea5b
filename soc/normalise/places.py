"""Country and network (ASN) of public addresses, from an operator's .mmdb files; none is shipped.

Formats: MaxMind DB File Format 2.0. Records are read in the two common shapes: ``country.iso_code``,
``country.names.en``, ``autonomous_system_number``, ``autonomous_system_organization`` (GeoLite2), and the flat
``country_code``, ``country``/``country_name``, ``asn``, ``as_name`` (the flat names could not be confirmed).
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import maxminddb

from soc.model.event import Fields

SIDES = ("source", "destination", "client", "server")
MOST_KEPT = 65_536  # addresses whose place is remembered; about 20 MB at most
LONGEST_NAME = 200  # characters of a country or an organization
TOO_OLD = timedelta(days=90)
_FAULTS = (
    maxminddb.InvalidDatabaseError,
    OSError,
    ValueError,  # also UnicodeDecodeError
    LookupError,
    TypeError,
    AttributeError,
    OverflowError,
    RecursionError,
    MemoryError,
    struct.error,
)  # what the reader raises on hostile bytes

Place = tuple[tuple[str, str | int], ...]  # names below a side ("geo.country_iso_code") and values


@dataclass(frozen=True, slots=True)
class PlaceFile:
    """What is known of one file: ``fault`` says why its newest bytes are not in use."""

    path: Path
    kind: str = ""  # ``database_type`` of its metadata
    built_at: datetime | None = None  # None: never loaded
    fault: str = ""

    def too_old(self, now: datetime) -> bool:
        return self.built_at is not None and now - self.built_at > TOO_OLD


class Places:
    """The places of addresses as the files say now; an event keeps what was true when it was stamped."""

    def __init__(self, paths: Sequence[Path] = ()) -> None:
        self.files = {path: PlaceFile(path) for path in paths}
        self.faults = 0  # lookups that failed on the bytes of a file
        self._readers: dict[Path, Any] = {}
        self._seen: dict[Path, tuple[int, int, int]] = {}
        self._kept: dict[str, Place] = {}
        self.refresh()

    def refresh(self) -> None:
        """Load the files that changed; a broken or missing one leaves what was loaded in use and says why."""
        for path in self.files:
            try:
                state = path.stat()
                mark = (state.st_ino, state.st_size, state.st_mtime_ns)
                if self._seen.get(path) == mark and not self.files[path].fault:
                    continue
                self._load(path)
                self._seen[path] = mark
            except _FAULTS as error:
                known = self.files[path]
                fault = f"{path}: {error!s:.300}; what was loaded before stays in use"
                self.files[path] = PlaceFile(path, known.kind, known.built_at, fault)

    def _load(self, path: Path) -> None:
        """In memory: a file that is cut short under a mapping would kill the process."""
        reader: Any = maxminddb.open_database(path, maxminddb.MODE_MEMORY)
        about = reader.metadata()
        built_at = datetime.fromtimestamp(about.build_epoch, UTC)
        for probe in ("1.1.1.1", "8.8.8.8", "193.0.6.139"):
            reader.get(probe)
        self._readers = {**self._readers, path: reader}
        self._kept = {}
        self.files[path] = PlaceFile(path, str(about.database_type)[:80], built_at)

    def of(self, address: str) -> Place:
        """The place of an address; empty for special networks, for text that is none, and for what no file has."""
        kept = self._kept
        place = kept.get(address)
        if place is None:
            place = self._look_up(address)
            if len(kept) >= MOST_KEPT:
                kept.clear()
            kept[address] = place
        return place

    def _look_up(self, text: str) -> Place:
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            return ()
        if not address.is_global or address.is_multicast:
            return ()
        found: dict[str, str | int] = {}
        for reader in self._readers.values():
            try:
                found.update(_fields_of(reader.get(address)))
            except _FAULTS:  # an IPv6 address in an IPv4 file, or bytes that no lookup had met
                if address.version <= reader.metadata().ip_version:
                    self.faults += 1
        return tuple(found.items())

    def stamp(self, fields: Fields, is_ours: Callable[[str], bool]) -> None:
        """Add the places of an event's addresses; what its source already said, and our own networks, stay alone."""
        if not self._readers:
            return
        for side in SIDES:
            for prefix in (side, f"{side}.nat"):
                address = fields.get(f"{prefix}.ip")
                if not isinstance(address, str) or len(address) > 64:
                    continue
                if (place := self.of(address)) and not is_ours(address):
                    # ECS has no place below ``nat``: the public side of a translated address speaks for it
                    for name, value in place:
                        fields.setdefault(f"{side}.{name}", value)


def _fields_of(record: Any) -> dict[str, str | int]:
    if not isinstance(record, dict):
        return {}
    country = record.get("country")
    nested = country if isinstance(country, dict) else {}
    names = nested.get("names")
    name = names.get("en") if isinstance(names, dict) else None
    flat = record.get("country_name") or (country if isinstance(country, str) else None)
    found: dict[str, str | int] = {}
    code = nested.get("iso_code") or record.get("country_code")
    if isinstance(code, str) and len(code) == 2 and code.isascii() and code.isalpha():
        found["geo.country_iso_code"] = code.upper()
    if isinstance(name or flat, str):
        found["geo.country_name"] = str(name or flat)[:LONGEST_NAME]
    number = record.get("autonomous_system_number") or record.get("asn")
    if isinstance(number, str):
        bare = number.removeprefix("AS")
        number = int(bare) if bare.isascii() and bare.isdecimal() and len(bare) <= 10 else None
    if isinstance(number, int) and 0 < number < 2**32:
        found["as.number"] = number
    organization = record.get("autonomous_system_organization") or record.get("as_name")
    if isinstance(organization, str):
        found["as.organization.name"] = organization[:LONGEST_NAME]
    return found
