"""One line that tells most of what a rule matched: the command line before the file, the file before the address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TELLING = (
    "process.command_line",
    "powershell.file.script_block_text",
    "winlog.event_data.ScriptBlockText",
    "winlog.event_data.CommandLine",
    "winlog.event_data.ServiceFileName",
    "winlog.event_data.TaskContent",
    "url.full",
    "url.original",
    "dns.question.name",
    "registry.path",
    "file.path",
    "process.executable",
    "message",
    "source.ip",
    "destination.ip",
    "user.name",
)
LONGEST = 500  # characters


def summary(fields: Mapping[str, Any]) -> str:
    """The first telling field, else all matched fields as ``name=value``; at most 500 characters, on one line.

    >>> summary({"user.name": "an", "process.command_line": "curl -s http://x"})
    'curl -s http://x'
    >>> summary({"event.code": "4625", "event.count": 3})
    'event.code=4625 event.count=3'
    """
    for name in TELLING:
        if fields.get(name) not in (None, "", []):
            return _line(fields[name])
    return _line(" ".join(f"{name}={_line(value)}" for name, value in sorted(fields.items())))


def _line(value: Any) -> str:
    text = ", ".join(str(one) for one in value) if isinstance(value, list) else str(value)
    text = " ".join(text.split())
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
