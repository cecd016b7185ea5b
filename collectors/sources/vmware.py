"""VMware ESXi and vCenter Server: events, the host's daemons, its shell and its observations, by syslog or file.

vCenter's events have a type (``vim.event.UserLoginSessionEvent``), a host's observations an id
(``esx.audit.ssh.enabled``): both are ``event.code``. What ECS has no name for stays under ``vmware``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

from soc.collect.contract import Source
from soc.errors import RecordError
from soc.model.event import Event, Fields, RawRecord
from soc.normalise.addresses import ip_address
from soc.normalise.forms import form, say
from soc.normalise.network_words import add, add_user, table
from soc.normalise.program_lines import (
    BEFORE,
    ProgramLine,
    add_program,
    read_program_line,
)
from soc.normalise.written_times import from_written

SOURCE = Source(
    name="vmware",
    product="VMware ESXi and vCenter Server (6.5 to 8)",
    arrives_by="syslog, file",
    reference="VMware vSphere: 'ESXi Log Files', 'Streaming vCenter events to a remote syslog server'; vSphere "
    "API, Event",
    namespaces=("vmware",),
)
DAEMON = (
    r"(?:[Hh]ostd(?:-probe)?|[Vv]pxa|[Vv]pxd(?:-[\w-]{1,40})?|[Rr]httpproxy|vobd|vmkernel|vmkwarning|[Ff]dm|dcui|DCUI|"
    r"esxupdate|vmauthd|nfcd|VSANMGMTSVC|vsanmgmtd|vsansystem|hostprofiletrace|[Ee]nvoy-access|sso-[\w-]{1,40}|applmgmt)"
)
LEVEL = (
    r"(?:panic|critical|error|warning|info|verbose|trivia|(?:Al|Cr|Er|Wa|No|In|Db|Em)\(\d{1,3}\))"
)
STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)"
TYPED = r"(?:ESXShell|shell)"
FILE = re.compile(rf"(?P<time>{STAMP}) (?={LEVEL} (?:{DAEMON}|{TYPED})\[)")
CLAIM = re.compile(rf"{STAMP} {LEVEL} (?:{DAEMON}\[|{TYPED}\[\d{{1,10}}\]: \[)".encode())
CLAIMS_PROGRAMS = re.compile(DAEMON)
SHELL = re.compile(BEFORE + rb"(?:ESXShell|shell)\[\d{1,10}\]: \[[\w.@-]{1,60}\]: ")
WORDS = re.compile(
    rf"(?:(?P<level>{LEVEL}) (?:(?P<daemon>{DAEMON}|{TYPED})(?:\[(?P<thread>[\w-]{{1,40}})\])?:? ?))?"
    r"(?:\[Originator@\d{1,6}(?P<origin>[^\]]{0,400})\] ?)?(?P<words>.*)",
    re.DOTALL,
)
ORIGIN = re.compile(r"(?P<name>sub|opID|sid|user)=(?P<value>[^\s\]]{1,200})")
VCENTER = re.compile(
    r"Event \[(?P<key>\d{1,12})\] \[(?P<part>\d{1,3}-\d{1,3})\] \[(?P<time>[^\]]{1,40})\] \[(?P<type>[\w.]{1,120})\] "
    r"\[(?P<severity>\w{1,12})\] \[(?P<user>[^\]]{0,256})\] \[(?P<datacenter>[^\]]{0,128})\] \[[^\]]{0,20}\] "
    r"\[(?P<words>.*?)\]?",
    re.DOTALL,
)
HOST_EVENT = re.compile(r"Event (?P<key>\d{1,12}) : (?P<words>.*)", re.DOTALL)
OBSERVED = re.compile(r"(?:\[\w{1,40}\] \d{1,20}us: )?\[(?P<type>(?:esx|vob|vprob)\.[\w.-]{1,120})\] "
                      r"(?P<words>.*)", re.DOTALL)  # fmt: skip
IP = r"(?P<address>[0-9A-Fa-f:.]{2,45})"
SIGN_IN = "authentication"
FORMS = (
    form(rf"User (?P<user>.{{1,200}}?)@{IP} logged in(?: as (?P<agent>.{{1,300}}))?", "login", SIGN_IN,
         "start", "success"),
    form(rf"User (?P<user>.{{1,200}}?)(?:@{IP})? logged out", "logout", SIGN_IN, "end", "success"),
    form(rf"(?:Cannot login|Cannot log in) (?:user )?(?P<user>.{{1,200}}?)@{IP}(?:: (?P<reason>.{{1,200}}))?", "login",
         SIGN_IN, "start", "failure"),
    form(rf"(?P<reason>Rejected password) for user (?P<user>\S{{1,200}}) from {IP}", "login", SIGN_IN, "start",
         "failure"),
    form(rf"Accepted password for user (?P<user>\S{{1,200}}) from {IP}", "login", SIGN_IN, "start", "success"),
    form(rf"SSH session was (?P<step>opened|closed) for '(?P<user>[^'@]{{1,100}})@{IP}'", "ssh-session",
         "session", "start",
         "success"),
    form(r"Remote access for ESXi local user account '(?P<user>[^']{1,100})' has been (?P<reason>locked .{1,120})",
         "account-locked", "authentication iam", "info", "failure"),
    form(r"Created virtual machine (?P<vm>.{1,128}?) on", "vm-created", "configuration", "creation", "success"),
    form(r"Removed (?P<vm>.{1,128}?) on", "vm-removed", "configuration", "deletion", "success"),
    form(r"(?:Virtual machine )?(?P<vm>.{1,128}?) on .{1,255}? is (?P<step>powered on|powered off|suspended|reset)",
         "vm-power", "host", "change", "success"),
    form(r"Reconfigured (?P<vm>.{1,128}?) on", "vm-reconfigured", "configuration", "change", "success"),
    form(r"Permission (?:rule )?(?P<step>created|changed|removed)(?: for| from| on)? (?P<words2>.{1,300})",
         "permission-changed", "iam configuration", "change", "success"),
    form(r"(?:Password was changed for account|Account) (?P<target>\S{1,100})(?P<reason> was .{1,100})? on host",
         "account-changed", "iam", "user change", "success"),
    form(r"(?P<what>SSH|ESXi [Ss]hell|ESXi command line|Administrator|Lockdown mode|[\w ]{1,40}lockdown mode) "
         r"(?:access )?(?:for the host )?(?:has been|was) (?P<step>enabled|disabled)", "access-changed",
         "configuration", "change", "success"),
    form(r"Task Created : (?P<task>\S{1,300})", "task-created", "host", "info"),
)  # fmt: skip
TYPES = tuple(
    (re.compile(pattern), action, category.split(), kinds.split(), outcome)
    for pattern, action, category, kinds, outcome in (
        (r"UserLoginSessionEvent|sso\.LoginSuccess", "login", "authentication", "start", "success"),
        (r"BadUsernameSessionEvent|NoAccessUserEvent|InvalidLogin|LoginFailure|AlreadyAuthenticated", "login",
         "authentication", "start", "failure"),
        (r"UserLogoutSessionEvent|SessionTerminatedEvent|sso\.Logout", "logout", "authentication", "end", "success"),
        (r"Permission\w{0,20}Event|Role\w{0,20}Event|Account\w{0,20}Event|UserAssignedToGroup|UserPasswordChanged|"
         r"PrincipalManagement", "permission-changed", "iam", "change", "success"),
        (r"Vm(?:Created|Cloned|Deployed|Registered|BeingCreated)Event", "vm-created", "configuration", "creation",
         "success"),
        (r"Vm(?:Removed|Unregistered|Disconnected)Event", "vm-removed", "configuration", "deletion", "success"),
        (r"VmPowered(?:On|Off)Event|VmSuspendedEvent|Vm(?:Reset|GuestShutdown|GuestReboot)Event", "vm-power", "host",
         "change", "success"),
        (r"VmReconfiguredEvent|(?:Host|Datastore|DVPortgroup|Dvs)\w{0,40}(?:Added|Removed|Reconfigured|Destroyed)Event",
         "configuration-changed", "configuration", "change", "success"),
        (r"esx\.audit\.(?:ssh|shell|lockdownmode|net\.firewall|dcui|usb|uw\.secpolicy)\.\w{0,20}",
         "access-changed", "configuration", "change", "success"),
        (r"esx\.problem\.", "problem", "host", "error", "failure"),
    )
)  # fmt: skip
LEVELS = {
    "Al": "alert", "Cr": "critical", "Er": "error", "Wa": "warning", "No": "notice", "In": "informational",
    "Db": "debug", "Em": "emergency", "info": "informational", "verbose": "debug", "trivia": "debug", "panic": "alert",
}  # fmt: skip
NAMES = table(
    {
        "user": "", "address": "", "words": "", "time": "", "level": "", "daemon": "",
        "words2": "event.reason", "reason": "event.reason", "agent": "user_agent.original", "type": "event.code",
        "target": "user.target.name", "origin": "", "severity": "vmware.severity",
    }
)  # fmt: skip


def claims(raw: bytes) -> bool:
    """Whether the bytes look like a line of a file of a daemon, or of ESXi's shell."""
    if raw[10:11] == b"T" and CLAIM.match(raw[:400]) is not None:
        return True
    return raw.find(b"hell[", 0, 160) > 0 and SHELL.match(raw[:400]) is not None


