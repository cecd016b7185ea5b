"""Shipping against a real HTTPS server that can refuse, delay and break."""

from __future__ import annotations

import json
import threading
import time
from datetime import UTC, datetime

import pytest

from collectors.agent import wire
from collectors.agent.config import load_config
from collectors.agent.errors import ConfigError, LinkError, NotEnrolled
from collectors.agent.identity import load_identity
from collectors.agent.link import Link
from collectors.agent.running import Agent
from collectors.agent.ship import _wait_for
from tests.agent.small_platform import DROP_AFTER_READING, make_certificates

STREAM = "file:/var/log/a.log"


@pytest.fixture
def agent(home):
    made = Agent(home, load_config(home), load_identity(home), is_quiet=True)
    yield made
    made.close()


def ship(agent: Agent, *lines: bytes) -> None:
    """Ship everything, as ``once`` does."""
    agent.intake.put(STREAM, "auto", lines)
    agent.once([])


def identities(batch) -> list[tuple[str, int, bytes]]:
    header, records = batch
    return [(header.streams[one.stream].name, one.sequence, one.payload) for one in records]


def test_ships_records_and_forgets_them(agent, platform):
    ship(agent, b"a", b"\xff")
    assert platform.stored(STREAM) == {1: b"a", 2: b"\xff"}
    assert agent.spool.is_shipped()


def test_every_request_is_signed(agent, platform):
    ship(agent, b"a")
    assert platform.refused_signatures == 0


def test_the_header_says_host_zone_and_incarnation(agent, platform):
    ship(agent, b"a")
    header, _ = platform.batches[0]
    assert header.incarnation == agent.spool.incarnation
    assert header.host == agent.config.host


def test_one_connection_serves_many_batches(agent, platform):
    agent.shipper.batch_bytes = 1
    for line in (b"a", b"b", b"c"):
        agent.intake.put(STREAM, "auto", [line])
    agent.once([])
    assert len(platform.batches) == 3


@pytest.mark.parametrize("answer", [429, 503, 500, DROP_AFTER_READING])
def test_sends_exactly_the_same_records_again_after(agent, platform, answer):
    """Whether the platform said so or just went away after reading."""
    platform.answers.extend([answer, answer])
    ship(agent, b"a", b"b")
    first, *others = [identities(batch) for batch in platform.seen]
    assert others == [first, first]


def test_asks_for_commands_when_the_answer_to_a_batch_says_that_some_wait(agent, platform):
    ship(agent, b"a")
    assert not agent.shipper.commands.is_set()
    platform.answers.append((200, {}, {"batch": "x", "commands": True}))
    ship(agent, b"b")
    assert agent.shipper.commands.is_set()


def test_waits_as_long_as_the_platform_asks(agent, platform):
    platform.answers.append((429, {"Retry-After": "1"}, {"reason": "busy"}))
    began = time.monotonic()
    ship(agent, b"a")
    assert time.monotonic() - began >= 1.0


def test_a_nonsense_retry_after_falls_back_to_the_backoff(agent, platform):
    platform.answers.append((503, {"Retry-After": "soon"}, {"reason": "busy"}))
    ship(agent, b"a")
    assert platform.stored(STREAM) == {1: b"a"}


def test_halves_a_batch_that_is_too_large(agent, platform):
    """Until each part fits, and remembers it."""

    def at_most_three(batch):
        platform.answers.append(at_most_three)
        return (413, {}, {"reason": "too large"}) if len(batch[1]) > 3 else None

    platform.answers.append(at_most_three)
    ship(agent, *(b"%d" % number for number in range(20)))
    assert platform.stored(STREAM) == {number + 1: b"%d" % number for number in range(20)}
    assert all(len(records) <= 3 for _, records in platform.batches)


def test_a_single_record_that_is_too_large_goes_to_refused_and_is_reported(agent, platform, home):
    def no_giants(batch):
        platform.answers.append(no_giants)
        is_giant = any(len(one.payload) > 1000 for one in batch[1])
        return (413, {}, {"reason": "too large"}) if is_giant else None

    platform.answers.append(no_giants)
    ship(agent, b"small", b"x" * 2000, b"small too")
    assert set(platform.stored(STREAM)) == {1, 3}
    assert [one["kind"] for one in platform.notices()] == ["batch_refused"]
    assert len(list((home / "refused").glob("*.zst"))) == 1


