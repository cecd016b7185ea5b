"""RELP: frames byte by byte, what is repeated, and the door on real sockets."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.agent.inputs.relp import (
    OFFERS,
    WINDOW,
    Command,
    Commands,
    RelpError,
    Tails,
    digest,
    repeated,
)
from collectors.agent.inputs.syslog_streams import SyslogStreams
from collectors.agent.spool import Spool
from tests.agent.conftest import wait_until
from tests.agent.inputs_at_work import at_work, can_connect, free_port, payloads

OPEN = b"1 open 51 relp_version=0\nrelp_software=test\ncommands=syslog    \n"


def frame(number: int, data: bytes, name: str = "syslog") -> bytes:
    return b"%d %b %d %b\n" % (number, name.encode(), len(data), data)


# ── frames ───────────────────────────────────────────────────────────────────────────────────────────────────────


@given(
    st.lists(st.tuples(st.integers(0, 999_999_999), st.binary(max_size=40))),
    st.lists(st.integers(1, 9), min_size=1),
)
def test_frames_are_cut_wherever_the_bytes_are_cut(parts, sizes) -> None:
    """Any bytes in a message, newlines too; however the line cuts them."""
    sent = b"".join(frame(number, data) for number, data in parts)
    commands, found, at = Commands(), [], 0
    for turn in range(len(sent)):
        size = sizes[turn % len(sizes)]
        found += commands.take(sent[at : at + size])
        at += size
        if at >= len(sent):
            break
    assert found == [Command(number, "syslog", data) for number, data in parts]


def test_a_frame_without_data() -> None:
    """As librelp closes: nothing stands between the length and the newline."""
    assert list(Commands().take(b"7 close 0\n8 close 0\n")) == [
        Command(7, "close", b""),
        Command(8, "close", b""),
    ]


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"1 SYSLOG 1 a\n",
        b"1 syslog 3 ab\nc",
        b"1 syslog 2\nab\n",
        b"1 syslog 999999999 a",
        b"1234567890 syslog 1 a\n",
        b"9" * 100,
        b"\n",
    ],
)
def test_what_is_no_relp_is_refused(sent: bytes) -> None:
    with pytest.raises(RelpError):
        list(Commands().take(sent))


@given(st.binary(max_size=80))
def test_any_bytes_are_commands_or_refused(sent: bytes) -> None:
    commands = Commands()
    try:
        for at in range(len(sent)):
            list(commands.take(sent[at : at + 1]))
    except RelpError:
        return


def test_an_answer_has_its_length() -> None:
    assert Command(3, "syslog", b"x").answer() == b"3 rsp 6 200 OK\n"


# ── what is repeated ─────────────────────────────────────────────────────────────────────────────────────────────


@given(
    st.lists(st.integers(), unique=True, max_size=200),
    st.integers(0, WINDOW),
    st.integers(0, WINDOW),
)
def test_what_differs_is_kept_exactly_once(messages, unanswered, kept_of_them) -> None:
    """Whatever part of what had no answer is kept already: the rest is told from it."""
    digests = [digest(str(one).encode()) for one in messages]
    answered = max(0, len(digests) - unanswered)
    kept = digests[: min(len(digests), answered + kept_of_them)]
    again = digests[answered:]
    known = repeated(kept[-WINDOW:], again)
    assert kept + again[known:] == digests


def test_connections_of_one_sender_have_tails_of_their_own() -> None:
    """A new connection takes the tail that it goes on with, not one that is in use."""
    tails = Tails()
    first, _ = tails.begin("a", ["x"])
    second, _ = tails.begin("a", ["y"])
    tails.kept("a", first, ["1", "2"])
    tails.kept("a", second, ["8", "9"])
    assert first != second
    tails.end("a", first)
    assert tails.begin("a", ["9", "10"]) == (first, 0)  # the tail with 9 is in use
    tails.end("a", second)
    assert tails.begin("a", ["9", "10"]) == (second, 1)
    assert tails.begin("b", ["9"]) == (0, 0)


# ── the door ─────────────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def a_door(folder: Path, port: int) -> Iterator[Spool]:
    with at_work(folder, SyslogStreams("relp", ("127.0.0.1", port))) as (spool, _):
        wait_until(lambda: can_connect(port))
        yield spool


class Sender:
    """A RELP client that sends when it is told to."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.file = self.socket.makefile("rb")
        self.number = 1
        self.socket.sendall(frame(1, b"relp_version=0\ncommands=syslog", "open"))
        head = self.file.readline()
        assert head.startswith(b"1 rsp %d 200 OK" % len(OFFERS))
        for _ in range(OFFERS.count(b"\n")):
            self.file.readline()

    def send(self, *messages: bytes) -> None:
        for message in messages:
            self.number += 1
            self.socket.sendall(frame(self.number, message))

    def answers(self, count: int) -> list[bytes]:
        return [self.file.readline() for _ in range(count)]

    def close(self) -> None:
        self.file.close()
        self.socket.close()


