"""Entries of the systemd journal, one line of ``journalctl -o json`` each."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from types import MappingProxyType
from typing import Any

import orjson

from soc.collect.contract import Source
from soc.errors import RecordError
from soc.model.event import Event, Fields, RawRecord
from soc.normalise.accounts import base_name
from soc.normalise.login_messages import read_message
from soc.normalise.syslog_codes import code_fields
from soc.normalise.timestamps import from_epoch_microseconds

SOURCE = Source(
    name="journal",
    product="systemd journal",
    arrives_by="journal",
    reference="systemd.journal-fields(7), and 'Journal JSON Format' of systemd.io",
    namespaces=("journald",),
)
ECS_FIELD = MappingProxyType(
    {
        "_HOSTNAME": "host.hostname",
        "_EXE": "process.executable",
        "_CMDLINE": "process.command_line",
        "_COMM": "process.title",
        "_UID": "user.id",
        "_GID": "group.id",
        "_SYSTEMD_UNIT": "journald.systemd.unit",
        "_SYSTEMD_USER_UNIT": "journald.systemd.user_unit",
        "_TRANSPORT": "journald.transport",
        "_BOOT_ID": "journald.boot_id",
        "__CURSOR": "journald.cursor",
        "SYSLOG_IDENTIFIER": "process.name",
        "MESSAGE_ID": "event.code",
        "CODE_FILE": "log.origin.file.name",
    }
)


def claims(raw: bytes) -> bool:
    """Whether the bytes look like a journal entry."""
    return raw.lstrip()[:1] == b"{" and b'"__REALTIME_TIMESTAMP"' in raw


def read(record: RawRecord) -> Iterator[Event]:
    """Yield the one event of an entry.

    Raises:
        RecordError: not a JSON object, or no usable time.
    """
    try:
        entry = orjson.loads(record.raw)
        if not isinstance(entry, dict):
            raise TypeError("not a JSON object")
        observed_at = _observed_at(entry)
    except (TypeError, ValueError) as error:  # JSONDecodeError is a ValueError
        raise RecordError(f"journal entry: {error}", source=SOURCE.name, raw=record.raw) from error
    fields = _fields(entry, record)
    yield Event(source=SOURCE.name, observed_at=observed_at, fields=fields, raw=record.raw)


def _observed_at(entry: dict[str, Any]) -> datetime:
    """The sender's own time where the journal has it, else the journal's."""
    written = entry.get("_SOURCE_REALTIME_TIMESTAMP") or entry.get("__REALTIME_TIMESTAMP")
    if not isinstance(written, str | int) or not str(written).isdecimal() or len(str(written)) > 18:
        raise ValueError("no usable __REALTIME_TIMESTAMP")
    return from_epoch_microseconds(int(written))


def _text(value: object) -> str:
    """A value as text: bytes that are not UTF-8 come as an array of numbers, a repeated field as a list."""
    if isinstance(value, str):
        return value
    if (
        isinstance(value, list)
        and value
        and all(isinstance(one, int) and 0 <= one < 256 for one in value)
    ):
        return bytes(value).decode("utf-8", errors="replace")
    if isinstance(value, list):
        return "\n".join(_text(one) for one in value)
    return "" if value is None or isinstance(value, dict) else str(value)


def _fields(entry: dict[str, Any], record: RawRecord) -> Fields:
    found: Fields = {
        field: text for name, field in ECS_FIELD.items() if (text := _text(entry.get(name)))
    }
    message = _text(entry.get("MESSAGE"))
    program = str(found.get("process.name") or found.get("process.title") or "")
    said = read_message(program, message)
    fields: Fields = found | {
        "event.kind": "event",
        "event.module": "journald",
        "event.dataset": "linux.auth" if "event.action" in said else "linux.syslog",
        "host.name": record.host or str(found.get("host.hostname", "")),
        "host.os.type": "linux",
        "message": message,
    }
    if said:
        fields.pop("group.id", None)
        fields.pop("user.id", None)  # of the program that writes, not of the person it writes of
        fields.pop("process.command_line", None)
    if "process.name" not in fields and "process.executable" in fields:
        fields["process.name"] = base_name(str(fields["process.executable"]))
    _add_numbers(fields, entry)
    return {name: value for name, value in (fields | said).items() if value != ""}


def _add_numbers(fields: Fields, entry: dict[str, Any]) -> None:
    pid = _text(entry.get("_PID") or entry.get("SYSLOG_PID"))
    if pid.isascii() and pid.isdecimal() and len(pid) < 12:
        fields["process.pid"] = int(pid)
    fields |= code_fields(_digits(entry.get("PRIORITY")), _digits(entry.get("SYSLOG_FACILITY")))


def _digits(value: object) -> int | None:
    text = _text(value)
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 3 else None