def read(record: RawRecord) -> Iterator[Event]:
    """Yield the one event of a line.

    Raises:
        RecordError: it is of none of the daemons.
    """
    text = record.raw.decode("utf-8", errors="replace").strip("\r\n\x00 \ufeff")
    own = FILE.match(text)
    line = read_program_line("" if own else text, record)
    daemon = own or CLAIMS_PROGRAMS.fullmatch(line.program)
    if not daemon and SHELL.match(record.raw[:400].lstrip()) is None:
        reason = "no line of VMware: a daemon such as Hostd:, vpxd 1 - - or vobd: is expected"
        raise RecordError(reason, source=SOURCE.name, raw=record.raw)
    fields: Fields = {"event.kind": "event", "event.module": "vmware"}
    fields["event.category"], fields["event.type"] = ["host"], ["info"]
    line, written = _say(fields, line, text[own.end() :] if own else line.message)
    add_program(fields, line, record)
    yield Event(
        source=SOURCE.name,
        observed_at=_time(written or (own["time"] if own else ""), line, record),
        fields=fields,
        raw=record.raw,
    )


def _say(fields: Fields, line: ProgramLine, text: str) -> tuple[ProgramLine, str]:
    """The fields of the words; the line with its program, and the time that an event of vCenter has."""
    if line.program.lower() in ("shell", "esxshell"):
        _shell(fields, text)
        return line, ""
    parts = WORDS.fullmatch(text)
    said = {name: value for name, value in (parts.groupdict() if parts else {}).items() if value}
    program = line.program or said.get("daemon", "hostd")
    if program.lower() in ("shell", "esxshell"):  # a file's line, with its level
        _shell(fields, said.get("words", ""))
        return line._replace(program=program), ""
    center = program.lower().startswith(("vpxd", "sso-", "applmgmt"))
    fields["event.dataset"] = f"vmware.{'vcenter' if center else 'esxi'}"
    words = said.get("words", "")
    for name, value in ORIGIN.findall(said.get("origin", "")):
        said[name if name != "user" else "origin_user"] = value
    found = VCENTER.fullmatch(words) or HOST_EVENT.fullmatch(words) or OBSERVED.fullmatch(words)
    if found is not None:
        said |= {name: value for name, value in found.groupdict().items() if value}
        words = said.get("words", "")
    if words:
        fields["message"] = words
    user = said.get("user", "")
    said |= say(fields, FORMS, words)
    _by_type(fields, said.get("type", ""))
    _who(fields, said, user)
    level = said.get("level", "")
    if level:
        fields["log.level"] = LEVELS.get(level.partition("(")[0], level)
    add(fields, NAMES, said, "vmware")
    return line._replace(program=program), said.get("time", "")


