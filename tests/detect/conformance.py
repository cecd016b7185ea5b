"""What the Sigma specification 2.1.0 asks of modifiers and values, case by case, and the page that shows it.

``python -m tests.detect.conformance`` writes docs/sigma-conformance.md anew.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.detect.builders import Judged

PAGE = Path(__file__).parents[2] / "docs" / "sigma-conformance.md"
YES, NO = True, False
ABSENT = object()
PLACEHOLDERS = {"admins": ["root", "quản trị"]}
KINDS = ("text", "beyond ASCII", "number", "boolean", "null or empty", "absent", "list")
ABOUT = {
    "": "a plain value: the whole value, without regard to case; `*`, `?` and escapes",
    "all": "every value of the list, each somewhere among the field's values",
    "contains": "somewhere in the value",
    "startswith": "at its beginning",
    "endswith": "at its end",
    "cased": "with regard to case",
    "exists": "the field is there, whatever its value",
    "neq": "none of the values",
    "re": "PCRE, somewhere in the value, with case",
    "i": "without regard to case",
    "m": "`^` and `$` at lines",
    "s": "the dot takes line ends",
    "base64": "Base64 of the bytes",
    "base64offset": "Base64 at any of its three places",
    "utf16le": "UTF-16 LE",
    "utf16be": "UTF-16 BE",
    "utf16": "FF FE and UTF-16 LE",
    "wide": "as utf16le",
    "windash": "`-` `/` and the long dashes stand for one another",
    "lt": "less",
    "lte": "less or equal",
    "gt": "greater",
    "gte": "greater or equal",
    "minute": "of a time",
    "hour": "of a time, as written",
    "day": "of the month",
    "week": "ISO week",
    "month": "of the year",
    "year": "of a time",
    "cidr": "an address of the network, IPv4 or IPv6",
    "expand": "the values of a placeholder's table",
    "fieldref": "compared with another field of the event",
}


@dataclass(frozen=True, slots=True)
class Conformance:
    """One selection on the field f, a value of it, and whether they match."""

    selection: dict[str, Any]
    value: Any
    expected: bool

    @property
    def modifiers(self) -> tuple[str, ...]:
        return tuple(next(iter(self.selection)).split("|")[1:])

    @property
    def chain(self) -> str:
        return "|".join(self.modifiers) or "(none)"

    @property
    def kind(self) -> str:
        """The type of the event's value."""
        if self.value is ABSENT:
            return "absent"
        if self.value is None or self.value in ("", []):
            return "null or empty"
        if isinstance(self.value, list):
            return "list"
        if isinstance(self.value, bool):
            return "boolean"
        if isinstance(self.value, int | float):
            return "number"
        return "text" if self.value.isascii() else "beyond ASCII"


