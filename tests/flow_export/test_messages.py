"""NetFlow v9 and IPFIX datagrams: sets, templates and records."""

from __future__ import annotations

import struct
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from collectors.flow_export.messages import (
    DataSet,
    ExportError,
    Field,
    Template,
    missing,
    read_head,
    records,
    sets,
)


def ipfix(*parts: bytes) -> bytes:
    """An IPFIX datagram of domain 7."""
    body = b"".join(parts)
    return struct.pack("!HHIII", 10, 16 + len(body), 1_700_000_000, 1, 7) + body


def one_set(number: int, body: bytes) -> bytes:
    return struct.pack("!HH", number, 4 + len(body)) + body


TEMPLATE = one_set(2, struct.pack("!HHHHHHI", 256, 2, 8, 4, 0x8000 | 5, 0xFFFF, 29305))
DATA = one_set(
    256, b"\x0a\x01\x02\x03" + b"\x02hi" + b"\x0a\x01\x02\x04" + b"\xff\x00\x01x" + b"\0"
)


def test_a_template_and_its_records_are_read():
    """Enterprise numbers, both forms of a variable length, and padding at the end."""
    datagram = ipfix(TEMPLATE, DATA)
    template, data = sets(datagram, read_head(datagram))
    assert isinstance(template, Template)
    assert isinstance(data, DataSet)
    assert template.fields == (Field(8, 4), Field(5, 0xFFFF, 29305))
    assert list(records(data, template, at_most=2)) == [
        (b"\x0a\x01\x02\x03", b"hi"),
        (b"\x0a\x01\x02\x04", b"x"),
    ]


def test_data_before_its_template_is_told():
    """The template that is missing is named; with it nothing is missing."""
    assert missing(ipfix(DATA), {}) == {256}
    assert missing(ipfix(TEMPLATE, DATA), {}) == frozenset()


SETS = st.builds(one_set, st.sampled_from([0, 1, 2, 3, 256]), st.binary(max_size=120))


@given(
    st.one_of(
        st.binary(max_size=400),
        st.lists(SETS, max_size=5).map(lambda parts: ipfix(TEMPLATE, *parts)),
        st.lists(SETS, max_size=5).map(lambda parts: b"\0\x09" + bytes(18) + b"".join(parts)),
    )
)
def test_any_bytes_end_in_records_or_a_refusal(datagram: bytes):
    """Never another error, and never more records than there are bytes."""
    try:
        known = {}
        for part in sets(datagram, read_head(datagram)):
            if isinstance(part, Template):
                known[part.number] = part
            elif part.template in known:
                assert len(list(records(part, known[part.template], at_most=400))) <= len(part.body)
    except ExportError:
        return


def test_the_packets_of_vendors_are_read(corpus: Path):
    """Every NetFlow v9 and IPFIX sample but those made to be invalid is read to its end."""
    refused, parts = [], 0
    for path in sorted((corpus / "netflow-samples/spec/codecs").glob("*_test_*.dat")):
        datagram = path.read_bytes()
        try:
            parts += len(list(sets(datagram, read_head(datagram))))
        except ExportError as error:
            refused.append((path.name, str(error)))
    assert [name for name, _ in refused if "invalid" not in name] == [], refused
    assert parts > 50
