"""Hostile events against every imported rule: judged in bounded time, and nothing else is lost."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from soc.detect.matcher import Matcher
from soc.detect.packs import compile_pack

WITHIN_SECONDS = 10  # a bound for a busy machine; the figure is printed
KNOWN = {
    "EventID": 1,
    "Channel": "Microsoft-Windows-Sysmon/Operational",
    "Provider_Name": "Microsoft-Windows-Sysmon",
    "Image": "C:\\Windows\\System32\\vssadmin.exe",
    "OriginalFileName": "VSSADMIN.EXE",
    "CommandLine": "vssadmin.exe delete shadows /all /quiet",
}
OTHERS = ("ParentCommandLine", "TargetFilename", "ScriptBlockText")


def nested(depth: int) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = [value]
    return value


HOSTILE: dict[str, Any] = {
    "one megabyte": "x" * 1_000_000,
    "a megabyte of one rule's beginnings": "cmd /c powershell -enc " * 45_000,
    "a megabyte beyond ASCII": "ệ" * 1_000_000,
    "surrogates": "\ud800" * 1_000 + "cmd.exe \udfff",
    "NULs": "\x00" * 100_000,
    "a huge number": 10**4_000,
    "a huge number written": "9" * 100_000,
    "no number": float("nan"),
    "infinity": float("inf"),
    "nested a thousand deep": nested(1_000),
    "ten thousand values": [f"value {number}" for number in range(10_000)],
}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_no_hostile_event_stops_the_imported_rules(corpus: Path, corpus_packs: Path):
    """Values in fields that rules look at, and ten thousand fields beside them; what matched goes on matching."""
    names = ("rules", "rules-emerging-threats", "rules-threat-hunting")
    folders = [corpus / "sigma" / name for name in names]
    matcher = Matcher(compile_pack(folders, mapping="native", cache=corpus_packs))
    expected = set(matcher.match(KNOWN))
    assert expected
    slowest = ("", 0.0)
    events = {what: {**KNOWN, **dict.fromkeys(OTHERS, value)} for what, value in HOSTILE.items()}
    events["ten thousand fields"] = {**{f"f{n}": "cmd.exe" for n in range(10_000)}, **KNOWN}
    events["a field's name of a megabyte"] = {"f" * 1_000_000: "x", **KNOWN}
    for what, event in events.items():
        began = time.monotonic()
        found = set(matcher.match(event))
        slowest = max(slowest, (what, time.monotonic() - began), key=lambda one: one[1])
        assert expected <= found, what
        assert set(matcher.match(KNOWN)) == expected, what
    print(
        f"{len(matcher.rules)} rules, {len(events)} events, the slowest: {slowest[0]}, {slowest[1]:.2f} s"
    )
    assert slowest[1] < WITHIN_SECONDS
