"""NetFlow v9 (RFC 3954) and IPFIX (RFC 7011) datagrams, cut into sets, templates and records.

Pure: the templates known so far are an argument, and those that a datagram brings are a result.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

NETFLOW_9, IPFIX = 9, 10
FIRST_DATA_SET = 256
VARIABLE_LENGTH = 0xFFFF
ENTERPRISE_BIT = 0x8000
GREATEST_FIELD_COUNT = 1_024
TEMPLATE_SETS = {(NETFLOW_9, 0): False, (NETFLOW_9, 1): True, (IPFIX, 2): False, (IPFIX, 3): True}


class ExportError(ValueError):
    """The bytes are no datagram of these formats."""


@dataclass(frozen=True, slots=True)
class Field:
    """One element of a template; ``length`` in bytes, 65535 where the record itself tells it."""

    number: int
    length: int
    enterprise: int = 0
    is_scope: bool = False


@dataclass(frozen=True, slots=True)
class Template:
    """How the records of one set are laid out; without fields it withdraws what was known.

    A withdrawal whose number is that of the set (2, 3) is for all templates of its kind (RFC 7011, 8.1).
    """

    number: int
    fields: tuple[Field, ...]
    is_options: bool = False


@dataclass(frozen=True, slots=True)
class Head:
    """What stands before the sets; ``uptime_ms`` is of NetFlow v9 alone."""

    version: int
    exported_s: int
    sequence: int
    domain: int
    uptime_ms: int | None
    length: int  # bytes of the head itself


@dataclass(frozen=True, slots=True)
class DataSet:
    """The bytes of the records that one template describes."""

    template: int
    body: bytes


def read_head(datagram: bytes) -> Head:
    """The head of a datagram.

    Raises:
        ExportError: too short, or another version.
    """
    try:
        (version,) = struct.unpack_from("!H", datagram)
        if version == NETFLOW_9:
            uptime, at, sequence, domain = struct.unpack_from("!IIII", datagram, 4)
            return Head(version, at, sequence, domain, uptime, 20)
        if version == IPFIX:
            at, sequence, domain = struct.unpack_from("!III", datagram, 4)
            return Head(version, at, sequence, domain, None, 16)
    except struct.error as error:
        raise ExportError(f"cut short at {len(datagram)} bytes") from error
    raise ExportError(f"version {version}")


def sets(datagram: bytes, head: Head) -> Iterator[Template | DataSet]:
    """What the datagram holds, in its order.

    Raises:
        ExportError: a set or a template whose length leads out of the datagram.
    """
    end = len(datagram)
    if head.version == IPFIX:
        (told,) = struct.unpack_from("!H", datagram, 2)
        if told > end:
            raise ExportError(f"{told} bytes were told, {end} came")
        end = told
    at = head.length
    while at + 4 <= end:
        number, length = struct.unpack_from("!HH", datagram, at)
        if number == 0 and length == 0:
            return  # some exporters fill the rest of the datagram with zeros
        if length < 4 or at + length > end:
            raise ExportError(f"set {number} of {length} bytes at {at}")
        body = datagram[at + 4 : at + length]
        if number >= FIRST_DATA_SET:
            yield DataSet(number, body)
        elif (head.version, number) in TEMPLATE_SETS:
            yield from _templates(body, head.version, TEMPLATE_SETS[head.version, number])
        at += length


def _templates(body: bytes, version: int, is_options: bool) -> Iterator[Template]:
    at = 0
    while at + 4 <= len(body):
        number, count = struct.unpack_from("!HH", body, at)
        if number == 0:
            return  # padding
        at += 4
        scopes = 0
        if is_options and not (version == IPFIX and count == 0):
            scopes, count, at = _options_counts(body, at, version, count)
        if count > GREATEST_FIELD_COUNT or scopes > count:
            raise ExportError(f"template {number} of {count} fields, {scopes} of them scopes")
        fields = []
        for place in range(count):
            field, at = _field(body, at, version, place < scopes)
            fields.append(field)
        yield Template(number, tuple(fields), is_options)


def _options_counts(body: bytes, at: int, version: int, count: int) -> tuple[int, int, int]:
    """Scopes, all fields, and where they begin: v9 tells both in bytes, IPFIX in fields."""
    if at + 2 > len(body):
        raise ExportError("an options template cut short")
    (second,) = struct.unpack_from("!H", body, at)
    if version == NETFLOW_9:
        return count // 4, (count + second) // 4, at + 2
    return second, count, at + 2


def _field(body: bytes, at: int, version: int, is_scope: bool) -> tuple[Field, int]:
    try:
        number, length = struct.unpack_from("!HH", body, at)
        if version == IPFIX and number & ENTERPRISE_BIT:
            (enterprise,) = struct.unpack_from("!I", body, at + 4)
            return Field(number & ~ENTERPRISE_BIT, length, enterprise, is_scope), at + 8
    except struct.error as error:
        raise ExportError("a template cut short") from error
    return Field(number, length, 0, is_scope), at + 4


def records(data: DataSet, template: Template, *, at_most: int) -> Iterator[tuple[bytes, ...]]:
    """The values of each record, beside ``template.fields``; what is left over is padding.

    Raises:
        ExportError: a value of variable length that leads out of its set, or more than ``at_most`` records.
    """
    least = sum(1 if f.length == VARIABLE_LENGTH else f.length for f in template.fields)
    at = count = 0
    while least and at + least <= len(data.body):
        count += 1
        if count > at_most:
            raise ExportError(f"more than {at_most} records in a datagram")
        values = []
        for field in template.fields:
            start, length = _extent(data.body, at, field)
            at = start + length
            if at > len(data.body):
                raise ExportError(f"a value of {length} bytes leads out of set {data.template}")
            values.append(data.body[start:at])
        yield tuple(values)


def _extent(body: bytes, at: int, field: Field) -> tuple[int, int]:
    """Where the value starts and how many bytes it has (RFC 7011, 7: one byte, or 255 and two)."""
    if field.length != VARIABLE_LENGTH:
        return at, field.length
    if at < len(body) and body[at] < 0xFF:
        return at + 1, body[at]
    if at + 3 > len(body):
        raise ExportError("a length cut short")
    return at + 3, int.from_bytes(body[at + 1 : at + 3])


def missing(datagram: bytes, known: Mapping[int, Template]) -> frozenset[int]:
    """The templates that the datagram's data needs and that neither it nor ``known`` has."""
    seen, wanted = set(known), set()
    for part in sets(datagram, read_head(datagram)):
        if isinstance(part, Template):
            (seen.add if part.fields else seen.discard)(part.number)
        elif part.template not in seen:
            wanted.add(part.template)
    return frozenset(wanted)
