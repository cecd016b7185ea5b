"""Process starts as the agent's proc connector gives them, where the kernel's audit is not to be had.

The kernel says only which process has called exec; the agent reads the rest from /proc a moment later, and names in
``missing`` what was gone by then. Such an event carries ``labels.incomplete``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from soc.collect.contract import Source
from soc.errors import RecordError
from soc.model.event import Event, Fields, RawRecord
from soc.normalise.accounts import base_name
from soc.normalise.timestamps import from_iso
from soc.normalise.unix_bytes import legible

SOURCE = Source(
    name="linux_process",
    product="Linux proc connector, read by the agent",
    arrives_by="proc connector",
    reference="docs/wire.md, 'linux_process'; linux/cn_proc.h; proc(5)",
)
TEXTS = {
    "executable": "process.executable",
    "working_directory": "process.working_directory",
    "parent_executable": "process.parent.executable",
}
GREATEST_PID = 2**31


def claims(raw: bytes) -> bool:
    """Whether the bytes look like such a record."""
    return raw[:1] == b"{" and b'"action"' in raw and b'"missing"' in raw and b'"pid"' in raw


def read(record: RawRecord) -> Iterator[Event]:
    """Yield the one process start.

    Raises:
        RecordError: not a JSON object with ``time`` and ``pid``.
    """
    try:
        facts = json.loads(
            record.raw
        )  # orjson refuses the lone surrogates of arguments that are not UTF-8
        if not isinstance(facts, dict) or not _is_number(facts.get("pid")):
            raise ValueError("no JSON object with a pid")
        observed_at = from_iso(str(facts.get("time", "")))
    except (ValueError, RecursionError) as error:
        raise RecordError(f"process record: {error}", source=SOURCE.name, raw=record.raw) from error
    origin = f"{record.agent or record.host}\x1f{facts['pid']}\x1f{observed_at.isoformat()}"
    entity_id = hashlib.blake2b(origin.encode(), digest_size=12).hexdigest()
    fields = _fields(facts) | {"process.entity_id": entity_id}
    if record.host:
        fields["host.name"] = record.host
    yield Event(source=SOURCE.name, observed_at=observed_at, fields=fields, raw=record.raw)


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < GREATEST_PID


def _fields(facts: dict[str, Any]) -> Fields:
    fields: Fields = {
        "event.kind": "event",
        "event.module": "proc_connector",
        "event.dataset": "linux.process",
        "event.category": ["process"],
        "event.type": ["start"],
        "event.action": "exec",
        "host.os.type": "linux",
        "process.pid": facts["pid"],
    }
    if _is_number(facts.get("ppid")):
        fields["process.parent.pid"] = facts["ppid"]
    if isinstance(facts.get("uid"), int):
        fields["user.id"] = str(facts["uid"])
        if facts["uid"] == 0:
            fields["user.name"] = "root"
    for name, field in TEXTS.items():
        if isinstance(facts.get(name), str) and facts[name]:
            fields[field] = legible(facts[name].removesuffix(" (deleted)"))
    for process in ("process", "process.parent"):
        executable = fields.get(f"{process}.executable")
        if executable:
            fields[f"{process}.name"] = base_name(str(executable))
    arguments = facts.get("args")
    if isinstance(arguments, list) and arguments and all(isinstance(one, str) for one in arguments):
        fields["process.args"] = [legible(one) for one in arguments]
        fields["process.args_count"] = len(arguments)
        fields["process.command_line"] = " ".join(legible(one) for one in arguments)
    missing = facts.get("missing")
    if isinstance(missing, list) and missing:
        fields["labels.incomplete"] = [
            legible(one) for one in missing if isinstance(one, str) and one
        ]
    return {name: value for name, value in fields.items() if value not in ("", [])}
