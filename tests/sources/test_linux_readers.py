"""The readers of Linux records, where the samples cannot say why."""

from __future__ import annotations

import json

import pytest

from soc.collect.discovery import read
from soc.errors import RecordError
from soc.model.event import Event, Fields
from tests.sources.accept import RECEIVED_AT, as_received


def only_event(text: str, source: str) -> Event:
    (event,) = read(as_received(text.encode(), source))
    return event


def execve(arguments: str) -> Fields:
    """The fields of an EXECVE line alone."""
    return only_event(
        f"type=EXECVE msg=audit(1763600000.123:4): argc=9 {arguments}", "linux_audit"
    ).fields


@pytest.mark.parametrize(
    ("written", "arguments"),
    [
        ('a0="ls" a1="-la"', ["ls", "-la"]),
        ("a0=636174 a1=61206220C3A1", ["cat", "a b á"]),
        ('a0="a" a1=""', ["a", ""]),
        ("a0=2262 a0_len=4", ['"b']),
        ('a1="second" a0="first"', ["first", "second"]),
        ('a0="x" a1[0]=61C3 a1[1]=A162', ["x", "aáb"]),
        ('a0="x" a1[0]="ab" a1[1]="cd"', ["x", "abcd"]),
        ("a0=abc", ["abc"]),
    ],
)
def test_arguments_are_decoded(written: str, arguments: list[str]) -> None:
    """The kernel quotes plain arguments, writes others in hexadecimal, and splits long ones."""
    assert execve(written)["process.args"] == arguments


def test_a_quoted_argument_that_looks_like_hexadecimal_stays() -> None:
    """``echo 6162`` did not say ``ab``."""
    assert execve('a0="echo" a1="6162"')["process.command_line"] == "echo 6162"


def test_lines_of_two_serials_are_refused() -> None:
    """They are two happenings; one event of both would be a lie."""
    text = "type=CWD msg=audit(1.1:4): cwd=x\ntype=CWD msg=audit(1.1:5): cwd=x"
    with pytest.raises(RecordError, match="several audit serials"):
        only_event(text, "linux_audit")


def test_the_uid_of_the_log_in_daemon_is_not_the_user() -> None:
    """sshd runs as root; the failed account is unknown and stays so."""
    line = (
        "type=USER_LOGIN msg=audit(1763600011.5:471): pid=911 uid=0 auid=4294967295 ses=1 msg='op=login "
        'acct="(unknown)" exe="/usr/sbin/sshd" addr=203.0.113.9 terminal=ssh res=failed\''
    )
    assert "user.name" not in only_event(line, "linux_audit").fields


def test_a_failed_start_is_no_process() -> None:
    """Process rules see what ran; the attempt is kept as an audit event."""
    lines = (
        'type=SYSCALL msg=audit(1.5:4): syscall=59 success=no exit=-2 pid=5 exe="/bin/sh"\n'
        'type=EXECVE msg=audit(1.5:4): argc=1 a0="/tmp/x"'
    )
    assert only_event(lines, "linux_audit").fields["event.dataset"] == "linux.auditd"


def test_a_line_without_a_time_has_the_time_of_its_arrival() -> None:
    """Devices without a clock are heard as well."""
    assert only_event("no envelope at all", "syslog").observed_at == RECEIVED_AT


def test_a_line_without_a_zone_is_in_the_zone_of_its_source() -> None:
    """15:00 in Việt Nam is 08:00 UTC."""
    assert only_event("Nov 20 15:00:00 web01 a: b", "syslog").observed_at.hour == 8


def test_a_word_after_a_programs_own_time_is_no_host() -> None:
    """dpkg.log begins its lines so; ``status`` is not a computer."""
    fields = only_event("2026-11-20 08:00:00 status installed curl:amd64 8.5", "syslog").fields
    assert (fields["host.name"], fields["message"]) == ("may01", "status installed curl:amd64 8.5")


def test_an_empty_line_is_a_record_error() -> None:
    """It says nothing, and is set aside rather than shown."""
    with pytest.raises(RecordError, match="empty line"):
        only_event("\r\n", "syslog")


def test_the_journal_may_write_a_message_as_numbers() -> None:
    """journalctl does so when a message is not UTF-8."""
    entry = {"__REALTIME_TIMESTAMP": "1763600000123456", "MESSAGE": list("chào".encode())}
    assert only_event(json.dumps(entry), "journal").fields["message"] == "chào"


def test_the_journals_fields_of_the_daemon_are_not_those_of_the_person() -> None:
    """The line of sshd is about lan, though root wrote it."""
    entry = {
        "__REALTIME_TIMESTAMP": "1763600000123456",
        "MESSAGE": "Accepted password for lan from 10.12.0.5 port 50022 ssh2",
        "SYSLOG_IDENTIFIER": "sshd",
        "_UID": "0",
    }
    fields = only_event(json.dumps(entry), "journal").fields
    assert (fields["user.name"], fields.get("user.id")) == ("lan", None)


@pytest.mark.parametrize("name", ["soc.agency_id", "agent.id", "event.id", "event.ingested"])
def test_a_sender_cannot_give_what_the_platform_gives(name: str) -> None:
    """Whose event it is, is decided here."""
    line = json.dumps({"@timestamp": "2026-11-20T08:00:00Z", name: "forged"})
    fields = only_event(line, "json_lines").fields
    assert name not in fields
    assert fields[f"labels.{name.replace('.', '_')}"] == "forged"


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ('{"@timestamp":"2026-11-20T08:00:00Z",' + '"a":{' * 40 + "}" * 41, "nested deeper"),
        (
            json.dumps({"@timestamp": 0} | {f"f{place}": 1 for place in range(3000)}),
            "more than 2000 fields",
        ),
        (json.dumps({"@timestamp": 0, "a": list(range(5000))}), "more than 1000 items"),
        ('{"@timestamp":' + "[" * 5000, "."),
    ],
    ids=["deep", "wide", "long", "unfinished"],
)
def test_json_beyond_the_limits_is_a_record_error(written: str, reason: str) -> None:
    """A small line must not become a large event."""
    with pytest.raises(RecordError, match=reason):
        only_event(written, "json_lines")
