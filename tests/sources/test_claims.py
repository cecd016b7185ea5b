"""With the source "auto" the bytes alone decide: every sample of every reader is claimed by its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from soc.collect.discovery import claimants, read, sniff
from tests.sources.accept import as_received, expected, raw_records, samples

ONLY_BY_NAME = {"edr": frozenset({"unparsed"}), "syslog": frozenset({"unparsed"})}
"""Readers, and who may claim their samples: words without an envelope are syslog only where an input says so."""


LATE = ["key_value", "syslog"]
"""Pairs after a syslog head are both, and better read as pairs: the one turn whose order is meant."""


def readable(sample: Path) -> list[bytes]:
    """The records of a sample that its reader can read."""
    outcomes = [json.loads(line) for line in expected(sample).read_text("utf-8").splitlines()]
    records = raw_records(sample)
    return (
        records
        if len(records) != len(outcomes)
        else [raw for raw, outcome in zip(records, outcomes, strict=True) if "error" not in outcome]
    )


@pytest.mark.parametrize(
    "sample", samples(), ids=lambda sample: f"{sample.parent.name}-{sample.stem}"
)
def test_every_sample_is_claimed_by_its_own_reader(sample: Path) -> None:
    """A new reader takes nothing from the others."""
    own = sample.parent.name
    others = {name for raw in readable(sample) if (name := sniff(raw)) != own}
    assert others <= ONLY_BY_NAME.get(own, frozenset())


@pytest.mark.parametrize(
    "sample", samples(), ids=lambda sample: f"{sample.parent.name}-{sample.stem}"
)
def test_no_two_readers_want_the_same_line(sample: Path) -> None:
    """Which of them gets it would hang on the alphabet. (Generic readers are asked in later turns.)"""
    shared = {raw: names for raw in raw_records(sample) if len(names := claimants(raw)) > 1}
    assert {raw: names for raw, names in shared.items() if names != LATE} == {}


@pytest.mark.parametrize("raw", [b"", b"\r\n", b"\x00\x01\x02", b"MZ\x90\x00\x03\x00\x00\x00\x04"])
def test_nothing_and_bytes_that_are_no_text_are_claimed_by_nobody(raw: bytes) -> None:
    """They are set aside, and can be replayed with a named source."""
    assert sniff(raw) is None


def test_a_line_that_nobody_knows_is_kept_and_found_by_its_words_and_its_device() -> None:
    """It is no loss, and says which device still wants a reader."""
    line = "appliance 7 says: quạt chậm"
    (event,) = read(as_received(line.encode(), "auto"))
    assert (event.source, event.fields["event.dataset"]) == ("unparsed", "unparsed")
    assert (event.fields["message"], event.fields["host.name"]) == (line, "may01")
    assert event.raw == line.encode()
