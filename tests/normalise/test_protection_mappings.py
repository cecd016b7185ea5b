"""Mapping files of the EDR feed: the shipped ones are whole, and a wrong one is named with its line and a remedy."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.sources import edr
from soc.errors import MappingError, RecordError
from soc.model.event import RawRecord
from soc.normalise.fields import check
from soc.normalise.protection.mapping import load_mapping
from soc.normalise.protection.shelf import Shelf, in_force, load_shelf, put_in_force

GOOD = """\
name: acme
vendor: Acme
product: Acme Endpoint
reference: Acme Console 5
actions: {cleaned: ["*cleaned*"], failed: [failed]}
protection: {"on": [running], "off": [stopped]}
forms:
  - kind: detection
    has: [Computer, Virus]
    columns: {machine: Computer, threat: Virus, action: [Result, Action], hash: Sum, time: When}
"""
PRODUCTS = {"kaspersky", "eset", "trend_micro", "defender", "clamav", "viettel", "generic"}


def record(raw: bytes, stream: str = "") -> RawRecord:
    return RawRecord(raw, "edr", datetime(2026, 11, 22, tzinfo=UTC), stream=stream)


def a_file(folder: Path, text: str) -> Path:
    path = folder / "acme.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_every_product_has_a_mapping_that_names_its_source():
    shelf = load_shelf()
    assert {one.name for one in shelf.mappings} == PRODUCTS
    assert shelf.refused == ()
    assert shelf.mappings[-1].name == "generic"
    for one in shelf.mappings:
        head = Path(one.path).read_text("utf-8").partition("name:")[0]
        assert "# Reference:" in head, one.name
        assert {form.kind for form in one.forms} == {"detection", "state"}, one.name


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("name: acme", "name: Acme!", 1, "small letters"),
        ("vendor: Acme", "vendors: Acme", 2, "unknown key"),
        ("reference: Acme Console 5\n", "", 1, "'reference' is missing"),
        ("kind: detection", "kind: alarm", 8, "detection or state"),
        ("threat: Virus, ", "", 8, "which column holds the threat"),
        ("machine: Computer", "computer: Computer", 10, "known are"),
        ("    has: [Computer, Virus]\n", "", 8, "fits every row"),
        ("cleaned: [", "cleanned: [", 5, "known are"),
        ("hash: Sum", "hash: []", 10, "write a column"),
        ("forms:", "forms: 3\nx:", 8, "unknown key"),
        ("forms:\n", "forms:\n  - {kind: detection, line: '(', columns: {threat: x}}\n", 8, "not an expression"),
        ("vendor: Acme", "vendor: [", 3, "mend the line"),
        ("vendor: Acme", "vendor: Acme\nzone: Nowhere/At_all", 3, "no zone"),
        ("vendor: Acme", "vendor: Acme\nvendor: Other", 3, "twice"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_named_with_its_line_and_what_to_do(tmp_path, old, new, line, said):
    path = a_file(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(MappingError, match=re.escape(said)) as told:
        load_mapping(path)
    assert (
        told.value.line in (line, line + 1, line + 6) if "mend" in said else told.value.line == line
    )
    assert str(path) in str(told.value)


def test_a_wrong_file_leaves_the_others_in_use(tmp_path):
    a_file(tmp_path, GOOD.replace("kind: detection", "kind: alarm"))
    shelf = load_shelf([tmp_path])
    assert {one.name for one in shelf.mappings} == PRODUCTS
    assert len(shelf.refused) == 1


def test_an_operators_file_reads_its_product_and_one_of_a_shipped_name_takes_its_place(tmp_path):
    a_file(tmp_path, GOOD)
    (tmp_path / "eset.yaml").write_text(GOOD.replace("name: acme", "name: eset"))
    try:
        put_in_force(load_shelf([tmp_path]))
        raw = (
            b"Computer;Virus;Action;Result;Sum;When\nPC-1;X;ignore;was cleaned;"
            + b"ab" * 16
            + b";2026-11-20 09:00:00"
        )
        (event,) = edr.read(record(raw, "edr/acme/x"))
        assert in_force().named("eset").product == "Acme Endpoint"
    finally:
        put_in_force(None)
    assert event.observed_at == datetime(2026, 11, 20, 2, 0, tzinfo=UTC)
    assert (event.fields["edr.action"], event.fields["edr.hash"]) == ("cleaned", "ab" * 16)


def test_a_stream_that_names_a_mapping_that_is_not_there_tells_where_to_put_it():
    with pytest.raises(RecordError, match="put nix"):
        list(edr.read(record(b"machine,threat\nPC,X", "edr/nix/drop:/x")))


@pytest.mark.parametrize(
    ("product", "said", "means"),
    [
        ("kaspersky", "GNRL_EV_OBJECT_NOTCURED", "failed"),
        ("kaspersky", "GNRL_EV_OBJECT_CURED", "cleaned"),
        ("eset", "error while cleaning", "failed"),
        ("eset", "Cleaned by deleting", "deleted"),
        ("trend_micro", "Unable to quarantine file", "failed"),
        ("trend_micro", "File renamed", "quarantined"),
        ("defender", "3", "quarantined"),
        ("defender", "Prevented", "blocked"),
        ("viettel", "đã cách ly", "quarantined"),
        ("generic", "whatever", "unknown"),
    ],
)  # fmt: skip
def test_what_was_done_is_understood_as_the_product_means_it(product, said, means):
    mapping = in_force().named(product)
    assert mapping is not None
    assert mapping.action(said) == means


ROW = st.dictionaries(
    st.sampled_from(
        ["machine", "threat", "ip", "sha256", "path", "action", "time", "protection", "last_contact",
         "signature_date", "signature_age_days", "user", "id", "x"]
    ),
    st.text(max_size=60) | st.integers() | st.none() | st.booleans() | st.lists(st.text(max_size=9), max_size=3),
    max_size=12,
)  # fmt: skip


@settings(deadline=None)  # the first row loads the files
@given(ROW)
def test_any_row_becomes_known_fields_or_a_record_error(row):
    import orjson

    raw = orjson.dumps(row, option=orjson.OPT_NON_STR_KEYS) if _fits(row) else b"{}"
    try:
        (event,) = edr.read(record(raw))
    except RecordError:
        return
    check(event.fields)
    assert event.fields["event.kind"] in ("alert", "state")
    assert event.observed_at.tzinfo is not None


def _fits(row: dict[str, object]) -> bool:
    return all(abs(one) < 2**63 for one in row.values() if isinstance(one, int))


@settings(deadline=None)  # the first row loads the files
@given(
    st.binary(max_size=300) | st.binary(max_size=200).map(lambda tail: b"machine,threat\n" + tail)
)
def test_any_bytes_become_an_event_or_a_record_error(raw):
    try:
        for event in edr.read(record(raw)):
            check(event.fields)
    except RecordError:
        return


@settings(deadline=None)  # the first row loads the files
@given(
    st.binary(max_size=300)
    | st.text(max_size=300).map(lambda text: (GOOD + text).encode("utf-8", "replace"))
)
def test_any_bytes_as_a_mapping_file_are_refused_or_read(content):
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.yaml"
        path.write_bytes(content)
        refused = None
        try:
            load_mapping(path)
        except MappingError as error:
            refused = error
        assert refused is None or (refused.line >= 1 and refused.remedy)


def test_an_empty_shelf_names_the_columns_that_nobody_knows():
    try:
        put_in_force(Shelf(()))
        with pytest.raises(RecordError, match=r"machine, threat"):
            list(edr.read(record(b"machine,threat\nPC,X")))
    finally:
        put_in_force(None)
