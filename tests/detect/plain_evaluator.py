"""A slow and plain evaluator of Sigma rules, written from the specification and sharing nothing with the engine.

It works on the rule as YAML gives it (no pySigma) and looks at one value at a time. Only the folding of case is taken
from ``soc.normalise``, since the platform defines it there.
"""

from __future__ import annotations

import base64
import ipaddress
import re
from collections.abc import Callable, Mapping
from itertools import product
from typing import Any

from soc.normalise.folding import fold

DASHES = "-/\u2013\u2014\u2015"


def matches(rule: Mapping[str, Any], event: Mapping[str, Any]) -> bool:
    """Whether a rule's detection holds for the fields of an event; the log source is not looked at."""
    detection = rule["detection"]
    named = {
        name: (lambda content=content: selection(content, event))
        for name, content in detection.items()
        if name != "condition"
    }
    conditions = detection["condition"]
    conditions = conditions if isinstance(conditions, list) else [conditions]
    return any(Condition(text, named).value() for text in conditions)


def selection(content: Any, event: Mapping[str, Any]) -> bool:
    """A map: all items; a list of maps or texts: any of them; a text: a keyword."""
    if isinstance(content, Mapping):
        return all(item(key, value, event) for key, value in content.items())
    if isinstance(content, list):
        return any(selection(one, event) for one in content)
    return item("", content, event)


def item(key: str, wanted: Any, event: Mapping[str, Any]) -> bool:
    """One ``field|modifiers: values``."""
    name, *modifiers = key.split("|")
    if name:
        present = name in event
        value = event.get(name)
        values = value if isinstance(value, list) else [value]
        values = [one for one in values if one is not None]
    else:
        present = True
        values = [
            one
            for value in event.values()
            for one in (value if isinstance(value, list) else [value])
            if one is not None
        ]
    wanted_list = wanted if isinstance(wanted, list) else [wanted]
    link = all if "all" in modifiers else any
    found = link(
        one_wanted(each, modifiers, values, present, event, keyword=not name)
        for each in wanted_list
    )
    return not found if "neq" in modifiers else found


def one_wanted(
    wanted: Any,
    modifiers: list[str],
    values: list[Any],
    present: bool,
    event: Mapping[str, Any],
    *,
    keyword: bool,
) -> bool:
    """Whether any value of the field satisfies one wanted value."""
    if "exists" in modifiers:
        return present is wanted
    if wanted is None:
        return not values
    if "fieldref" in modifiers:
        other = event.get(wanted)
        others = [one for one in (other if isinstance(other, list) else [other]) if one is not None]
        return any(compare_texts(text(a), text(b), modifiers) for a in values for b in others)
    test = value_test(wanted, modifiers, keyword=keyword)
    return any(test(value) for value in values)


def compare_texts(value: str, other: str, modifiers: list[str]) -> bool:
    value, other = fold(value), fold(other)
    if "contains" in modifiers:
        return other in value
    if "startswith" in modifiers:
        return value.startswith(other)
    return value.endswith(other) if "endswith" in modifiers else value == other


def value_test(wanted: Any, modifiers: list[str], *, keyword: bool) -> Callable[[Any], bool]:
    """A test of one value."""
    for name, order in (
        ("lt", lambda a, b: a < b),
        ("lte", lambda a, b: a <= b),
        ("gt", lambda a, b: a > b),
        ("gte", lambda a, b: a >= b),
    ):
        if name in modifiers:
            return lambda value, order=order: (n := number(value)) is not None and order(n, wanted)
    if "cidr" in modifiers:
        network = ipaddress.ip_network(wanted)
        return lambda value: (a := address(value)) is not None and a in network
    if "re" in modifiers:
        flags = sum(
            flag for letter, flag in (("i", re.I), ("m", re.M), ("s", re.S)) if letter in modifiers
        )
        if flags & re.M and wanted.startswith(
            "^"
        ):  # PCRE: not after a line feed that ends the text
            wanted = r"(?:\A|(?<=\n)(?!\Z))" + wanted[1:]
        pattern = re.compile(wanted, flags)
        return lambda value: pattern.search(text(value)) is not None
    patterns = [pieces for each in encoded(wanted, modifiers) for pieces in [each]]
    return lambda value: any(
        like(pieces, text(value), modifiers, keyword=keyword) for pieces in patterns
    )


