from __future__ import annotations

import pytest

from soc.alert.priority import ASSET_FACTOR, LEVEL_FACTOR, priority
from soc.alert.summary import LONGEST, summary
from soc.model.alert import Severity


def test_a_priority_lies_between_nought_and_a_hundred():
    """Whatever the severity, asset and level."""
    found = [
        priority(severity, criticality=asset, system_level=level)
        for severity in Severity
        for asset in ASSET_FACTOR
        for level in LEVEL_FACTOR
    ]
    assert 0 <= min(found) < max(found) == 100


@pytest.mark.parametrize("criticality", ASSET_FACTOR)
@pytest.mark.parametrize("level", LEVEL_FACTOR)
def test_a_graver_severity_is_never_less_urgent(criticality, level):
    """On the same asset of the same system."""
    found = [priority(one, criticality=criticality, system_level=level) for one in Severity]
    assert found == sorted(found)


def test_a_severity_that_nobody_knows_counts_as_medium():
    """A rule of a stranger must not vanish at the bottom."""
    assert priority("weird") == priority("medium")


def test_the_command_line_tells_more_than_the_user():
    """One line for the queue."""
    assert summary({"user.name": "an", "process.command_line": "sh\n -c  x"}) == "sh -c x"


def test_a_summary_is_cut_with_an_ellipsis():
    """A script of a megabyte does not fill the queue."""
    assert summary({"process.command_line": "x" * 9999}) == "x" * (LONGEST - 1) + "…"