CASES = [
    Conformance(*case)
    for case in [
        # plain values: the whole value, without case
        ({"f": "cmd.exe"}, "CMD.EXE", YES),
        ({"f": "cmd.exe"}, "xcmd.exe", NO),
        ({"f": "cmd.exe"}, "cmd.exe\n", NO),
        ({"f": "ĐẶNG"}, "đặng", YES),
        ({"f": "ĐẶNG"}, "dang", NO),
        ({"f": "straße"}, "STRASSE", NO),
        ({"f": "İstanbul"}, "istanbul", YES),
        ({"f": ""}, "", YES),
        ({"f": ""}, " ", NO),
        # wildcards and escapes
        ({"f": "a*c"}, "a\nbc", YES),
        ({"f": "a?c"}, "abc", YES),
        ({"f": "a?c"}, "ac", NO),
        ({"f": "a?c"}, "ađc", YES),
        ({"f": "a?c"}, "a😀c", YES),
        ({"f": "a?c"}, "a\ud800c", YES),
        ({"f": r"a\*c"}, "a*c", YES),
        ({"f": r"a\*c"}, "abc", NO),
        ({"f": r"a\?c"}, "a?c", YES),
        ({"f": r"\\\\*\\ADMIN$"}, r"\\fs01\ADMIN$", YES),
        ({"f": r"\\\\\*\\ADMIN$"}, r"\\*\ADMIN$", YES),
        ({"f": r"\\\\\*\\ADMIN$"}, r"\\fs01\ADMIN$", NO),
        ({"f": "*"}, "anything", YES),
        ({"f": "*"}, "", YES),
        ({"f": "?*"}, "", NO),
        ({"f": "/../../"}, "x", NO),
        # contains, startswith, endswith, all
        ({"f|contains": "ELL"}, "powershell", YES),
        ({"f|contains": "e?l"}, "powershell", YES),
        ({"f|contains": ["x", "ell"]}, "powershell", YES),
        ({"f|contains|all": ["power", "shell"]}, "powershell", YES),
        ({"f|contains|all": ["power", "xx"]}, "powershell", NO),
        ({"f|startswith": "Power"}, "powershell", YES),
        ({"f|startswith": "ower"}, "powershell", NO),
        ({"f|endswith": "\\CMD.exe"}, "C:\\cmd.exe", YES),
        ({"f|endswith": "cmd"}, "cmd\n", NO),
        ({"f|contains": "a.c"}, "abc", NO),
        # cased
        ({"f|cased": "Cmd"}, "Cmd", YES),
        ({"f|cased": "Cmd"}, "cmd", NO),
        ({"f|contains|cased": "Cmd"}, "xCmdx", YES),
        ({"f|contains|cased": "Cmd"}, "xcmdx", NO),
        ({"f|startswith|cased": "Đ?"}, "Đặng", YES),
        ({"f|startswith|cased": "Đ?"}, "đặng", NO),
        ({"f|contains|cased": "Cmd"}, "\ud800Cmd", YES),
        # encodings
        ({"f|base64": "foo"}, "Zm9v", YES),
        ({"f|base64offset|contains": "foobar"}, "xxZm9vYmFyxx", YES),
        ({"f|base64offset|contains": "foobar"}, "IGZvb2Jhcg==", YES),
        ({"f|wide|base64offset|contains": "ping"}, "cABpAG4AZwAgACUA", YES),
        ({"f|utf16|base64": "ab"}, "//5hAGIA", YES),
        # regular expressions: somewhere, with case
        ({"f|re": "b+c"}, "abbc", YES),
        ({"f|re": "^b"}, "ab", NO),
        ({"f|re": "B"}, "abc", NO),
        ({"f|re|i": "B"}, "abc", YES),
        ({"f|re": "a.c"}, "a\nc", NO),
        ({"f|re|s": "a.c"}, "a\nc", YES),
        ({"f|re": "^c"}, "a\nc", NO),
        ({"f|re|m": "^c"}, "a\nc", YES),
        ({"f|re|m": "^$"}, "a\n", NO),
        ({"f|re|m": "^$"}, "a\n\ud800\n", NO),
        ({"f|re|m": "^$"}, "a\n\nb", YES),
        ({"f|re|m": "^$"}, "", YES),
        ({"f|re|m": "(?=a)^[^^]"}, "\na", YES),
        ({"f|re": "(?=ab)a"}, "xab", YES),
        ({"f|re": r"(a)\1"}, "aa", YES),
        ({"f|re": r"\d{2}:\d+"}, "at 12:5", YES),
        ({"f|re": "c$"}, "abc\n", YES),
        ({"f|re": r"c\Z"}, "abc\n", NO),
        ({"f|re": "a.c"}, "ađc", YES),
        ({"f|re": "a.c"}, "a\ud800c", YES),
        # addresses
        ({"f|cidr": "10.0.0.0/8"}, "10.200.3.4", YES),
        ({"f|cidr": "10.0.0.0/8"}, "11.0.0.1", NO),
        ({"f|cidr": "10.0.0.0/8"}, "::ffff:10.1.1.1", YES),
        ({"f|cidr": "10.0.0.0/8"}, "10.1.1.1.example", NO),
        ({"f|cidr": "fe80::/10"}, "fe80::1", YES),
        ({"f|cidr": ["192.0.2.0/24", "2001:db8::/32"]}, "2001:db8::5", YES),
        # numbers
        ({"f": 3389}, "3389", YES),
        ({"f": "3389"}, 3389, YES),
        ({"f": 3389}, 3389.0, YES),
        ({"f": 3389}, "03389", NO),
        ({"f": 1}, True, NO),
        ({"f": True}, "True", YES),
        ({"f": True}, True, YES),
        ({"f": True}, 1, NO),
        ({"f|lt": 5}, 4, YES),
        ({"f|lt": 5}, "4.9", YES),
        ({"f|lt": 5}, 5, NO),
        ({"f|lte": 5}, 5, YES),
        ({"f|gt": 5}, "0x10", YES),
        ({"f|gt": 5}, "many", NO),
        ({"f|gte": 5}, 5.0, YES),
        ({"f|gt": 0}, True, NO),
        # not equal, null, exists
        ({"f|neq": "a"}, "b", YES),
        ({"f|neq": "a"}, "A", NO),
        ({"f|neq": ["a", "b"]}, "b", NO),
        ({"f": None}, "", NO),
        ({"f": None}, None, YES),
        ({"f": None}, [], YES),
        ({"f": None}, [None], YES),
        ({"f": None}, ["a", None], NO),
        ({"f|exists": True}, "", YES),
        ({"f|exists": True}, None, YES),
        ({"f|exists": False}, "x", NO),
        # dashes of Windows
        ({"f|windash|contains": " -enc "}, "x /enc y", YES),
        ({"f|windash|contains": " -enc "}, "x –enc y", YES),
        ({"f|contains": " -enc "}, "x /enc y", NO),
        # lists of values: any
        ({"f": "b"}, ["a", "b"], YES),
        ({"f|contains|all": ["x", "y"]}, ["ax", "by"], YES),
        ({"f|cidr": "10.0.0.0/8"}, ["8.8.8.8", "10.0.0.1"], YES),
        ({"f": 2}, [1, 2], YES),
        ({"f|neq": "b"}, ["a", "b"], NO),
        # parts of times
        ({"f|hour": 3}, "2026-11-22T03:10:00Z", YES),
        ({"f|hour": 3}, "2026-11-22T04:10:00Z", NO),
        ({"f|minute": 10}, "2026-11-22T03:10:00Z", YES),
        ({"f|day": 22}, "2026-11-22 03:10:00", YES),
        ({"f|week": 47}, "2026-11-22", YES),
        ({"f|month": 11}, "2026-11-22", YES),
        ({"f|year": 2026}, "yesterday", NO),
        # absent fields
        ({"f": "x"}, ABSENT, NO),
        ({"f": "*"}, ABSENT, NO),
        ({"f": None}, ABSENT, YES),
        ({"f|exists": True}, ABSENT, NO),
        ({"f|exists": False}, ABSENT, YES),
        ({"f|neq": "x"}, ABSENT, YES),
        ({"f|re": ".*"}, ABSENT, NO),
        ({"f|contains": ""}, ABSENT, NO),
        ({"f|cidr": "0.0.0.0/0"}, ABSENT, NO),
        ({"f|lt": 5}, ABSENT, NO),
        ({"f|fieldref": "g"}, ABSENT, NO),
        ({"f|hour": 3}, ABSENT, NO),
        # Unicode folding: NFC, one character for one; see soc/normalise/folding.py
        ({"f": "nguyễn"}, "NGUYỄN", YES),
        ({"f|contains": "ỨNG CỨU"}, "đội ứng cứu sự cố", YES),
        ({"f|startswith": "Tỉnh"}, "TỈNH An Giang", YES),
        ({"f|endswith": "GIANG"}, "tỉnh an giang", YES),
        ({"f": "ma\u0303 đo\u0323\u0302c"}, "mã độc", YES),
        ({"f": "i"}, "I", YES),
        ({"f": "ı"}, "I", NO),
        ({"f": "ｃｍｄ"}, "ＣＭＤ", YES),
        ({"f": "cmd"}, "ｃｍｄ", NO),
        ({"f|cased": "Đặng"}, "Đặng", YES),
        ({"f|cased": "Đặng"}, "ĐẶNG", NO),
        ({"f|neq": "Đặng"}, "ĐẶNG", NO),
        ({"f|contains|all": ["ứng", "cứu"]}, "ỨNG CỨU", YES),
        # encodings of what is no ASCII, and the byte order mark
        ({"f|wide|base64": "ặ"}, "tx4=", YES),
        ({"f|utf16le|base64": "cmd"}, "YwBtAGQA", YES),
        ({"f|utf16be|base64": "cmd"}, "AGMAbQBk", YES),
        ({"f|utf16be|base64": "ặ"}, "Hrc=", YES),
        ({"f|utf16|base64": "ặ"}, "//63Hg==", YES),
        ({"f|utf16|base64offset|contains": "cmd"}, "xx//5jAG0AZAAxx", YES),
        ({"f|base64": "độc"}, "xJHhu5lj", YES),
        ({"f|base64offset|contains": "độc"}, "IMSR4buZYyE=", YES),
        ({"f|base64offset|contains": "độc"}, "ICDEkeG7mWMh", YES),
        ({"f|base64": "cmd"}, "YWJj", NO),
        ({"f|wide": "ab"}, "a\x00b\x00", YES),
        ({"f|utf16be": "ab"}, "\x00a\x00b", YES),
        # all five dashes
        *(({"f|windash": "-enc"}, f"{dash}enc", YES) for dash in "-/–—―"),
        *(({"f|windash": "/enc"}, f"{dash}enc", YES) for dash in "-/–—―"),
        ({"f|windash": "-enc"}, "+enc", NO),
        ({"f|windash|startswith": "-a -b"}, "/a —b c", YES),
        ({"f|windash|endswith": " -x"}, "run ―x", YES),
        # placeholders
        ({"f|expand": "%admins%"}, "ROOT", YES),
        ({"f|expand": "%admins%"}, "Quản Trị", YES),
        ({"f|expand": "%admins%"}, "khách", NO),
        ({"f|expand|contains": "%admins%"}, "user root", YES),
        ({"f|expand": "%admins%"}, ["khách", "root"], YES),
        # another field: g is "Giám đốc"
        ({"f|fieldref": "g"}, "GIÁM ĐỐC", YES),
        ({"f|fieldref": "g"}, "Giám", NO),
        ({"f|fieldref|startswith": "g"}, "giám đốc sở", YES),
        ({"f|fieldref|endswith": "g"}, "phó giám đốc", YES),
        ({"f|fieldref|contains": "g"}, "phó giám đốc sở", YES),
        ({"f|fieldref|neq": "g"}, "phó", YES),
        ({"f|fieldref|neq": "g"}, "giám đốc", NO),
        ({"f|fieldref": "g"}, ["x", "Giám đốc"], YES),
        # numbers and what looks like them
        ({"f|lt": 5}, None, NO),
        ({"f|lt": 5}, "", NO),
        ({"f|gte": -3}, -3, YES),
        ({"f|gt": 5}, [1, 9], YES),
        ({"f|lte": 5}, [6, 9], NO),
        ({"f|neq": 5}, 6, YES),
        ({"f|neq": 5}, "5", NO),
        ({"f|re": "^33"}, 3389, YES),
        ({"f|contains": "38"}, 3389, YES),
        ({"f|startswith": "33"}, 3389, YES),
        ({"f|endswith": "89"}, 3389, YES),
        ({"f|contains": "ru"}, True, YES),
        ({"f": False}, "false", YES),
        ({"f|re": "^t"}, True, YES),
        ({"f|cidr": "10.0.0.0/8"}, "", NO),
        ({"f|cidr": "2001:db8::/32"}, "2001:DB8:0:0::1", YES),
        ({"f|cidr": "2001:db8::/32"}, "2001:db9::1", NO),
        ({"f|cidr": "10.0.0.0/8"}, 10, NO),
        # lists
        ({"f": []}, "x", NO),
        ({"f|startswith": "b"}, ["ab", "bc"], YES),
        ({"f|endswith": "b"}, ["bc", "ab"], YES),
        ({"f|cased": "B"}, ["b", "B"], YES),
        ({"f|re": "^b$"}, ["a", "b"], YES),
        ({"f|exists": True}, [], YES),
        ({"f|hour": 3}, ["2026-11-22T01:00:00Z", "2026-11-22T03:10:00Z"], YES),
        ({"f|base64": "cmd"}, ["x", "Y21k"], YES),
        ({"f|windash": "-x"}, ["y", "/x"], YES),
        # times: as written, no zone is applied
        ({"f|minute": 0}, "2026-11-22T03:00:59.5+07:00", YES),
        ({"f|hour": 23}, "2026-11-22 23:59:59", YES),
        ({"f|week": 53}, "2026-12-31", YES),
        ({"f|week": 53}, "2027-01-01", YES),
        ({"f|month": 2}, "2028-02-29T00:00:00Z", YES),
        ({"f|year": 2026}, "2026-11-22T03:10:00Z", YES),
        ({"f|day": 22}, 20261122, NO),
    ]
]


