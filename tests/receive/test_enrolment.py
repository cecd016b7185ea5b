"""Tokens and enrolment."""

from __future__ import annotations

import base64
import json
from datetime import timedelta

import pytest
from sqlalchemy import select

from soc.errors import BatchError, NotAuthenticated, NotFound
from soc.model.register import Owner
from soc.model.scope import Scope
from soc.receive.enrolment import Identities, Request, create_token, enrol, read_request, revoke
from soc.records.agents import AgentRow, EnrolmentTokenRow
from tests.receive.builders import NOW, PROVINCE

KEY = bytes(range(32))


def a_request(secret: str, name: str = "srv-01") -> Request:
    return Request(secret, name, base64.b64encode(KEY).decode(), "Debian 12", "0.1", "0" * 32)


def test_a_token_makes_an_agent_of_the_token_s_owner(database):
    """The agent cannot choose its agency."""
    token = create_token(database, PROVINCE, NOW, owner=Owner("a1", "s1", 3), group="servers")
    agent_id = enrol(database, a_request(token.secret), KEY, NOW)
    agent = Identities(database).find(agent_id)
    assert (agent.name, agent.agency_id, agent.system_id, agent.group) == (
        "srv-01",
        "a1",
        "s1",
        "servers",
    )


def test_only_the_hash_of_a_token_is_kept(database):
    """Who reads the database cannot enrol."""
    token = create_token(database, PROVINCE, NOW)
    with database.session(PROVINCE) as session:
        row = session.scalars(select(EnrolmentTokenRow)).one()
    assert token.secret not in json.dumps(
        {c.name: str(getattr(row, c.name)) for c in row.__table__.columns}
    )


def test_a_token_can_stand_on_a_command_line(database):
    secrets = [create_token(database, PROVINCE, NOW).secret for _ in range(20)]
    assert all(secret.isalnum() and len(secret) == 64 for secret in secrets)


def test_a_token_serves_as_often_as_it_says(database):
    """Then it is used up."""
    token = create_token(database, PROVINCE, NOW, uses=2)
    for number in (1, 2):
        enrol(database, a_request(token.secret), bytes([number]) * 32, NOW)
    with pytest.raises(NotAuthenticated, match="used up"):
        enrol(database, a_request(token.secret), bytes([3]) * 32, NOW)


def test_an_answer_that_was_lost_can_be_asked_for_again(database):
    """The same key gets the same id and uses nothing up."""
    token = create_token(database, PROVINCE, NOW)
    first = enrol(database, a_request(token.secret), KEY, NOW)
    assert enrol(database, a_request(token.secret), KEY, NOW) == first


@pytest.mark.parametrize("later", [timedelta(days=7), timedelta(days=30)])
def test_a_token_expires(database, later):
    """Also when it was never used."""
    token = create_token(database, PROVINCE, NOW)
    with pytest.raises(NotAuthenticated, match="expired"):
        enrol(database, a_request(token.secret), KEY, NOW + later)


def test_an_unknown_token_is_refused(database):
    """And leaves no agent."""
    with pytest.raises(NotAuthenticated, match="unknown"):
        enrol(database, a_request("guessed"), KEY, NOW)
    with database.session(PROVINCE) as session:
        assert session.scalars(select(AgentRow)).all() == []


def test_a_revoked_key_stays_out(database):
    """Not even with a fresh token."""
    first = create_token(database, PROVINCE, NOW)
    revoke(database, PROVINCE, enrol(database, a_request(first.secret), KEY, NOW), NOW)
    second = create_token(database, PROVINCE, NOW)
    with pytest.raises(NotAuthenticated, match="revoked"):
        enrol(database, a_request(second.secret), KEY, NOW)


def test_an_agent_of_another_agency_cannot_be_revoked(database):
    """The scope decides who is seen at all."""
    token = create_token(database, PROVINCE, NOW, owner=Owner("a1"))
    agent_id = enrol(database, a_request(token.secret), KEY, NOW)
    with pytest.raises(NotFound):
        revoke(database, Scope.of("a2"), agent_id, NOW)


def test_a_revocation_is_noticed_when_the_memory_is_old(database):
    """A known agent is looked up again after a second."""
    token = create_token(database, PROVINCE, NOW)
    agent_id = enrol(database, a_request(token.secret), KEY, NOW)
    identities = Identities(database, fresh_seconds=0)
    assert identities.find(agent_id).revoked_at is None
    revoke(database, PROVINCE, agent_id, NOW)
    assert identities.find(agent_id).revoked_at == NOW


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"token": "t", "name": "\xff", "public_key": ""}',
        b'{"token": "t", "name": "n", "public_key": "AAAA"}',
        b'{"token": "t", "name": "n", "public_key": "not base64!"}',
        b'{"token": "t", "name": 7, "public_key": "AAAA"}',
    ],
)
def test_a_request_that_is_none_is_refused(body):
    """With a reason."""
    with pytest.raises(BatchError, match="enrolment: "):
        read_request(body)
