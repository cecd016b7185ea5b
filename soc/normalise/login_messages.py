"""What sshd, sudo, su, PAM, useradd and their like say in one line, as ECS fields.

The journal and syslog carry the same lines (and OpenSSH on Windows writes them into the event log). The texts are
those of OpenSSH 5-9 (auth.c, auth2.c, log.c), sudo 1.9 (logging.c), util-linux and shadow su, Linux-PAM's pam_unix,
and shadow's useradd, usermod, groupadd, passwd. The patterns and what they mean are the table below. A command that
sudo or cron names is no process start (``info``): the start itself is seen by audit, and is not to count twice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from soc.model.event import Fields
from soc.normalise.addresses import ip_address, port_number

SIGN_IN, ACCOUNT, SESSION = ["authentication"], ["iam"], ["session"]
SSH = ("sshd", "sshd-session", "sshd-auth")
ADDRESS = r"(?P<address>\S+) port (?P<port>\d+)"


class Said(NamedTuple):
    """One kind of line."""

    programs: tuple[str, ...]  # empty: any program (PAM speaks through all of them)
    pattern: re.Pattern[str]
    action: str
    outcome: str  # "" where the line tells none
    category: list[str]
    kinds: list[str]


def _said(
    programs: tuple[str, ...], pattern: str, action: str, outcome: str,
    category: list[str] = SIGN_IN, kinds: tuple[str, ...] = ("start",),
) -> Said:  # fmt: skip
    return Said(programs, re.compile(pattern), action, outcome, category, list(kinds))


SHADOW = (
    "useradd",
    "adduser",
    "usermod",
    "userdel",
    "groupadd",
    "groupdel",
    "groupmod",
    "gpasswd",
    "passwd",
    "chpasswd",
)
LINES = (
    _said(SSH, rf"Accepted (?P<method>\S+) for (?P<user>.+) from {ADDRESS}(?: ssh\d?)?(?:: .*)?$",
          "ssh_login", "success"),
    _said(SSH, rf"Failed (?P<method>\S+) for (?:invalid user |illegal user )?(?P<user>.*) from {ADDRESS}(?: ssh\d?)?"
          r"(?:: .*)?$", "ssh_login", "failure"),
    _said(SSH, r"(?:Invalid|Illegal) user (?P<user>.*) from (?P<address>\S+)(?: port (?P<port>\d+))?$",
          "ssh_invalid_user", "failure"),
    _said(SSH, rf"error: maximum authentication attempts exceeded for (?:invalid user )?(?P<user>.*) from {ADDRESS}"
          r"(?: ssh2)?(?: \[preauth\])?$", "ssh_too_many_attempts", "failure"),
    _said(SSH, r"User (?P<user>.+) from (?P<address>\S+) not allowed because .*$", "ssh_not_allowed", "failure"),
    _said(SSH, r"ROOT LOGIN REFUSED FROM (?P<address>\S+)(?: port (?P<port>\d+))?.*$", "ssh_not_allowed", "failure"),
    _said(SSH, rf"(?:Connection closed|Connection reset|Disconnected) (?:by|from) (?:invalid|authenticating) user "
          rf"(?P<user>.*) {ADDRESS}(?: \[preauth\])?$", "ssh_disconnected", "", kinds=("end",)),
    _said(SSH, rf"Disconnected from user (?P<user>.+) {ADDRESS}$", "ssh_disconnected", "", kinds=("end",)),
    _said(SSH, rf"(?:Received disconnect from|Connection closed by|Connection reset by|Disconnected from) {ADDRESS}"
          r"(?::.*)?(?: \[preauth\])?$", "ssh_disconnected", "", kinds=("end",)),
    _said(SSH, rf"Did not receive identification string from {ADDRESS}.*$", "ssh_probe", "", ["network"], ("info",)),
    _said(SSH, rf"(?:banner exchange|error: kex_exchange_identification): .*?(?:Connection from )?{ADDRESS}.*$",
          "ssh_probe", "", ["network"], ("info",)),
    _said(("sudo",), r"\s*(?P<user>\S+) : (?P<problem>\d+ incorrect password attempts?|user NOT in sudoers|"
          r"command not allowed|a password is required) ; "
          r"(?:TTY=(?P<tty>\S*) ; )?PWD=(?P<directory>.*?) ; USER=(?P<target>\S+) ; (?:GROUP=\S+ ; )?(?:ENV=.*? ; )?"
          r"COMMAND=(?P<command>.*)$", "sudo", "failure"),
    _said(("sudo",), r"\s*(?P<user>\S+) : (?:HOST=\S+ ; )?(?:TTY=(?P<tty>\S*) ; )?PWD=(?P<directory>.*?) ; "
          r"USER=(?P<target>\S+) ; (?:GROUP=\S+ ; )?(?:TSID=\S+ ; )?(?:ENV=.*? ; )?COMMAND=(?P<command>.*)$",
          "sudo", "success"),
    _said(("su",), r"\(to (?P<target>\S+)\) (?P<user>\S+) on (?P<tty>\S+)$", "su", "success"),
    _said(("su",), r"BAD SU (?P<user>\S+) to (?P<target>\S+) on (?P<tty>\S+)$", "su", "failure"),
    _said(("su",), r"(?P<user>[\w.-]+) to (?P<target>[\w.-]+) on (?P<tty>\S+)$", "su", "success"),
    _said(("su",), r"FAILED SU \(to (?P<target>\S+)\) (?P<user>\S+) on (?P<tty>\S+)$", "su", "failure"),
    _said(("su",), r"(?:\+|Successful su for) (?:(?P<tty>\S+) )?(?P<user>[\w.-]+)[: ](?:by )?(?P<target>[\w.-]+)$",
          "su", "success"),
    _said(("su",), r"(?:- |FAILED su for )(?:(?P<tty>\S+) )?(?P<user>[\w.-]+)[: ](?:by )?(?P<target>[\w.-]+)$",
          "su", "failure"),
    _said((), r"pam_unix\((?P<service>[^:()]+):session\): session opened for user (?P<user>[^\s(]+)"
          r"(?:\(uid=(?P<uid>\d+)\))?(?: by (?P<by>[^\s(]*)\(uid=\d+\))?$", "session_opened", "success", SESSION),
    _said((), r"pam_unix\((?P<service>[^:()]+):session\): session closed for user (?P<user>\S+)$",
          "session_closed", "success", SESSION, ("end",)),
    _said((), r"pam_unix\((?P<service>[^:()]+):auth\): authentication failure; .*?rhost=(?P<address>\S*)"
          r"(?:\s+user=(?P<user>\S+))?\s*$", "pam_authentication", "failure"),
    _said((), r"pam_unix\((?P<service>[^:()]+):auth\): check pass; user unknown$", "pam_authentication", "failure"),
    _said((), r"pam_(?:faillock|tally2?)\((?P<service>[^:()]+):auth\): .*[Uu]ser (?P<user>\S+) .*$",
          "account_locked", "failure"),
    _said(("login", "systemd-logind"), r"New session \S+ of user (?P<user>[^.\s]+)\.?$", "session_opened",
          "success", SESSION),
    _said(("login",), r"FAILED LOGIN .*? FOR ['`](?P<user>[^']*)', .*$", "login", "failure"),
    _said(("login",), r"(?:ROOT )?LOGIN ON (?P<tty>\S+)(?: BY (?P<user>\S+))?(?: FROM (?P<address>\S+))?.*$",
          "login", "success"),
    _said(SHADOW, r"new user: name=(?P<target>[^,\s]+), UID=(?P<target_uid>\d+), .*$", "user_added", "success",
          ACCOUNT, ("user", "creation")),
    _said(SHADOW, r"new group: name=(?P<group>[^,\s]+)(?:, GID=(?P<gid>\d+))?.*$", "group_added", "success",
          ACCOUNT, ("group", "creation")),
    _said(SHADOW, r"delete user '(?P<target>[^']+)'$", "user_deleted", "success", ACCOUNT, ("user", "deletion")),
    _said(SHADOW, r"add '(?P<target>[^']+)' to (?:shadow )?group '(?P<group>[^']+)'$", "group_member_added",
          "success", ACCOUNT, ("group", "change")),
    _said(("gpasswd",), r"user (?P<target>\S+) added by (?P<user>\S+) to group (?P<group>\S+)$",
          "group_member_added", "success", ACCOUNT, ("group", "change")),
    _said((), r"pam_unix\((?P<service>[^:()]+):chauthtok\): password changed for (?P<target>\S+)$",
          "password_changed", "success", ACCOUNT, ("user", "change")),
    _said(SHADOW, r"change user '(?P<target>[^']+)' .*$", "user_changed", "success", ACCOUNT, ("user", "change")),
    _said(("CRON", "cron", "crond", "anacron"), r"\((?P<user>\S+)\) CMD \((?P<command>.*)\)$", "cron_command", "",
          ["process"], ("info",)),
)  # fmt: skip
FIELD_OF_GROUP: Mapping[str, str] = MappingProxyType(
    {
        "user": "user.name",
        "uid": "user.id",
        "target": "user.target.name",
        "target_uid": "user.target.id",
        "group": "group.name",
        "gid": "group.id",
        "command": "process.command_line",
        "directory": "process.working_directory",
        "method": "labels.auth_method",
        "problem": "event.reason",
        "tty": "labels.tty",
        "by": "labels.by_user",
        "service": "labels.pam_service",
    }
)
LONGEST_LINE = 8192  # characters that the patterns look at


def read_message(program: str, message: str) -> Fields:
    """The ECS fields of one line of one program; empty where the line is none of the known ones.

    >>> fields = read_message("sshd", "Accepted publickey for lan from 10.1.2.3 port 50022 ssh2: ED25519 SHA256:x")
    >>> fields["event.outcome"], fields["user.name"], fields["source.ip"], fields["source.port"]
    ('success', 'lan', '10.1.2.3', 50022)
    """
    if len(message) > LONGEST_LINE or "\n" in message:
        return {}
    for said in SAID_BY.get(program, SAID_BY_ANY):
        found = said.pattern.match(message)
        if found is not None:
            return _fields(said, found.groupdict())
    return {}


def _fields(said: Said, parts: dict[str, str | None]) -> Fields:
    fields: Fields = {
        "event.category": said.category,
        "event.type": said.kinds,
        "event.action": said.action,
    }
    if said.outcome:
        fields["event.outcome"] = said.outcome
    for group, text in parts.items():
        if text and group in FIELD_OF_GROUP:
            fields[FIELD_OF_GROUP[group]] = text
    _add_source(fields, parts.get("address"), parts.get("port"))
    users = [str(fields[name]) for name in ("user.name", "user.target.name") if name in fields]
    if users:
        fields["related.user"] = list(dict.fromkeys(users))
    return fields


def _add_source(fields: Fields, address: str | None, port: str | None) -> None:
    if not address:
        return
    ip = ip_address(address)
    if ip is None:
        fields["source.domain"] = address
    else:
        fields["source.ip"] = ip
        fields["related.ip"] = [ip]
    number = port_number(port) if port else None
    if number is not None:
        fields["source.port"] = number


SAID_BY_ANY = tuple(said for said in LINES if not said.programs)
SAID_BY: Mapping[str, tuple[Said, ...]] = MappingProxyType(
    {
        program: tuple(said for said in LINES if not said.programs or program in said.programs)
        for program in {program for said in LINES for program in said.programs}
    }
)
