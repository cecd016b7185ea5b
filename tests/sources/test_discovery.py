"""Which reader reads a record."""

from __future__ import annotations

import pytest

from soc.collect.discovery import read, readers, sniff
from soc.errors import RecordError
from soc.normalise.fields import NAMESPACES
from tests.sources.accept import as_received, raw_records, samples

OWN_FORM = {"windows_xml", "linux_audit", "journal", "linux_process", "soc_agent", "syslog"}


def test_every_source_of_the_wire_has_a_reader() -> None:
    """The agent names these sources."""
    assert {
        "windows_xml",
        "linux_audit",
        "linux_process",
        "journal",
        "syslog",
        "json_lines",
        "soc_agent",
    } <= set(readers())


def test_every_vendor_namespace_is_published() -> None:
    """A source may only use namespaces that the field list knows."""
    named = {space for reader in readers().values() for space in reader.source.namespaces}
    assert named <= NAMESPACES


@pytest.mark.parametrize("source", sorted(OWN_FORM))
def test_a_record_is_claimed_by_its_own_reader(source: str) -> None:
    """With the source "auto" the bytes alone decide."""
    first = [raw_records(sample)[0] for sample in samples() if sample.parent.name == source]
    assert {sniff(raw) for raw in first} == {source}


def test_bytes_that_nobody_claims_are_a_record_error() -> None:
    """They are set aside, and can be replayed with a named source."""
    with pytest.raises(RecordError, match="no reader knows these bytes"):
        read(as_received(b"\x00\x01\x02", "auto"))


def test_an_unknown_source_is_a_record_error() -> None:
    """An agent newer than the platform may name one."""
    with pytest.raises(RecordError, match="there is no reader 'netflow'"):
        read(as_received(b"x", "netflow"))
