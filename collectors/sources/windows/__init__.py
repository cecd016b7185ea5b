"""Windows events as XML: Security, System, Application, PowerShell, Sysmon, Defender, and any other channel.

The raw record is the XML of one event, as pyevtx-rs renders it from an EVTX file and as the Windows Event Log API
renders it live; both give the same event. Everything of EventData and UserData is kept under ``winlog.event_data``
as the text of the XML; what ECS has a name for stands under that name too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

from collectors.sources.windows.derive import fields_of
from collectors.sources.windows.xml_text import WindowsRecord, parse
from soc.collect.contract import Source
from soc.errors import RecordError
from soc.model.event import Event, Fields, RawRecord
from soc.normalise.timestamps import from_iso

SOURCE = Source(
    name="windows_xml",
    product="Microsoft Windows event log, with Sysmon, PowerShell and Defender",
    arrives_by="evtx",
    reference="Windows Event Log reference, 'Event Schema'; field names as in Elastic Winlogbeat 8",
    namespaces=("winlog", "powershell", "sysmon"),
)
LOOKS_LIKE_EVENT = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^<>]*\?>\s*)?<Event[\s>]")


def claims(raw: bytes) -> bool:
    """Whether the bytes begin as a Windows event does."""
    return LOOKS_LIKE_EVENT.match(raw) is not None


def read(record: RawRecord) -> Iterator[Event]:
    """Yield the one event of a record.

    Raises:
        RecordError: not UTF-8, not one well-formed event, or without a usable id or time.
    """
    parsed = _parse(record.raw)
    yield Event(
        source=SOURCE.name,
        observed_at=_observed_at(parsed, record.raw),
        fields=fields_of(parsed),
        raw=record.raw,
    )


def read_native(raw: bytes) -> tuple[Fields, datetime]:
    """A record under the names that Sigma rules for Windows use, and its time.

    ``EventID``, ``EventRecordID``, ``Level``, ``Task``, ``Opcode`` and ``Version`` are whole numbers; ``Channel``,
    ``Provider_Name``, ``Provider_Guid``, ``Computer``, ``Keywords``, ``TimeCreated``, ``ProcessID`` and ``ThreadID``
    (of the writer) and ``UserID`` come from System as well. Beside them stand the names of EventData or UserData,
    which win where both have one. Empty values of EventData stay, so that ``Field: ''`` can be told from null; an
    absent element is absent. Unnamed data are ``Data``, a list where there are several.

    Raises:
        RecordError: as ``read``.
    """
    parsed = _parse(raw)
    observed_at = _observed_at(parsed, raw)
    head = parsed.head
    fields: Fields = {
        "EventID": head.code,
        "Channel": head.channel,
        "Provider_Name": head.provider,
        "Provider_Guid": head.provider_guid,
        "Computer": head.computer,
        "Keywords": head.keywords,
        "TimeCreated": parsed.time,
        "ProcessID": parsed.process_id,
        "ThreadID": parsed.thread_id,
        "UserID": parsed.user_sid,
    }
    fields = {name: value for name, value in fields.items() if value != ""}
    for name, text in zip(NUMBERS, (head.level, head.task, head.opcode, head.version), strict=True):
        if text.isdecimal():
            fields[name] = int(text)
    if parsed.record_id:
        fields["EventRecordID"] = parsed.record_id
    fields.update(parsed.data)
    return fields, observed_at


NUMBERS = ("Level", "Task", "Opcode", "Version")


def _parse(raw: bytes) -> WindowsRecord:
    try:
        return parse(raw.decode("utf-8"))
    except ValueError as error:  # UnicodeDecodeError is a ValueError
        raise RecordError(str(error), source=SOURCE.name, raw=raw) from error


def _observed_at(parsed: WindowsRecord, raw: bytes) -> datetime:
    try:
        return from_iso(parsed.time)
    except ValueError as error:
        raise RecordError(f"TimeCreated: {error}", source=SOURCE.name, raw=raw) from error
