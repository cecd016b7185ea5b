"""``python -m tests.sensor.conformance_page`` writes the page anew; SOC_CORPUS names the captures."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from tests.sensor.suricata_cases import KINDS, Filter, all_filters

PAGE = Path(__file__).parents[2] / "docs" / "network-conformance.md"
MISSES: dict[str, str] = {
    "decode-teredo-01": "Suricata follows no TCP session whose start it did not see (state `new`) and "
    "takes the answer inside a Teredo tunnel for a flow of its own; we count both directions of both.",
    "dns-over-http2-post": "HTTP/2 is not read, so neither is DNS inside it.",
}
"""Cases with a filter that does not agree, and why."""

Three = tuple[int, int, int]
BESIDE_TSHARK: dict[str, tuple[Three, Three, str]] = {
    "decode-teredo-01": (
        (10, 2, 0),
        (10, 4, 0),
        "two requests inside Teredo, which tshark does not show",
    ),
    "dns-over-http2-post": (
        (68, 0, 0),
        (0, 1, 0),
        "tshark reads DNS in HTTP/2; we do not, and take HTTP/2's first line for a request",
    ),
    "http-not09": ((0, 0, 0), (0, 1, 0), "tshark shows no request here; the IDS case expects ours"),
    "http-request-line": ((0, 0, 0), (0, 1, 0), "a request whose head never ends"),
    "quic-initial-not-first": (
        (0, 0, 1),
        (0, 0, 3),
        "the hello is sent three times; tshark shows one",
    ),
    "quic-retry": ((0, 0, 1), (0, 0, 2), "the hello is sent again after a Retry; tshark shows one"),
    **dict.fromkeys(
        ("tcp-urgp-01-oob", "tcp-urgp-02-drop-ips", "tcp-urgp-04-2byte-XY"),
        ((0, 0, 0), (0, 1, 0), "an urgent byte inside the request line: tshark shows no request"),
    ),
}
"""Captures where tshark 4.0 counts otherwise: (DNS messages, HTTP requests, client hellos) of tshark, ours, and why."""

HEAD = """# What the packet sensor finds in public captures

Written by `python -m tests.sensor.conformance_page`; a test keeps it so. Each case is a capture of Suricata's own
tests with the events that an IDS must see; our records are read as Suricata's EVE would write them
(`tests/sensor/eve.py`). A case agrees when each of its filters finds exactly the expected number of records.
"""


def cases(filters: list[Filter]) -> tuple[set[str], set[str]]:
    """(cases that agree in all their filters, cases that were compared)."""
    compared = {one.case for one in filters if not one.left_out}
    missed = {one.case for one in filters if not one.left_out and not one.agrees}
    return compared - missed, compared


def page(filters: list[Filter]) -> str:
    """The page as it should be."""
    return "\n".join(
        [HEAD, *_table(filters), *_misses(filters), *_left_out(filters), *_tshark(), ""]
    )


def _table(filters: list[Filter]) -> Iterator[str]:
    agreeing, compared = cases(filters)
    yield f"{len(agreeing)} of {len(compared)} cases agree.\n"
    yield "| record | filters | agree | records expected | records found |"
    yield "| --- | --- | --- | --- | --- |"
    for kind in KINDS:
        ours = [one for one in filters if one.kind == kind and not one.left_out]
        agree = sum(one.agrees for one in ours)
        expected, found = sum(one.expected for one in ours), sum(one.found for one in ours)
        yield f"| {kind} | {len(ours)} | {agree} | {expected} | {found} |"


def _misses(filters: list[Filter]) -> Iterator[str]:
    yield "\n## What does not agree\n"
    yield "| case | record | filter | expected | found |"
    yield "| --- | --- | --- | --- | --- |"
    for one in filters:
        if not one.left_out and not one.agrees:
            asked = one.words.replace("|", "\\|")
            yield f"| {one.case} | {one.kind} | `{asked}` | {one.expected} | {one.found} |"
    yield ""
    for case, reason in MISSES.items():
        yield f"- {case}: {reason}"


def _left_out(filters: list[Filter]) -> Iterator[str]:
    yield "\n## What is not compared\n"
    reasons: dict[tuple[str, str], int] = {}
    for one in filters:
        if one.left_out:
            reasons[one.case, one.left_out] = reasons.get((one.case, one.left_out), 0) + 1
    for (case, reason), count in reasons.items():
        yield f"- {case}: {count} filter{'s' if count > 1 else ''}: {reason}"


def _tshark() -> Iterator[str]:
    yield "\n## Beside tshark\n"
    yield "DNS messages, HTTP requests over TCP, TLS client hellos and their names are counted by tshark (4.0), too,"
    yield "in every capture; `tests/sensor/test_tshark.py` lets no other difference pass. tshark 4.0 knows no JA4.\n"
    yield "| capture | tshark: DNS, HTTP, hellos | ours | why |"
    yield "| --- | --- | --- | --- |"
    for case, (theirs, ours, reason) in BESIDE_TSHARK.items():
        said = [", ".join(map(str, one)) for one in (theirs, ours)]
        yield f"| {case} | {said[0]} | {said[1]} | {reason} |"


if __name__ == "__main__":
    PAGE.write_text(page(all_filters(Path(os.environ["SOC_CORPUS"]) / "suricata-verify")))
