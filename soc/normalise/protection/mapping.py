"""Mapping files: which columns of a product's export say what, and what its words mean.

A file is YAML; ``docs/edr-feed.md`` has the whole form. One ``form`` is one kind of row: how it is known (``has``:
columns that are there; ``when``: what columns say) and where each of our words stands in it (``columns``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import translate
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from soc.errors import MappingError
from soc.normalise.timestamps import time_zone
from soc.normalise.yaml_places import Placed, load_with_places

KINDS = ("detection", "state")
WORDS = frozenset(
    {
        *("machine", "machine_id", "address", "operating_system", "user", "time", "id"),
        *(
            "threat",
            "threat_type",
            "path",
            "folder",
            "file",
            "hash",
            "hash_md5",
            "hash_sha1",
            "hash_sha256",
        ),
        *("action", "process", "protection", "signature_date", "signature_age_days"),
        *("signature_version", "last_contact", "product_version", "product"),
    }
)
"""What a form's ``columns`` may say."""
NEEDED = MappingProxyType({"detection": ("threat",), "state": ("machine",)})
ACTIONS = ("cleaned", "deleted", "quarantined", "blocked", "allowed", "failed", "none")
"""What became of the malware, in our words; the first four are handled."""
PROTECTION = ("on", "off")
TOP = frozenset(
    {
        *("name", "vendor", "product", "reference", "zone", "month_first"),
        *("actions", "protection", "forms"),
    }
)
FORM = frozenset({"kind", "cef", "has", "when", "line", "columns"})
NAME = re.compile(r"[a-z][a-z0-9_]{1,39}")
LARGEST = 256 * 1024
Columns = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Form:
    """One kind of row. Column names are folded; ``line`` is the pattern of a text line whose groups are columns."""

    kind: str
    cef: bool
    has: tuple[str, ...]
    when: tuple[tuple[str, re.Pattern[str]], ...]
    line: re.Pattern[str] | None
    columns: Columns

    def fits(self, row: Mapping[str, str]) -> bool:
        """Whether a row is of this kind."""
        return all(name in row for name in self.has) and all(
            (said := row.get(name)) is not None and pattern.fullmatch(said.casefold())
            for name, pattern in self.when
        )


@dataclass(frozen=True, slots=True)
class ProductMapping:
    """One product: its forms in the order in which they are tried, and the meanings of its words."""

    name: str
    vendor: str
    product: str
    zone: str  # of times without one; empty is the record's
    month_first: bool
    actions: tuple[tuple[str, re.Pattern[str]], ...]
    protection: tuple[tuple[str, re.Pattern[str]], ...]
    forms: tuple[Form, ...]
    path: str = ""

    def action(self, said: str) -> str:
        """Our word for what was done, ``unknown`` where the file has none for it."""
        return _meaning(self.actions, said) or "unknown"

    def is_on(self, said: str) -> str:
        """``on``, ``off``, or empty where the file has no word for it."""
        return _meaning(self.protection, said)


def _meaning(table: Iterable[tuple[str, re.Pattern[str]]], said: str) -> str:
    text = said.strip().casefold()
    return next((word for word, pattern in table if pattern.fullmatch(text)), "")


