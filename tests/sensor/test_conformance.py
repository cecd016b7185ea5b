"""What the public captures expect of an IDS is found; docs/network-conformance.md says so, and names every miss."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sensor import conformance_page
from tests.sensor.suricata_cases import Filter, all_filters

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def filters(corpus: Path) -> list[Filter]:
    return all_filters(corpus / "suricata-verify")


def test_nineteen_cases_of_twenty_agree_in_all_their_filters(filters: list[Filter]):
    agreeing, compared = conformance_page.cases(filters)
    assert len(compared) >= 55
    assert len(agreeing) >= 0.95 * len(compared), sorted(compared - agreeing)


def test_every_miss_is_named_with_its_reason(filters: list[Filter]):
    """And no reason stands for a miss that is none any more."""
    missed = {one.case for one in filters if not one.left_out and not one.agrees}
    assert missed == set(conformance_page.MISSES)


def test_the_page_is_what_was_found(filters: list[Filter]):
    assert conformance_page.PAGE.read_text() == conformance_page.page(filters), (
        "run `python -m tests.sensor.conformance_page` and read the diff"
    )
