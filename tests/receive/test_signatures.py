"""Who sent this? Only a fresh, right signature of a known agent is an answer."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soc.errors import NotAuthenticated, Overloaded
from soc.receive.signatures import ClockWrong, Nonces, Verifier, check_digest, read_signature
from tests.receive.builders import NOW, Sender, a_sender

BODY = b"the body"


@pytest.fixture
def agent() -> Sender:
    return a_sender()


@pytest.fixture
def verifier(agent) -> Verifier:
    return Verifier({agent.row.id: agent.row}.get)


def verify(verifier, headers, *, method="POST", path="/v1/batches", now=NOW):
    return verifier.verify(method, path, headers, now)


def test_a_right_signature_names_the_agent(verifier, agent):
    """Nothing but the headers is needed."""
    headers = agent.headers("POST", "/v1/batches", BODY, created=NOW)
    assert verify(verifier, headers) is agent.row


@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/batches"), ("POST", "/v1/config")])
def test_a_signature_is_good_for_its_own_request_only(verifier, agent, method, path):
    """Method and path are signed."""
    headers = agent.headers("POST", "/v1/batches", BODY, created=NOW)
    with pytest.raises(NotAuthenticated, match="signature is wrong"):
        verify(verifier, headers, method=method, path=path)


def test_another_digest_makes_the_signature_wrong(verifier, agent):
    """A man in the middle cannot put his own digest."""
    headers = agent.headers("POST", "/v1/batches", BODY, created=NOW)
    headers |= {"content-digest": agent.headers("POST", "/", b"other")["content-digest"]}
    with pytest.raises(NotAuthenticated, match="signature is wrong"):
        verify(verifier, headers)


def test_a_body_that_is_not_the_signed_one_is_refused(agent):
    """Nor his own body under the old digest."""
    headers = agent.headers("POST", "/v1/batches", BODY)
    with pytest.raises(NotAuthenticated, match="digest"):
        check_digest(headers["content-digest"], b"other")


def test_a_nonce_serves_once(verifier, agent):
    """A recorded request sent again is refused."""
    headers = agent.headers("POST", "/v1/batches", BODY, created=NOW)
    verify(verifier, headers)
    with pytest.raises(NotAuthenticated, match="used before"):
        verify(verifier, headers, now=NOW + timedelta(seconds=299))


@pytest.mark.parametrize("seconds", [-301, 301])
def test_a_clock_that_is_wrong_is_told_by_how_much(verifier, agent, seconds):
    """So that the agent can correct itself."""
    created = NOW + timedelta(seconds=seconds)
    with pytest.raises(ClockWrong) as caught:
        verify(verifier, agent.headers("POST", "/v1/batches", BODY, created=created))
    assert caught.value.offset == timedelta(seconds=seconds)


@pytest.mark.parametrize("seconds", [-300, 300])
def test_the_window_includes_its_ends(verifier, agent, seconds):
    """Five minutes to both sides."""
    created = NOW + timedelta(seconds=seconds)
    headers = agent.headers("POST", "/v1/batches", BODY, created=created)
    assert verify(verifier, headers) is agent.row


def test_a_revoked_agent_is_refused(verifier, agent):
    """Its signature is right, and no help."""
    agent.row.revoked_at = NOW
    with pytest.raises(NotAuthenticated, match="revoked"):
        verify(verifier, agent.headers("POST", "/v1/batches", BODY, created=NOW))


def test_an_unknown_agent_is_refused(verifier):
    """A key of one's own making proves nothing."""
    stranger = a_sender(name="ag-stranger")
    with pytest.raises(NotAuthenticated, match="no agent 'ag-stranger'"):
        verify(verifier, stranger.headers("POST", "/v1/batches", BODY, created=NOW))


def test_a_key_of_another_agent_is_refused(verifier, agent):
    """Knowing an agent's id is not having its key."""
    other = Sender(agent.row, a_sender(name="ag-2").key)
    with pytest.raises(NotAuthenticated, match="signature is wrong"):
        verify(verifier, other.headers("POST", "/v1/batches", BODY, created=NOW))


@pytest.mark.parametrize(
    "change",
    [
        {"signature-input": ""},
        {"signature": ""},
        {"signature": "sig1=:AAAA:"},
        {"signature": "sig1=:====:"},
        {"content-digest": "sha-512=:AAAA:"},
        {"signature-input": 'sig1=("@method");created=1;nonce="a";keyid="ag-1";alg="ed25519"'},
    ],
)
def test_odd_headers_are_refused(verifier, agent, change):
    """One form is accepted, and no other."""
    headers = agent.headers("POST", "/v1/batches", BODY, created=NOW) | change
    with pytest.raises(NotAuthenticated):
        verify(verifier, headers)


@pytest.mark.parametrize(
    "parameters",
    [
        'created=1;nonce="a";keyid="k";alg="hmac-sha256"',
        'created="x";nonce="a";keyid="k";alg="ed25519"',
        'created=1;nonce="a";keyid="k"',
        'created=1;created=2;nonce="a";keyid="k";alg="ed25519"',
        'created=999999999999999;nonce="a";keyid="k";alg="ed25519"',
    ],
)
def test_odd_parameters_are_refused(parameters):
    """Another algorithm, a missing one, one twice, a time after the year 9999."""
    given = f'sig1=("@method" "@path" "content-digest");{parameters}'
    with pytest.raises(NotAuthenticated):
        read_signature({"signature-input": given, "signature": "sig1=:AAAA:"})


@given(st.text(max_size=300), st.text(max_size=100))
def test_any_headers_are_read_or_refused(given_input, value):
    """Nothing else comes out."""
    for text in (given_input, f'sig1=("@method" "@path" "content-digest");{given_input}'):
        with suppress(NotAuthenticated):
            read_signature({"signature-input": text, "signature": f"sig1=:{value}:"})


def test_the_memory_for_nonces_refuses_rather_than_forgets():
    """An agent cannot push its own old nonces out."""
    nonces = Nonces(limit_per_agent=3)
    for number in range(3):
        nonces.take("ag-1", f"n{number}", NOW + timedelta(seconds=300), NOW)
    with pytest.raises(Overloaded):
        nonces.take("ag-1", "n3", NOW + timedelta(seconds=300), NOW)
    nonces.take("ag-2", "n0", NOW + timedelta(seconds=300), NOW)


def test_old_nonces_make_room():
    """After the window nobody can use them anyway."""
    nonces = Nonces(limit_per_agent=1)
    nonces.take("ag-1", "n0", NOW + timedelta(seconds=300), NOW)
    later = NOW + timedelta(seconds=301)
    nonces.take("ag-1", "n1", later + timedelta(seconds=300), later)
    with pytest.raises(NotAuthenticated, match="used before"):
        nonces.take("ag-1", "n1", later + timedelta(seconds=300), later)


def test_of_many_at_once_a_nonce_serves_one(verifier, agent):
    """Eight threads with the same request, again and again: one of them is let in each time."""
    for number in range(40):
        headers = agent.headers("POST", "/v1/batches", BODY, created=NOW, nonce=f"same-{number}")

        def one(_: int, headers=headers) -> bool:
            with suppress(NotAuthenticated):
                return verify(verifier, headers) is agent.row
            return False

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(one, range(8))) == 1
