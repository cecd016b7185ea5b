"""Linux audit records: process starts, log-ins, and whatever else the kernel audits.

The raw record is every line of one serial, as audit netlink or ``audit.log`` has them. The agent may add lines of its
own, ``type=SOC_PARENT`` (``exe``, ``comm``, ``cmdline`` of the parent) and ``type=SOC_USER`` (``uid``, ``name``),
which no audit record tells.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from datetime import datetime
from types import MappingProxyType

from collectors.sources.linux_audit.lines import ENRICHED, UNSET, Line, Serial, arguments, parse
from collectors.sources.linux_audit.who import process, user
from soc.collect.contract import Source
from soc.errors import RecordError
from soc.model.event import Event, Fields, RawRecord
from soc.normalise.accounts import base_name
from soc.normalise.addresses import ip_address, port_number
from soc.normalise.timestamps import from_epoch

SOURCE = Source(
    name="linux_audit",
    product="Linux audit (kernel 3.0 and later, audit-userspace 2 and later)",
    arrives_by="audit",
    reference="linux-audit/audit-documentation, specs/fields and specs/messages; audit.rules(7)",
    namespaces=("auditd",),
)
SIGN_IN, ACCOUNT, SESSION = ["authentication"], ["iam"], ["session"]
AUTH_MEANING = MappingProxyType(
    {
        "USER_LOGIN": (SIGN_IN, ["start"]),
        "USER_AUTH": (SIGN_IN, ["info"]),
        "USER_ACCT": (SIGN_IN, ["info"]),
        "USER_ERR": (SIGN_IN, ["info"]),
        "CRED_ACQ": (SIGN_IN, ["info"]),
        "CRED_REFR": (SIGN_IN, ["info"]),
        "CRED_DISP": (SIGN_IN, ["info"]),
        "LOGIN": (SIGN_IN, ["info"]),
        "USER_START": (SESSION, ["start"]),
        "USER_END": (SESSION, ["end"]),
        "USER_LOGOUT": (SESSION, ["end"]),
        "USER_CMD": (["process"], ["info"]),
        "USER_CHAUTHTOK": (ACCOUNT, ["user", "change"]),
        "USER_MGMT": (ACCOUNT, ["user", "change"]),
        "ACCT_LOCK": (ACCOUNT, ["user", "change"]),
        "ACCT_UNLOCK": (ACCOUNT, ["user", "change"]),
        "ADD_USER": (ACCOUNT, ["user", "creation"]),
        "DEL_USER": (ACCOUNT, ["user", "deletion"]),
        "ADD_GROUP": (ACCOUNT, ["group", "creation"]),
        "DEL_GROUP": (ACCOUNT, ["group", "deletion"]),
        "GRP_MGMT": (ACCOUNT, ["group", "change"]),
        "GRP_CHAUTHTOK": (ACCOUNT, ["group", "change"]),
        "ANOM_LOGIN_FAILURES": (SIGN_IN, ["info"]),
        "ANOM_LOGIN_LOCATION": (SIGN_IN, ["info"]),
    }
)
EXEC_CALLS = frozenset(  # architecture and number of execve and execveat
    {
        ("c000003e", "59"),
        ("c000003e", "322"),
        ("40000003", "11"),
        ("40000003", "358"),
    }  # x86-64, i386
    | {
        ("c00000b7", "221"),
        ("c00000b7", "281"),
        ("40000028", "11"),
        ("40000028", "387"),
    }  # arm64, arm
)
OF_THE_DAEMON = frozenset(
    kind for kind, (category, _) in AUTH_MEANING.items() if category in (SIGN_IN, SESSION)
)
OUTCOMES = MappingProxyType(
    {
        "success": "success",
        "yes": "success",
        "1": "success",
        "failed": "failure",
        "no": "failure",
        "0": "failure",
    }
)
SHIPPED_ELSEWHERE = frozenset(
    {
        "acct",
        "addr",
        "pid",
        "ppid",
        "exe",
        "comm",
        "res",
        "success",
        "proctitle",
        "uid",
        "gid",
        "euid",
        "auid",
        "key",
    }
)


def claims(raw: bytes) -> bool:
    """Whether the bytes begin as an audit line does."""
    return re.match(rb"(?:node=\S+ )?type=\S+ msg=audit\(", raw) is not None


def read(record: RawRecord) -> Iterator[Event]:
    """Yield the one event of a serial.

    Raises:
        RecordError: no line is an audit line, the lines are of several serials, or the time is unusable.
    """
    try:
        serial = parse(record.raw.decode("utf-8", errors="replace"))
        observed_at = from_epoch(serial.stamp)
    except ValueError as error:
        raise RecordError(str(error), source=SOURCE.name, raw=record.raw) from error
    fields = _fields(serial, record, observed_at)
    kept = {name: value for name, value in fields.items() if value not in ("", [])}
    yield Event(source=SOURCE.name, observed_at=observed_at, fields=kept, raw=record.raw)


def _fields(serial: Serial, record: RawRecord, observed_at: datetime) -> Fields:
    kinds = list(
        dict.fromkeys(line.kind for line in serial.lines if not line.kind.startswith("SOC_"))
    )
    fields: Fields = {
        "event.kind": "event",
        "event.module": "auditd",
        "host.name": record.host or serial.node,
        "host.os.type": "linux",
        "auditd.serial": serial.number,
        "auditd.type": kinds,
    }
    fields |= process(serial) | user(serial)
    auth = next((line for line in serial.lines if line.kind in AUTH_MEANING), None)
    if "EXECVE" in kinds or _calls_exec(serial):
        fields |= _execution(serial, record, observed_at)
    elif auth is not None:
        if auth.kind in OF_THE_DAEMON:  # uid and gid are those of sshd or login, not of the person
            fields = {
                name: value
                for name, value in fields.items()
                if not name.startswith(("user.", "group."))
            }
        fields |= _authentication(auth)
    else:
        fields |= _other(serial, kinds)
    return fields


def _calls_exec(serial: Serial) -> bool:
    """Whether the call was execve or execveat; one that failed early has no EXECVE line."""
    values = serial.values("SYSCALL")
    return (values.get("arch", ""), values.get("syscall", "")) in EXEC_CALLS


def _execution(serial: Serial, record: RawRecord, observed_at: datetime) -> Fields:
    """A program was started, or could not be."""
    failed = OUTCOMES.get(serial.values("SYSCALL").get("success", "")) == "failure"
    started = arguments(serial)
    pid = serial.values("SYSCALL").get("pid", "")
    origin = f"{record.agent or record.host or serial.node}\x1f{pid}\x1f{observed_at.isoformat()}"
    fields: Fields = {
        "event.dataset": "linux.auditd" if failed else "linux.process",
        "event.category": ["process"],
        "event.type": ["info"] if failed else ["start"],
        "event.action": "exec_failed" if failed else "exec",
        "event.outcome": "failure" if failed else "success",
        "process.args": started,
        "process.command_line": " ".join(started),
        "process.working_directory": serial.values("CWD").get("cwd", ""),
        "process.entity_id": hashlib.blake2b(origin.encode(), digest_size=12).hexdigest(),
    }
    if started:
        fields["process.args_count"] = len(started)
    if failed:
        file = _file(serial)  # what was to be started; the process is still the caller
        fields |= {name: file[name] for name in ("file.path", "file.name") if name in file}
    return fields


def _authentication(line: Line) -> Fields:
    """A line that a log-in program, sudo or an account tool wrote."""
    values = line.values
    category, kinds = AUTH_MEANING[line.kind]
    fields: Fields = {
        "event.dataset": "linux.auth",
        "event.category": category,
        "event.type": kinds,
        "event.action": line.kind.lower(),
        "event.outcome": OUTCOMES.get(values.get("res", ""), ""),
        "message": line.body.replace(ENRICHED, " "),
    }
    account = values.get("acct", "")
    if account in UNSET and values.get("id", "") not in UNSET:
        fields["user.id"], account = values["id"], values.get("ID", "")
    if account not in UNSET:
        fields["user.target.name" if category is ACCOUNT else "user.name"] = account
        fields["related.user"] = [account]
    if values.get("op", "") not in UNSET:
        fields["auditd.op"] = values["op"]
    if values.get("cmd", "") not in UNSET:
        fields["process.command_line"] = values["cmd"]
        fields["process.working_directory"] = values.get("cwd", "")
    source = ip_address(values.get("addr", "")) or ip_address(values.get("hostname", ""))
    if source is not None:
        fields["source.ip"] = source
        fields["related.ip"] = [source]
        port = port_number(values.get("rport", ""))
        if port is not None:
            fields["source.port"] = port
    return fields


def _other(serial: Serial, kinds: list[str]) -> Fields:
    """Anything else: the values of its first line as they are, and the file it is about."""
    first = serial.lines[0]
    syscall = serial.values("SYSCALL")
    fields: Fields = {
        "event.dataset": "linux.auditd",
        "event.action": (syscall.get("SYSCALL") or kinds[0] if kinds else "unknown").lower(),
        "event.outcome": OUTCOMES.get(syscall.get("success") or first.values.get("res", ""), ""),
        "message": first.body.replace(ENRICHED, " "),
        "process.working_directory": serial.values("CWD").get("cwd", ""),
    }
    for name, value in first.values.items():
        if value not in UNSET and name not in SHIPPED_ELSEWHERE and not name.isupper():
            fields[f"auditd.data.{name}"] = value
    title = [part for part in serial.values("PROCTITLE").get("proctitle", "").split("\x00") if part]
    if title:
        fields["process.command_line"] = " ".join(title)
    return fields | _file(serial)


def _file(serial: Serial) -> Fields:
    """The file of a PATH line, the parent folders left out."""
    paths = [line.values for line in serial.lines if line.kind == "PATH"]
    about = [path.get("name", "") for path in paths if path.get("nametype") != "PARENT"]
    name = next((name for name in reversed(about) if name not in UNSET), "")
    if not name:
        return {}
    folder = serial.values("CWD").get("cwd", "")
    path = name if name.startswith("/") or not folder else f"{folder.rstrip('/')}/{name}"
    return {
        "event.category": ["file"],
        "event.type": ["access"],
        "file.path": path,
        "file.name": base_name(path),
    }
