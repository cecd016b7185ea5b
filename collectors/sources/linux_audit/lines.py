"""Lines of the Linux audit taken apart: one serial's lines, their values decoded."""

from __future__ import annotations

import re
from typing import NamedTuple

LINE = re.compile(
    r"(?:node=(\S+) )?type=(\S+) msg=audit\((\d{1,12}\.\d{1,9}):(\d{1,20})\): ?(.*)", re.DOTALL
)
PAIR = re.compile(r"(?<![\w-])([A-Za-z][\w-]*+(?:\[\d{1,5}\])?)=(?:\"([^\"]*)\"|(\S*))")
NESTED = re.compile(r"(?:^|\s)msg='(.*)'", re.DOTALL)
HEXADECIMAL = re.compile(r"(?:[0-9A-Fa-f]{2})+")
ARGUMENT = re.compile(r"a(\d{1,6})(?:\[(\d{1,5})\])?")
ENRICHED = "\x1d"  # auditd appends the names of numbers after this sign
# Fields that the kernel writes in hexadecimal when they hold a blank, a quote or a control character.
ENCODED = frozenset(
    {
        "acct",
        "cmd",
        "cmdline",
        "comm",
        "cwd",
        "data",
        "dir",
        "exe",
        "file",
        "grp",
        "key",
        "name",
        "new_name",
    }
    | {"old_name", "path", "proctitle"}
)
UNSET = frozenset(
    {"", "?", "(null)", "(none)", "4294967295", "-1", "unset", "(unknown)", "(invalid user)"}
)


class Line(NamedTuple):
    kind: str  # SYSCALL, EXECVE, ...
    values: dict[str, str]  # decoded; EXECVE's arguments stay as they are written
    body: str


class Serial(NamedTuple):
    """All lines of one audit serial."""

    node: str
    stamp: str  # Unix seconds as written
    number: int
    lines: tuple[Line, ...]

    def values(self, kind: str) -> dict[str, str]:
        """The values of the first line of a kind; empty where there is none."""
        return next((line.values for line in self.lines if line.kind == kind), {})


def parse(text: str) -> Serial:
    lines: list[Line] = []
    keys: set[tuple[str, str, str]] = set()
    for written in text.split("\n"):
        if not written.strip():
            continue
        found = LINE.match(written)
        if found is None:
            raise ValueError(f"not an audit line: {written[:60]!r}")
        node, kind, stamp, number, body = found.groups()
        keys.add((node or "", stamp, number))
        lines.append(Line(kind, _values(kind, body), body))
    if len(keys) != 1:
        raise ValueError("no audit line" if not keys else "lines of several audit serials")
    node, stamp, number = keys.pop()
    return Serial(node, stamp, int(number), tuple(lines))


def _values(kind: str, body: str) -> dict[str, str]:
    """Names to values, numbers' names (``UID="root"``) in capitals as auditd appends them."""
    nested = NESTED.search(body)
    parts = [body] if nested is None else [body[: nested.start()], nested[1], body[nested.end() :]]
    values: dict[str, str] = {}
    for part in parts:
        for name, quoted, bare in PAIR.findall(part.replace(ENRICHED, " ")):
            if kind == "EXECVE" and ARGUMENT.fullmatch(name):
                values[name] = f'"{quoted}' if quoted or not bare else bare
            elif bare and name in ENCODED:
                values[name] = _decoded(bare)
            else:
                values[name] = quoted or bare
    return values


def _decoded(bare: str) -> str:
    if HEXADECIMAL.fullmatch(bare):
        return bytes.fromhex(bare).decode("utf-8", errors="replace")
    return bare


def arguments(serial: Serial) -> list[str]:
    """The arguments of all EXECVE lines, those split over several pieces joined."""
    pieces: dict[int, dict[int, str]] = {}
    for line in serial.lines:
        if line.kind == "EXECVE":
            for name, written in line.values.items():
                found = ARGUMENT.fullmatch(name)
                if found:
                    pieces.setdefault(int(found[1]), {})[int(found[2] or 0)] = written
    return [
        _joined([parts[piece] for piece in sorted(parts)]) for _, parts in sorted(pieces.items())
    ]


def _joined(parts: list[str]) -> str:
    """Quoted pieces (marked by a leading quote) are text, others hexadecimal, which may split a character."""
    if all(not part.startswith('"') and HEXADECIMAL.fullmatch(part) for part in parts):
        return bytes.fromhex("".join(parts)).decode("utf-8", errors="replace")
    return "".join(part[1:] if part.startswith('"') else _decoded(part) for part in parts)