@pytest.fixture
def port() -> int:
    return free_port(socket.SOCK_STREAM)


def test_a_message_is_answered_when_it_is_kept(tmp_path: Path, port: int) -> None:
    """In its order, in the stream of its sender; close is answered too."""
    with a_door(tmp_path, port) as spool:
        sender = Sender(port)
        sender.send(b"<1>one", b"<1>two\nlines \xff")
        assert sender.answers(2) == [b"2 rsp 6 200 OK\n", b"3 rsp 6 200 OK\n"]
        assert payloads(spool, f"syslog:relp:{port}/127.0.0.1") == [
            b"<1>one",
            b"<1>two\nlines \xff",
        ]
        sender.socket.sendall(b"4 close 0\n")
        assert sender.answers(2) == [b"4 rsp 6 200 OK\n", b"0 serverclose 0\n"]
        sender.close()


@pytest.mark.parametrize("restarted", [False, True])
def test_what_a_sender_repeats_is_kept_once(tmp_path: Path, port: int, restarted: bool) -> None:
    """After a broken line, and after the agent was started again in between."""
    with a_door(tmp_path, port) as spool:
        sender = Sender(port)
        sender.send(b"a", b"b", b"c")
        sender.answers(3)
        sender.close()
        if not restarted:
            _repeat(port)
            assert payloads(spool, f"syslog:relp:{port}/127.0.0.1") == [b"a", b"b", b"c", b"d"]
            return
    with a_door(tmp_path, port) as spool:
        _repeat(port)
        assert payloads(spool, f"syslog:relp:{port}/127.0.0.1") == [b"a", b"b", b"c", b"d"]


def _repeat(port: int) -> None:
    again = Sender(port)
    again.send(b"b", b"c", b"d")
    assert len(again.answers(3)) == 3
    again.close()


def test_a_message_that_is_sent_twice_in_one_connection_is_two(tmp_path: Path, port: int) -> None:
    """Only a new connection repeats."""
    with a_door(tmp_path, port) as spool:
        sender = Sender(port)
        for _ in range(2):
            sender.send(b"same")
            sender.answers(1)
        sender.close()
        assert payloads(spool, f"syslog:relp:{port}/127.0.0.1") == [b"same", b"same"]


def test_a_peer_that_speaks_no_relp_costs_no_other(tmp_path: Path, port: int) -> None:
    """Its connection is closed, and the notice says what it sent."""
    with a_door(tmp_path, port) as spool:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as one:
            one.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert one.recv(1) == b""
        sender = Sender(port)
        sender.send(b"one")
        assert sender.answers(1) == [b"2 rsp 6 200 OK\n"]
        sender.close()
        notices = payloads(spool, "agent")
        assert any(b"no RELP frame begins with" in notice for notice in notices)


def test_an_unknown_command_is_answered_so(tmp_path: Path, port: int) -> None:
    with a_door(tmp_path, port):
        sender = Sender(port)
        sender.socket.sendall(frame(2, b"x", "starttls"))
        assert sender.answers(1) == [b"2 rsp 19 500 unknown command\n"]
        sender.close()