def load_mapping(path: Path) -> ProductMapping:
    """Read one file.

    Raises:
        MappingError: with the line and what to do.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise MappingError(
                str(path), 1, "over 256 KiB", "a mapping is a short table; look for a wrong file"
            )
        placed = load_with_places(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise MappingError(
            str(path), 1, f"cannot be read ({error})", "save it as UTF-8 text"
        ) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise MappingError(
            str(path), line, f"not YAML ({getattr(error, 'problem', error)})", "mend the line"
        ) from error
    return _File(str(path), placed).read()


class _File:
    """One document, with the place of everything that may be wrong in it."""

    def __init__(self, path: str, placed: Placed) -> None:
        self.path, self.placed = path, placed

    def wrong(self, where: tuple[str | int, ...], reason: str, remedy: str) -> MappingError:
        return MappingError(self.path, self.placed.line(where), reason, remedy)

    def read(self) -> ProductMapping:
        for key, line in self.placed.twice:
            raise MappingError(self.path, line, f"{key!r} stands twice", "keep one of them")
        top = self._mapping((), self.placed.value, TOP)
        for needed in ("name", "vendor", "product", "reference", "forms"):
            if not top.get(needed):
                raise self.wrong((), f"{needed!r} is missing", f"add `{needed}:`")
        if not isinstance(top["name"], str) or not NAME.fullmatch(top["name"]):
            raise self.wrong(
                ("name",), f"the name {top['name']!r} cannot be used", "small letters, digits and _"
            )
        zone = str(top.get("zone") or "")
        try:
            if zone:
                time_zone(zone)
        except ValueError as error:
            raise self.wrong(
                ("zone",), f"no zone {zone!r}", "UTC, +07:00 or Asia/Ho_Chi_Minh"
            ) from error
        forms = top["forms"]
        if not isinstance(forms, list):
            raise self.wrong(("forms",), "'forms' is no list", "begin each form with `- kind:`")
        return ProductMapping(
            name=top["name"],
            vendor=str(top["vendor"]),
            product=str(top["product"]),
            zone=zone,
            month_first=top.get("month_first") is True,
            actions=self._words("actions", top.get("actions"), ACTIONS),
            protection=self._words("protection", top.get("protection"), PROTECTION),
            forms=tuple(self._form(number, one) for number, one in enumerate(forms)),
            path=self.path,
        )

    def _form(self, number: int, written: Any) -> Form:
        where = ("forms", number)
        form = self._mapping(where, written, FORM)
        kind = form.get("kind")
        if kind not in KINDS:
            raise self.wrong((*where, "kind"), f"no kind {kind!r}", f"write {' or '.join(KINDS)}")
        columns = self._columns((*where, "columns"), form.get("columns"))
        line = self._line((*where, "line"), form.get("line"))
        for needed in NEEDED[kind]:
            if needed not in columns and line is None:
                raise self.wrong(
                    where, f"a {kind} without {needed!r}", f"say which column holds the {needed}"
                )
        has = form.get("has") or []
        if not isinstance(has, list) or not all(isinstance(one, str) for one in has):
            raise self.wrong((*where, "has"), "'has' is no list of columns", "write [column, ...]")
        when = self._when((*where, "when"), form.get("when") or {})
        if not (has or when or line):
            raise self.wrong(
                where, "the form fits every row", "say by `has`, `when` or `line` how it is known"
            )
        return Form(kind, form.get("cef") is True, tuple(map(fold, has)), when, line, columns)

    def _columns(self, where: tuple[str | int, ...], written: Any) -> Columns:
        found = self._mapping(where, written or {}, WORDS)
        columns = {}
        for word, names in found.items():
            many = names if isinstance(names, list) else [names]
            if not many or not all(isinstance(one, str) and one for one in many):
                raise self.wrong(
                    (*where, word),
                    f"{word!r} names no column",
                    "write a column, or a list of columns to try",
                )
            columns[word] = tuple(map(fold, many))
        return MappingProxyType(columns)

    def _when(
        self, where: tuple[str | int, ...], written: Any
    ) -> tuple[tuple[str, re.Pattern[str]], ...]:
        if not isinstance(written, dict):
            raise self.wrong(where, "'when' is no table", "write {column: [words]}")
        return tuple(
            (fold(str(name)), self._pattern((*where, name), words))
            for name, words in written.items()
        )

    def _words(
        self, key: str, written: Any, known: tuple[str, ...]
    ) -> tuple[tuple[str, re.Pattern[str]], ...]:
        table = self._mapping((key,), written or {}, frozenset(known))
        return tuple((word, self._pattern((key, word), said)) for word, said in table.items())

    def _pattern(self, where: tuple[str | int, ...], written: Any) -> re.Pattern[str]:
        """Words with * for anything, in one expression over folded text."""
        many = written if isinstance(written, list) else [written]
        if not many or not all(isinstance(one, str | int | bool) for one in many):
            raise self.wrong(
                where, "no words", "write the product's words as a list, * stands for anything"
            )
        return re.compile("|".join(translate(str(one).casefold()) for one in many))

    def _line(self, where: tuple[str | int, ...], written: Any) -> re.Pattern[str] | None:
        if written is None:
            return None
        try:
            pattern = re.compile(str(written))
        except re.error as error:
            raise self.wrong(where, f"not an expression ({error})", "mend it") from error
        if unknown := sorted(set(pattern.groupindex) - WORDS):
            raise self.wrong(
                where, f"a group {unknown[0]!r}", f"known are {', '.join(sorted(WORDS))}"
            )
        return pattern

    def _mapping(
        self, where: tuple[str | int, ...], written: Any, known: frozenset[str]
    ) -> dict[str, Any]:
        if not isinstance(written, dict):
            raise self.wrong(where, "a table is expected", "write `key: value` lines")
        for key in written:
            if key not in known:
                raise self.wrong(
                    (*where, key), f"unknown key {key!r}", f"known are {', '.join(sorted(known))}"
                )
        return written


def fold(name: str) -> str:
    """A column's name as it is compared: without regard to case and outer blanks.

    >>> fold("  Device Name\\ufeff")
    'device name'
    """
    return name.strip(" \t\ufeff").casefold()
