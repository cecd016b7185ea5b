"""Made-up office days of 60 workstations and 24 servers raise none of the counters' findings."""

from __future__ import annotations

from dataclasses import replace

import pytest

from soc.collect.discovery import read
from soc.model.event import RawRecord
from soc.simulate import Plan, days
from tests.detect.baselines.flows import detectors


@pytest.mark.slow
def test_three_office_days_raise_nothing():
    """Firewall, web servers, machines: over 6,000 connections are looked at."""
    one, looked = detectors(), 0
    for record in days(Plan(days=3, workstations=60, servers=24)):
        raw = RawRecord(record.raw, record.source, received_at=record.at, host=record.host)
        for event in read(raw):
            looked += "connection" in str(event.fields.get("event.type"))
            found = list(one.observe(replace(event, agency_id="sxd", received_at=record.at)))
            assert [finding.en for finding in found] == []
    assert looked > 6_000
