"""An indicator: a value that somebody warns of, and how long and for whom the warning holds."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Kind(StrEnum):
    """What the value is. ``hash`` is MD5, SHA-1 or SHA-256 of a file; ``ja4`` a TLS client fingerprint."""

    IP = "ip"
    NETWORK = "network"
    DOMAIN = "domain"
    URL = "url"
    HASH = "hash"
    EMAIL = "email"
    JA4 = "ja4"


class Tlp(StrEnum):
    """Traffic Light Protocol 2.0 (FIRST, 2022): with whom it may be shared."""

    RED = "TLP:RED"
    AMBER_STRICT = "TLP:AMBER+STRICT"
    AMBER = "TLP:AMBER"
    GREEN = "TLP:GREEN"
    CLEAR = "TLP:CLEAR"


@dataclass(frozen=True, slots=True)
class Indicator:
    """One warning by one source. ``value`` is in the form of ``soc.detect.indicators.values``.

    ``level`` is that of the alert it makes (Sigma's words). ``agency_id`` None: for the whole province.
    """

    kind: Kind
    value: str
    source: str
    expires_at: datetime
    valid_from: datetime
    level: str = "high"
    tlp: Tlp = Tlp.AMBER
    note: str = ""
    agency_id: str | None = None

    @property
    def id(self) -> str:
        """The same for the same value, source and agency, so that a newer message renews the older one."""
        key = "\x1f".join((self.kind, self.value, self.source, self.agency_id or ""))
        return hashlib.blake2b(key.encode(), digest_size=16).hexdigest()