def like(pieces: list[str | int], value: str, modifiers: list[str], *, keyword: bool) -> bool:
    """Wildcards by the most naive recursion there is."""
    pieces = list(pieces)
    if keyword or "contains" in modifiers or "endswith" in modifiers:
        pieces = ["*", *pieces]
    if keyword or "contains" in modifiers or "startswith" in modifiers:
        pieces = [*pieces, "*"]
    flat: list[tuple[bool, str]] = []
    for piece in pieces:
        if piece in ("*", "?"):
            flat.append((True, piece))
        else:
            literal = piece[1:]
            flat += [(False, one) for one in (literal if "cased" in modifiers else fold(literal))]
    target = value if "cased" in modifiers else fold(value)
    reachable = {0}
    for special, sign in flat:
        if special and sign == "*":
            reachable = set(range(min(reachable), len(target) + 1)) if reachable else set()
        else:
            reachable = {
                place + 1
                for place in reachable
                if place < len(target) and (special or target[place] == sign)
            }
    return len(target) in reachable


def encoded(wanted: Any, modifiers: list[str]) -> list[list[str]]:
    """The patterns that a wanted value stands for: pieces "*", "?" or "=literal"."""
    variants = [text(wanted)]
    if not isinstance(wanted, str):
        return [["=" + one] for one in variants]
    for modifier in modifiers:
        if modifier in ("wide", "utf16le"):
            variants = [one.encode("utf-16-le").decode("latin-1") for one in variants]
        elif modifier == "base64":
            return [["=" + base64.b64encode(unescaped(one).encode()).decode()] for one in variants]
        elif modifier == "base64offset":
            return [["=" + part] for one in variants for part in offsets(unescaped(one).encode())]
        elif modifier == "windash":
            variants = [other for one in variants for other in dashed(one)]
    return [pieces_of(one) for one in variants]


def offsets(raw: bytes) -> list[str]:
    """The parts of Base64 that do not depend on what stands before and after."""
    found = []
    for shift in range(3):
        full = base64.b64encode(b" " * shift + raw).decode()
        start = (0, 2, 3)[shift]
        end = (None, -3, -2)[(len(raw) + shift) % 3]
        found.append(full[start:end])
    return found


def dashed(value: str) -> list[str]:
    """Every writing of the dashes that begin a word."""
    places = [found.start() for found in re.finditer(r"\B[-/]\b", value)]
    results = []
    for signs in product(DASHES, repeat=len(places)):
        letters = list(value)
        for place, sign in zip(places, signs, strict=True):
            letters[place] = sign
        results.append("".join(letters))
    return results


def pieces_of(value: str) -> list[str]:
    r"""``\*``, ``\?`` and ``\\`` are plain; any other backslash is itself."""
    pieces: list[str] = []
    literal = ""
    place = 0
    while place < len(value):
        sign = value[place]
        if sign == "\\" and place + 1 < len(value) and value[place + 1] in "*?\\":
            literal += value[place + 1]
            place += 2
            continue
        if sign in "*?":
            if literal:
                pieces.append("=" + literal)
            literal = ""
            pieces.append(sign)
        else:
            literal += sign
        place += 1
    return [*pieces, "=" + literal] if literal or not pieces else pieces


def unescaped(value: str) -> str:
    return "".join(piece[1:] for piece in pieces_of(value))


def text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value == int(value):
        return str(int(value))
    return str(value)


def number(value: Any) -> float | int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return value
    if re.fullmatch(r"0[xX][0-9a-fA-F]+", value):
        return int(value, 16)
    if re.fullmatch(r"[+-]?[0-9]+", value):
        return int(value)
    return (
        float(value) if re.fullmatch(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?", value) else None
    )


def address(value: Any) -> Any:
    try:
        found = ipaddress.ip_address(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


class Condition:
    """Recursive descent: or binds least, then and, then not."""

    def __init__(self, condition: str, named: Mapping[str, Callable[[], bool]]) -> None:
        self.words = re.findall(r"[()]|[^\s()]+", condition)
        self.named = named

    def value(self) -> bool:
        found = self.disjunction()
        assert not self.words, self.words
        return found

    def disjunction(self) -> bool:
        found = self.conjunction()
        while self.words[:1] == ["or"]:
            self.words.pop(0)
            found = self.conjunction() or found
        return found

    def conjunction(self) -> bool:
        found = self.negation()
        while self.words[:1] == ["and"]:
            self.words.pop(0)
            found = self.negation() and found
        return found

    def negation(self) -> bool:
        word = self.words.pop(0)
        if word == "not":
            return not self.negation()
        if word == "(":
            found = self.disjunction()
            assert self.words.pop(0) == ")"
            return found
        if self.words[:1] == ["of"]:
            self.words.pop(0)
            return self.several(word, self.words.pop(0))
        return self.named[word]()

    def several(self, quantity: str, pattern: str) -> bool:
        shape = ".*" if pattern == "them" else pattern.replace("*", ".*")
        chosen = [
            test()
            for name, test in self.named.items()
            if re.fullmatch(shape, name) and (shape[0] == "_" or name[0] != "_")
        ]
        return all(chosen) if quantity == "all" else any(chosen)