def test_a_refused_batch_is_kept_reported_and_does_not_stop_the_others(agent, platform, home):
    platform.answers.append((400, {}, {"reason": "record 2: no", "stored": 1}))
    ship(agent, b"bad")
    agent.shipper.drain.clear()
    ship(agent, b"good")
    assert platform.stored(STREAM) == {2: b"good"}
    [notice] = platform.notices()
    assert (notice["reason"], notice["stored"], notice["records"]) == ("record 2: no", 1, 1)
    [kept] = (home / "refused").glob("*.json")
    assert json.loads(kept.read_text())["reason"] == "record 2: no"


def test_takes_the_platforms_clock_for_its_signatures(agent, platform):
    """The first answer is 401 with the platform's time, an hour ahead."""
    ahead = int((datetime.now(UTC).timestamp() + 3600) * 1e6)
    platform.answers.append((401, {}, {"reason": "clock", "platform_time": ahead}))
    ship(agent, b"a")
    created = int(platform.requests[-1]["signature-input"].split("created=")[1].split(";")[0])
    assert abs(created - (datetime.now(UTC).timestamp() + 3600)) < 60


def test_several_lanes_deliver_everything_and_acknowledge_in_order(home, platform):
    agent = Agent(home, load_config(home), load_identity(home), lanes=4, is_quiet=True)
    agent.shipper.batch_bytes = 1
    platform.answers.extend([503, None, DROP_AFTER_READING, None, 429])
    for number in range(30):
        agent.intake.put(STREAM, "auto", [b"%d" % number])
    agent.once([])
    assert len(platform.stored(STREAM)) == 30
    assert agent.spool.is_shipped()
    agent.close()


def test_an_agent_that_stops_while_sending_sends_the_same_batch_after_the_restart(home, platform):
    first = Agent(home, load_config(home), load_identity(home), is_quiet=True)
    platform.answers.append((429, {"Retry-After": "60"}, {"reason": "busy"}))
    first.intake.put(STREAM, "auto", [b"a"])
    sending = threading.Thread(target=first.shipper.run)
    sending.start()
    while not platform.seen:
        time.sleep(0.01)
    first.intake.put(STREAM, "auto", [b"b"])
    first.shipper.abort()
    sending.join()
    first.close()
    second = Agent(home, load_config(home), load_identity(home), is_quiet=True)
    second.once([])
    second.close()
    assert identities(platform.seen[1]) == identities(platform.seen[0])


def test_drops_are_reported_with_their_range(home, platform):
    (home / "agent.yaml").write_text("{inputs: [], limits: {spool_mb: 1}}")
    agent = Agent(home, load_config(home), load_identity(home), is_quiet=True)
    for _ in range(40):
        agent.intake.put(STREAM, "auto", [b"x" * 50_000])
    agent.once([])
    agent.close()
    lost = set()
    for _, records in platform.batches:
        for one in records:
            if one.kind == wire.LOSS:
                lost |= set(range(one.sequence, json.loads(one.payload)["last"] + 1))
    assert lost
    assert lost | set(platform.stored(STREAM)) == set(range(1, 41))
    assert {one["kind"] for one in platform.notices()} == {"drop"}


def test_refuses_a_platform_that_another_authority_signed(home, tmp_path, platform):
    make_certificates(tmp_path / "other-ca.pem", tmp_path / "other.pem")
    with pytest.raises(LinkError, match="certificate"):
        Link(platform.url, tmp_path / "other-ca.pem").request("GET", "/health")


def test_refuses_plain_http(tmp_path):
    with pytest.raises(ConfigError):
        Link("http://127.0.0.1:8601", tmp_path)


def test_a_home_without_identity_says_how_to_enrol(tmp_path):
    with pytest.raises(NotEnrolled, match="soc-agent enrol"):
        load_identity(tmp_path)


def test_the_wait_never_is_below_what_was_asked():
    from collectors.agent.link import Answer

    assert _wait_for(Answer(429, {"retry-after": "7"}, b""), 0) >= 7
