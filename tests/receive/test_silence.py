"""Agents and streams that have gone quiet."""

from __future__ import annotations

from datetime import timedelta

import pytest

from soc.collect.silence import silent
from soc.model.scope import Scope
from soc.receive.enrolment import revoke
from tests.receive.builders import NOW, PROVINCE, a_batch, a_sender


def test_an_agent_that_is_heard_is_not_silent(flow, database, sender):
    """Fifteen minutes are allowed."""
    flow.take([a_batch(sender, ["one"])], NOW)
    assert silent(database, PROVINCE, NOW + timedelta(minutes=15)) == []


def test_an_agent_that_is_no_longer_heard_is_silent(flow, database, sender):
    """With when it was last heard."""
    flow.take([a_batch(sender, ["one"])], NOW)
    (one,) = silent(database, PROVINCE, NOW + timedelta(minutes=16))
    assert (one.host, one.stream, one.last_heard_at) == ("host-of-ag-1", "", NOW)


def test_a_stream_that_brings_nothing_any_more_is_silent(flow, database, sender):
    """While the agent itself is heard by another stream."""
    later = NOW + timedelta(hours=25)
    flow.take([a_batch(sender, ["one"], stream="journal")], NOW)
    flow.take([a_batch(sender, ["two"], stream="process")], later)
    assert [one.stream for one in silent(database, PROVINCE, later)] == ["journal"]


def test_a_revoked_agent_is_not_expected(database, sender):
    """Its silence is wanted."""
    revoke(database, PROVINCE, sender.row.id, NOW)
    assert silent(database, PROVINCE, NOW + timedelta(days=1)) == []


@pytest.mark.parametrize(("agency", "seen"), [("agency-1", 1), ("agency-2", 0)])
def test_only_one_s_own_agents_are_seen(database, agency, seen):
    """The scope narrows this as all else."""
    a_sender(database)
    assert len(silent(database, Scope.of(agency), NOW + timedelta(days=1))) == seen
