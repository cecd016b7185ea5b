"""Oracle Database: records of unified and of traditional auditing, as the database writes them to syslog.

What an action's number means is Oracle's table ``AUDIT_ACTIONS``. What ECS has no name for stays under ``oracle`` with
its own name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import MappingProxyType

from soc.collect.contract import Source
from soc.errors import RecordError
from soc.model.event import Event, Fields, RawRecord
from soc.normalise.addresses import ip_address
from soc.normalise.device_head import read_head
from soc.normalise.network_words import add, table
from soc.normalise.program_lines import ProgramLine, add_program
from soc.normalise.sql_words import add_statement

SOURCE = Source(
    name="oracle_audit",
    product="Oracle Database, unified and traditional auditing by syslog",
    arrives_by="syslog",
    reference="Oracle Database Security Guide, 'Writing the Unified Audit Trail Records to SYSLOG'; view AUDIT_ACTIONS",
    namespaces=("oracle",),
)
MARK = re.compile(r"Oracle (?P<unified>Unified )?Audit(?:\[(?P<pid>\d{1,10})\])?: {0,2}(?=LENGTH)")
CLAIM = re.compile(MARK.pattern.replace("?P<unified>", "?:").replace("?P<pid>", "?:").encode())
PAIR = re.compile(
    r"(?<![\w$])([A-Z][A-Z_$]{1,40}(?: [A-Z]{1,20}){0,2}) ?: ?(?:\[\d{1,10}\] ?)?"
    r"(?:\"([^\"]*+)\"|'([^']*+)')"
)
MOST = 100
ACTIONS = MappingProxyType(
    {
        1: "create-table", 2: "insert", 3: "select", 6: "update", 7: "delete", 9: "create-index", 10: "drop-index",
        12: "drop-table", 15: "alter-table", 17: "grant", 18: "revoke", 21: "create-view", 22: "drop-view",
        24: "create-procedure", 32: "create-database-link", 33: "drop-database-link", 35: "alter-database",
        42: "alter-session", 43: "alter-user", 47: "execute-plsql", 49: "alter-system", 51: "create-user",
        52: "create-role", 53: "drop-user", 54: "drop-role", 79: "alter-role", 85: "truncate-table", 100: "login",
        101: "logout", 102: "logout", 108: "grant", 109: "revoke", 114: "grant", 115: "revoke",
        116: "execute-procedure",
        157: "create-directory", 158: "drop-directory", 189: "merge",
    }
)  # fmt: skip
KINDS = {
    "select": "access", "insert": "change", "update": "change", "delete": "deletion", "merge": "change",
    "alter": "change", "grant": "change", "revoke": "change", "create": "creation", "drop": "deletion",
    "truncate": "deletion", "execute": "access",
}  # fmt: skip
ACCOUNTS = ("user", "role")
NAMES = table(
    {
        "length": "", "action": "", "retcode": "", "returncode": "", "status": "", "sqltext": "", "sql_text": "",
        "dbuser": "", "userid": "", "database_user": "", "dbid": "oracle.database_id", "sesid": "oracle.session",
        "sessionid": "oracle.session", "curuser": "user.effective.name", "objname": "oracle.object",
        "obj$name": "oracle.object", "userhost": "source.domain", "client_user": "oracle.client_user",
        "os$userid": "oracle.client_user", "client_terminal": "oracle.terminal", "terminal": "oracle.terminal",
        "comment$text": "message",
    }
)  # fmt: skip
HOST = re.compile(r"\(HOST=(?P<host>[0-9A-Fa-f:.]{3,45})\)")


def claims(raw: bytes) -> bool:
    """Whether the bytes have the mark of an audit record near their beginning."""
    return raw.find(b"Oracle ", 0, 300) >= 0 and CLAIM.search(raw[:300]) is not None


def read(record: RawRecord) -> Iterator[Event]:
    """Yield the one event of a line.

    Raises:
        RecordError: it has no ``Oracle Audit`` or ``Oracle Unified Audit`` with a length.
    """
    text = record.raw.decode("utf-8", errors="replace").strip("\r\n\x00 \ufeff")
    mark = MARK.search(text[:400])
    if mark is None:
        reason = "no audit record of Oracle: Oracle Unified Audit[1]: LENGTH is expected"
        raise RecordError(reason, source=SOURCE.name, raw=record.raw)
    said: dict[str, str] = {}
    for name, double, single in PAIR.findall(text, mark.end())[:MOST]:
        said.setdefault(name.lower().strip().replace(" ", "_"), double or single)
    head = read_head(text, record, mark.start())
    line = ProgramLine(head, "oracle", mark["pid"] or "", "")
    fields: Fields = {"event.kind": "event", "event.module": "oracle"}
    fields["event.dataset"] = "oracle.unified_audit" if mark["unified"] else "oracle.audit"
    _event(fields, said)
    add(fields, NAMES, said, "oracle")
    add_program(fields, line, record)
    yield Event(
        source=SOURCE.name,
        observed_at=line.observed_at(record),
        fields=fields,
        raw=record.raw,
    )


def _event(fields: Fields, said: dict[str, str]) -> None:
    written = said.get("action", "")
    number = int(written) if written.isascii() and written.isdecimal() and len(written) < 6 else -1
    action = ACTIONS.get(number) or written.lower().replace(" ", "-")[:60]
    if number >= 0:
        fields["event.code"] = written
    if number < 0 and said.get("sqltext", "") == "" and " " in written:
        add_statement(fields, written, "oracle")  # auditing of SYS writes the statement here
        action = str(fields.get("event.action", action))
    fields["event.category"], fields["event.type"] = ["database"], ["info"]
    verb, _, what = action.partition("-")
    if action in ("login", "logout", "connect"):
        fields["event.category"] = ["authentication", "database"]
        fields["event.type"] = ["end" if action == "logout" else "start"]
        action = "login" if action == "connect" else action
    elif verb in KINDS:
        fields["event.type"] = [KINDS[verb]]
        if verb in ("grant", "revoke") or what in ACCOUNTS:
            fields["event.category"] = ["database", "iam"]
    if action:
        fields["event.action"] = action
    code = said.get("retcode") or said.get("returncode") or said.get("status", "")
    if code:
        fields["event.outcome"] = "success" if code == "0" else "failure"
        if code != "0":
            fields["error.code"] = code
    user = said.get("dbuser") or said.get("userid") or said.get("database_user", "")
    if user == "/":  # the operating system's account vouches
        user = said.get("client_user", "")
    if user:
        fields["user.name"] = user
    if statement := said.get("sqltext") or said.get("sql_text"):
        fields["oracle.query"] = statement[:8_000]
    if (host := HOST.search(said.get("comment$text", "")[:1_000])) and (
        address := ip_address(host["host"])
    ):
        fields["source.ip"] = address