def page(folder: Path) -> str:
    """The table: for each chain of modifiers and each type of value, how many cases hold."""
    held: dict[tuple[str, str], list[bool]] = defaultdict(list)
    for number, case in enumerate(CASES):
        judged = Judged(folder / str(number), case.selection, PLACEHOLDERS)
        fields = {} if case.value is ABSENT else {"f": case.value}
        held[case.chain, case.kind].append(judged.says(g="Giám đốc", **fields) is case.expected)
    chains = sorted(
        {case.chain for case in CASES}, key=lambda one: (one != "(none)", one.split("|"))
    )
    lines = [
        "# What of Sigma holds",
        "",
        "Written by `python -m tests.detect.conformance` from the cases of `tests/detect/conformance.py`, which",
        "follow the Sigma specification 2.1.0; a test keeps it so. A cell says how many cases hold, of how many:",
        "rows are chains of modifiers, columns types of the event's value.",
        "",
        "| modifiers | " + " | ".join(KINDS) + " |",
        "| --- " * (len(KINDS) + 1) + "|",
    ]
    for chain in chains:
        cells = [held.get((chain, kind), []) for kind in KINDS]
        shown = (f"{sum(cell)}/{len(cell)}" if cell else "" for cell in cells)
        name = chain if chain == "(none)" else "`" + chain.replace("|", "\\|") + "`"
        lines.append(f"| {name} | " + " | ".join(shown) + " |")
    right, total = sum(map(sum, held.values())), sum(map(len, held.values()))
    lines += [
        "",
        f"{right} of {total} cases hold.",
        "",
        "## Modifiers",
        "",
        "| modifier | here |",
        "| --- | --- |",
    ]
    lines += [f"| {f'`{name}`' if name else '(none)'} | {text} |" for name, text in ABOUT.items()]
    lines += ["", *READINGS]
    return "\n".join(lines) + "\n"