def _shell(fields: Fields, text: str) -> None:
    """``[root]: esxcli network firewall unload``: a command that somebody typed on the host."""
    user, _, command = text.partition("]: ")
    fields["event.dataset"] = "vmware.esxi"
    fields["event.category"], fields["event.type"] = ["process"], ["info"]
    fields["event.action"] = "shell-command"
    if name := user.strip("[ "):
        fields["user.name"] = name
    if command:
        fields["process.command_line"] = fields["message"] = command


def _by_type(fields: Fields, code: str) -> None:
    if not code or "event.action" in fields:
        return
    for pattern, action, category, kinds, outcome in TYPES:
        if pattern.search(code):
            fields["event.action"], fields["event.outcome"] = action, outcome
            fields["event.category"], fields["event.type"] = list(category), list(kinds)
            return
    fields["event.action"] = code.rpartition(".")[2]


def _who(fields: Fields, said: dict[str, str], event_user: str) -> None:
    user = said.get("user") or event_user or said.get("origin_user", "").rpartition(":")[2]
    add_user(fields, user)
    if (address := ip_address(said.get("address", ""))) is not None:
        fields["source.ip"] = address


def _time(written: str, line: ProgramLine, record: RawRecord) -> datetime:
    try:
        return from_written(written, record)
    except ValueError:
        return line.observed_at(record)
