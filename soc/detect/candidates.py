"""A query that every event which a rule matches satisfies: what a backfill reads instead of all of history.

It may find more than the rule matches and never less, so whatever cannot be said for certain is left out: a "not", an
expression, a number that may be written in another way. The matcher then judges each candidate.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from soc.detect.atoms import KEYWORDS, MANY, Atom, Node, children
from soc.detect.packs import PackField
from soc.normalise.fields import ECS, is_known
from soc.normalise.folding import fold

NOT_INDEXED = "soc.not_indexed:*"  # events with a value too long for the index: always candidates
EVERYTHING = ""
MOST_CHOICES = 200  # parts of one "or"; of more, the rest of the condition must do
LONGEST = 200  # characters of one value
LONGEST_QUERY = 16_384  # characters; the engine bounds what patterns may cost
PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
SPELLED_ONE_WAY = frozenset({"keyword", "constant_keyword", "wildcard", "ip", "long"})
"""Types of fields whose numbers have one spelling; elsewhere 5 may be kept as 5.0, which the index tells apart."""
LOOKS_NUMERIC = re.compile(r"[+-]?[0-9.]+([eE][+-]?[0-9]+)?|inf|nan|true|false")
NAMES_OF_TIMES = frozenset(
    {"@timestamp", "observed_at", "received_at", "event.ingested", "event.id"}
)


def candidates(condition: Node, fields: Mapping[str, PackField]) -> str:
    """The query; "" asks for everything."""
    found = _query(condition, fields)
    if found is None or len(found) > LONGEST_QUERY:
        return EVERYTHING
    return f"{found} OR {NOT_INDEXED}"


def _query(node: Node, fields: Mapping[str, PackField]) -> str | None:
    kind = node[0]
    if kind == "atom":
        return _atom(node[1], fields[node[1]].atoms[node[2]])
    if kind == "not":
        return None
    parts = [_query(child, fields) for child in children(node)]
    if kind == "or":
        known = [part for part in parts if part is not None]
        if len(known) < len(parts) or len(parts) > MOST_CHOICES or not parts:
            return None
        return _joined(known, " OR ")
    known = [part for part in parts if part is not None]
    return _joined(known, " AND ") if known else None


def _joined(parts: Sequence[str], by: str) -> str:
    once = list(dict.fromkeys(parts))
    return once[0] if len(once) == 1 else f"({by.join(once)})"


def _atom(name: str, atom: Atom) -> str | None:
    if not _is_text(name):
        return None
    if atom.kind in ("equals", "equals_cased"):
        text = fold(atom.spec)
        if not 0 < len(text) <= LONGEST:
            return None
        if LOOKS_NUMERIC.fullmatch(text) and ECS.get(name) not in SPELLED_ONE_WAY:
            return None
        return f'{name}:"{_quoted(text)}"'
    if atom.kind in ("like", "like_cased"):
        literals = [part for part in atom.spec if isinstance(part, str)]
        if not literals or sum(map(len, literals)) > LONGEST:
            return None
        return f"{name}:{''.join(map(_pattern, atom.spec))}"
    return None


def _pattern(part: str | int) -> str:
    if isinstance(part, str):
        return "".join(one if one.isalnum() else f"\\{one}" for one in fold(part))
    return "*" if part == MANY else "?"


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _is_text(name: str) -> bool:
    """Whether the store finds values of this field whole, as texts."""
    if name == KEYWORDS or name in NAMES_OF_TIMES or not PLAIN_NAME.fullmatch(name):
        return False
    kind = ECS.get(name)
    return is_known(name) and (kind is None or kind in SPELLED_ONE_WAY)
