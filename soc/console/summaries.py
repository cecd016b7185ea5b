"""What tells most about an event in one line, and which of its values are worth a click."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from soc.console.formats import pretty

TELLING = (
    "process.command_line",
    "powershell.file.script_block_text",
    "winlog.event_data.ScriptBlockText",
    "message",
    "file.path",
    "registry.path",
    "dns.question.name",
    "url.full",
    "winlog.event_data.ServiceName",
)
ENTITIES = (  # icon, field
    ("host", "host.name"),
    ("user", "user.name"),
    ("user", "winlog.event_data.TargetUserName"),
    ("globe", "source.ip"),
    ("globe", "destination.ip"),
    ("file", "process.executable"),
    ("file", "process.parent.executable"),
    ("file", "file.path"),
    ("file", "process.hash.sha256"),
    ("file", "file.hash.sha256"),
    ("globe", "dns.question.name"),
)
LONGEST = 400


@dataclass(frozen=True, slots=True)
class Entity:
    """A thing that an event speaks of."""

    icon: str
    field: str
    value: str


def summary(fields: Mapping[str, Any]) -> str:
    """One line; the action and outcome where nothing tells more.

    >>> summary({"process.command_line": "id -u"}), summary({"event.action": "sudo", "user.name": "an"})
    ('id -u', 'sudo an')
    """
    for name in TELLING:
        if name in fields:
            return _short(pretty(fields[name]))
    names = ("event.action", "event.outcome", "event.code", "user.name", "source.ip")
    said = [pretty(fields[name]) for name in names if name in fields]
    return _short(" ".join(said) or pretty(fields.get("event.dataset", "")))


def entities(fields: Mapping[str, Any]) -> tuple[Entity, ...]:
    """The host, accounts, addresses, programs and files of an event, each once."""
    found: dict[str, Entity] = {}
    for icon, name in ENTITIES:
        value = fields.get(name)
        if isinstance(value, str) and value and value not in found:
            found[value] = Entity(icon, name, value)
    return tuple(found.values())


def where_from(fields: Mapping[str, Any], source: str) -> str:
    """The small line under a summary: dataset, event code, account."""
    parts = [pretty(fields.get("event.dataset", source))]
    parts += [pretty(fields[name]) for name in ("event.code", "user.name") if name in fields]
    return " · ".join(parts)


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else text[:LONGEST] + "…"
