"""The public EVTX recordings, read record by record."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from evtx import PyEvtxParser

from collectors.sources.windows.xml_text import NOT_XML, parse_any, parse_plain
from soc.collect.discovery import read
from soc.errors import RecordError
from soc.normalise.fields import check
from tests.sources.accept import as_received

FOLDERS = ("evtx-attack-samples", "evtx-to-mitre", "sigma-regression")
LEAST_SHARE = 0.95


def rendered_records(corpus: Path) -> list[str]:
    """The XML of every record of every EVTX file."""
    files = sorted(path for folder in FOLDERS for path in (corpus / folder).rglob("*.evtx"))
    assert files, "the corpus has no EVTX files"
    return [record["data"] for path in files for record in PyEvtxParser(str(path)).records()]


def test_nearly_all_evtx_records_become_events(corpus: Path) -> None:
    """Each of the rest has a reason."""
    counts: Counter[str] = Counter()
    for text in rendered_records(corpus):
        try:
            (event,) = read(as_received(text.encode(), "windows_xml"))
        except RecordError as error:
            counts[error.reason] += 1
        else:
            check(event.fields)
            counts["read"] += 1
    print(f"\n{counts.total()} records:", dict(counts))
    assert "" not in counts
    assert counts["read"] >= LEAST_SHARE * counts.total()


def test_the_fast_way_and_lxml_give_the_same_records(corpus: Path) -> None:
    """Differential, over every record without characters that XML forbids (lxml cannot be given those)."""
    compared = 0
    for text in rendered_records(corpus):
        plain = parse_plain(text)
        if plain is not None and not NOT_XML.search(text):
            assert plain == parse_any(text)
            compared += 1
    assert compared > 7_000
