"""Every golden sample becomes what its ``.events.jsonl`` says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from soc.collect.discovery import readers
from soc.normalise.fields import check
from tests.sources.accept import expected, outcomes, raw_records, samples

SAMPLES = samples()


def name_of(sample: Path) -> str:
    return f"{sample.parent.name}-{sample.stem}"


@pytest.mark.parametrize("sample", SAMPLES, ids=name_of)
def test_becomes_what_was_accepted(sample: Path) -> None:
    """A change of a reader shows as a changed expectation (``make accept``), read in the diff."""
    accepted = [json.loads(line) for line in expected(sample).read_text("utf-8").splitlines()]
    assert list(outcomes(sample)) == accepted


@pytest.mark.parametrize("sample", SAMPLES, ids=name_of)
def test_every_field_is_in_the_published_list(sample: Path) -> None:
    """An event with a name outside the list would be refused."""
    for outcome in outcomes(sample):
        fields = outcome.get("fields", {})
        assert isinstance(fields, dict)
        check(fields)


def test_each_reader_has_a_sample() -> None:
    """A reader without a sample is a promise nobody looks at."""
    assert {sample.parent.name for sample in SAMPLES} == set(readers())


def test_no_expectation_is_left_without_its_sample() -> None:
    """A renamed sample takes its expectation along."""
    kept = {expected(sample) for sample in SAMPLES}
    assert set(Path(__file__).parent.glob("*/*.events.jsonl")) == kept


def test_the_records_of_a_sample_are_its_bytes() -> None:
    """Nothing between the file and the reader touches them."""
    sample = Path(__file__).parent / "journal" / "entries.log"
    assert b"\n".join(raw_records(sample)) + b"\n" == sample.read_bytes()