READINGS = """## Where the specification leaves a choice

- **Case**: texts are compared after NFC and one simple folding, character by character, so `?` is always one character;
  `ß` is not `ss`, full width letters are not ASCII, `ı` is not `i`.
- **Null** (`field: null`) holds for an absent field, a null and an empty list, not for an empty text.
- **neq** holds where none of the values does, so also for an absent field: SigmaHQ's filters are written that way.
- **Lists** of an event hold if any element does; under `all`, each value of the rule may find another element.
- **Numbers and texts** are compared by what they write: `3389` and `"3389"` are equal, `"03389"` is another text;
  `true` is no 1.
- **lt, lte, gt, gte** read numbers also from text, decimal or 0x; what is none is not compared.
- **re** is searched in the value, with case; where Hyperscan and PCRE differ (`$` before a last line end) PCRE holds.
- **Time parts** are taken from the value as it is written; weeks are ISO 8601's, so 1 to 53.
- **Encodings** are of bytes: `utf16` begins with FF FE, `base64offset` shifts by bytes, and letters beyond ASCII are
  encoded (pySigma 1.5 refuses or miscounts these; see `soc/detect/sigma_modifiers.py`).""".splitlines()


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        PAGE.write_text(page(Path(folder)), "utf-8")


if __name__ == "__main__":
    main()
