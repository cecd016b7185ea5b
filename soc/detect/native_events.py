"""Events under Sigma's own field names (mapping ``native``): Windows events as JSON become one flat dict.

Three shapes are known: the EVTX parser's JSON of the event XML (``{"Event": {"System": ...}}``), objects that are flat
already (Sysmon and Security fields side by side, as NXLog and the OTRF data sets write them), and ECS, left as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

GUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
TIMES = ("@timestamp", "SystemTime", "TimeCreated", "UtcTime", "EventTime", "timestamp", "time")
HOSTS = ("Computer", "ComputerName", "Hostname", "host.name", "winlog.computer_name", "hostname")
PROVIDERS = ("SourceName", "ProviderName", "source_name")  # flat shapes that lack Provider_Name


def native_fields(event: Mapping[str, Any]) -> dict[str, Any]:
    """One flat dict of Sigma field names.

    >>> native_fields({"Event": {"System": {"EventID": {"#text": 7}}, "EventData": {"A": "b"}}})
    {'EventID': 7, 'A': 'b'}
    >>> native_fields({"EventID": 1, "process": {"name": "cmd.exe"}})
    {'EventID': 1, 'process.name': 'cmd.exe'}
    """
    inner = event.get("Event")
    if isinstance(inner, Mapping):
        return from_event_xml(inner)
    fields = dict(event)
    if any(isinstance(value, dict) for value in fields.values()):
        fields = dict(_flat("", event))
    if "Provider_Name" not in fields:
        for name in PROVIDERS:
            if name in fields and "Channel" in fields:
                fields["Provider_Name"] = fields[name]
                break
    return fields


def from_event_xml(event: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of ``System``, then of ``EventData`` or ``UserData``, which win where names meet."""
    fields: dict[str, Any] = {}
    system = event.get("System")
    if isinstance(system, Mapping):
        _take_system(system, fields)
    for part in ("EventData", "UserData", "ProcessingErrorData", "DebugData"):
        content = event.get(part)
        if isinstance(content, Mapping):
            for name, value in _leaves("", content):
                _add(fields, name, value)
    return fields


def _take_system(system: Mapping[str, Any], fields: dict[str, Any]) -> None:
    for name, value in system.items():
        attributes = value.get("#attributes") if isinstance(value, dict) else None
        if isinstance(value, dict):
            value = value.get("#text")
        if name == "TimeCreated":
            fields["SystemTime"] = (attributes or {}).get("SystemTime")
            continue
        if value is not None and not isinstance(value, dict):
            fields[name] = value
        if attributes and name in ("Provider", "Execution", "Security", "Correlation"):
            for attribute, text in attributes.items():
                fields[f"{name}_{attribute}"] = braced(text)


def _leaves(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """The named texts below an element; attributes count as fields of their element."""
    if not isinstance(value, Mapping):
        yield name, value
        return
    for key, inner in value.items():
        if key == "#text":
            yield name or "Data", inner
        elif key == "#attributes":
            if name and isinstance(inner, Mapping):
                yield from ((f"{name}_{a}", text) for a, text in inner.items() if a != "xmlns")
        else:
            yield from _leaves(str(key), inner)


def _add(fields: dict[str, Any], name: str, value: Any) -> None:
    if isinstance(value, list):
        value = [braced(one) for one in value if not isinstance(one, dict | list)]
    fields[name] = braced(value)


def braced(value: Any) -> Any:
    """A GUID with the braces that Windows writes and the EVTX parser leaves out."""
    if isinstance(value, str) and len(value) == 36 and GUID.fullmatch(value):
        return f"{{{value}}}"
    return value


def _flat(prefix: str, value: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """In the order written; without recursion, since who sends the event chooses the depth."""
    waiting = [(prefix, iter(value.items()))]
    while waiting:
        before, items = waiting[-1]
        for key, inner in items:
            if isinstance(inner, Mapping):
                waiting.append((f"{before}{key}.", iter(inner.items())))
                break
            yield f"{before}{key}", inner
        else:
            waiting.pop()


def flat(event: Mapping[str, Any]) -> dict[str, Any]:
    """Nested objects as dotted names."""
    return dict(_flat("", event))


def time_of(fields: Mapping[str, Any]) -> str:
    """The event's own time as it is written; empty if it has none."""
    return _first(fields, TIMES)


def host_of(fields: Mapping[str, Any]) -> str:
    """The computer the event is from; empty if it does not say."""
    return _first(fields, HOSTS)


def _first(fields: Mapping[str, Any], names: tuple[str, ...]) -> str:
    return next((str(fields[name]) for name in names if fields.get(name)), "")
