"""A document made from a case, before it is kept as a record."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class MadeDocument:
    """The bytes of a filled form, and what was put into it."""

    form: str  # mau-03
    form_version: str
    file_name: str
    media_type: str
    content: bytes
    subject: str  # of the message that carries it
    recipient: str
    discharges: tuple[str, ...]  # kinds of obligations that sending it fulfils
    fields: Mapping[str, Any] = field(default_factory=dict)

    @property
    def sha256(self) -> str:
        """Of the bytes, in hex."""
        return hashlib.sha256(self.content).hexdigest()
