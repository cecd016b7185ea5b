"""STIX 2.1 bundles: the indicators whose patterns are plain comparisons.

A pattern such as ``[ipv4-addr:value = '203.0.113.7' OR domain-name:value = 'xau.example']`` is as many indicators as it
has comparisons. A pattern that needs several things at once (AND, FOLLOWEDBY, a qualifier) is more than one value can
say: it is refused by its id.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any

import msgspec
from stix2patterns.exceptions import ParseException
from stix2patterns.v21.pattern import Pattern

from soc.detect.indicators.files import Defaults, ReadFile, made_of, read_tlp
from soc.detect.indicators.values import read_value
from soc.errors import IndicatorError
from soc.model.indicator import Indicator, Kind, Tlp

LONGEST_PATTERN = 10_000  # characters; the parser is slow beyond
TEXT = re.compile(r"'((?:[^'\\]|\\.)*)'")  # in quotes, with escapes
PATHS: Mapping[tuple[str, str], Kind] = {
    ("ipv4-addr", "value"): Kind.IP,
    ("ipv6-addr", "value"): Kind.IP,
    ("domain-name", "value"): Kind.DOMAIN,
    ("url", "value"): Kind.URL,
    ("email-addr", "value"): Kind.EMAIL,
    ("file", "hashes.MD5"): Kind.HASH,
    ("file", "hashes.SHA-1"): Kind.HASH,
    ("file", "hashes.SHA-256"): Kind.HASH,
    ("network-traffic", "dst_ref.value"): Kind.IP,
    ("network-traffic", "src_ref.value"): Kind.IP,
    ("email-message", "from_ref.value"): Kind.EMAIL,
}
TLP1 = {  # STIX 2.1 section 7.2.1.4
    "marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9": Tlp.CLEAR,
    "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da": Tlp.GREEN,
    "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82": Tlp.AMBER,
    "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed": Tlp.RED,
}


Time = Annotated[datetime, msgspec.Meta(tz=True)]


class _Object(msgspec.Struct):
    type: str
    id: str = ""
    name: str = ""
    description: str = ""
    pattern: str = ""
    pattern_type: str = "stix"
    valid_from: Time | None = None
    valid_until: Time | None = None
    revoked: bool = False
    object_marking_refs: list[str] = []
    definition: dict[str, Any] = {}
    extensions: dict[str, Any] = {}


class _Bundle(msgspec.Struct):
    objects: Annotated[list[msgspec.Raw], msgspec.Meta(max_length=2_000_000)]


_read_bundle = msgspec.json.Decoder(_Bundle).decode
_read_object = msgspec.json.Decoder(_Object).decode


def read_bundle(name: str, content: bytes, defaults: Defaults) -> ReadFile:
    """The indicators of a bundle.

    Raises:
        IndicatorError: it is no bundle.
    """
    try:
        bundle = _read_bundle(content)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise IndicatorError(f"{name}: not a STIX bundle: {error}") from error
    read, objects = ReadFile(), []
    for number, raw in enumerate(bundle.objects):
        try:
            objects.append(_read_object(raw))
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            read.refuse(f"{name}: objects[{number}]", str(error))
    markings = TLP1 | {one.id: label for one in objects if (label := _label(one))}
    for one in objects:
        if one.type != "indicator" or one.revoked:
            continue
        try:
            read.indicators += _indicators(one, markings, defaults)
        except IndicatorError as error:
            read.refuse(f"{name}: {one.id}", str(error))
    return read


def _label(one: _Object) -> Tlp | None:
    """The TLP label of a marking definition, of TLP 1 (``definition``) or 2.0 (the OASIS extension)."""
    if one.type != "marking-definition":
        return None
    texts = [one.definition.get("tlp"), one.name]
    texts += [held.get("tlp_2_0") for held in one.extensions.values() if isinstance(held, dict)]
    for text in texts:
        try:
            if isinstance(text, str) and (label := read_tlp(text)):
                return label
        except IndicatorError:
            continue  # a statement's name, not a label
    return None


def _indicators(
    one: _Object, markings: Mapping[str, Tlp], defaults: Defaults
) -> Iterator[Indicator]:
    if one.pattern_type != "stix":
        raise IndicatorError(
            f"its pattern is of the type {one.pattern_type!r}, only 'stix' is read"
        )
    start = one.valid_from or defaults.now
    labels = [markings[ref] for ref in one.object_marking_refs if ref in markings]
    strictest = min(labels, key=list(Tlp).index) if labels else defaults.tlp
    for kind, value in _values(one.pattern):
        made = made_of(kind, value, replace(defaults, tlp=strictest))
        end = one.valid_until or max(made.expires_at, start)
        if end <= start:
            raise IndicatorError("it ends before it begins")
        note = " ".join(f"{one.name}. {one.description}".split()).strip(". ")
        yield replace(made, valid_from=start, expires_at=end, note=note[:2_000])


def _values(pattern: str) -> Iterator[tuple[Kind, str]]:
    if len(pattern) > LONGEST_PATTERN:
        raise IndicatorError(f"its pattern has over {LONGEST_PATTERN} characters")
    try:
        found = Pattern(pattern).inspect()
    except (ParseException, RecursionError) as error:
        raise IndicatorError(f"its pattern cannot be read: {str(error)[:200]}") from error
    if found.qualifiers or found.observation_ops - {"OR"} or _joined(pattern):
        raise IndicatorError("its pattern needs several things at once; write it as a rule")
    for name, comparisons in found.comparisons.items():
        for path, operator, operand in comparisons:
            kind = PATHS.get((name, ".".join(map(str, path))))
            if kind is None or operator not in ("=", "IN", "ISSUBSET"):
                raise IndicatorError(
                    f"its pattern compares {name}:{'.'.join(map(str, path))} by {operator}"
                )
            for text in TEXT.findall(operand):  # of IN there are several
                yield read_value(re.sub(r"\\(.)", r"\1", text), kind)


def _joined(pattern: str) -> bool:
    """Whether a comparison stands under AND or NOT; texts in quotes do not count."""
    return re.search(r"\b(AND|NOT|FOLLOWEDBY)\b", TEXT.sub("", pattern)) is not None
