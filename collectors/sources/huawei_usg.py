"""Huawei USG firewalls and other VRP devices: ``%%01MODULE/level/BRIEF(l): words (Name=value, ...)``, by syslog.

Every module's pairs are read by the same table, whatever way it writes the names (``SrcIp``, ``SourceIP``,
``source-ip``). The head is believed for the time. What ECS has no name for stays under ``huawei.usg``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from soc.collect.contract import Source
from soc.errors import RecordError
from soc.model.event import Event, Fields, RawRecord
from soc.normalise.device_head import add_head, read_head, when
from soc.normalise.network_words import (
    add,
    add_change,
    add_connection,
    add_sign_in,
    add_transport,
    add_user,
    table,
)
from soc.normalise.syslog_codes import code_fields

SOURCE = Source(
    name="huawei_usg",
    product="Huawei USG firewalls and VRP devices",
    arrives_by="syslog",
    reference="Huawei USG6000 Log Reference, 'Log Format': POLICY, SECLOG, URL, SHELL, SSH, AAA",
    namespaces=("huawei",),
)
MARK = re.compile(
    r"(?:%% ?01([A-Z][\w-]{1,30})|(?<=\s)(IPSTRAP))/([0-7])/([A-Za-z]\w{1,60})(?:\((\w)\))?(?:\[\d{1,10}\])?: ?"
)
CLAIM = re.compile(rb"(?:%% ?01[A-Z][\w-]{1,30}|\sIPSTRAP)/[0-7]/[A-Za-z]")
PAIR = re.compile(r'(?<![\w.-])([A-Za-z][\w-]{0,40})=(?:"([^"]{0,2000})"|([^,;"(]{0,500}))')
MOST_PAIRS = 100
BLOCKED = frozenset({"block", "deny", "drop", "discard", "reset"})
ATTACKS = frozenset({"IPS", "IPSTRAP", "AV", "APT", "ATK", "FW-LOG", "SECE", "DDOS"})
PLACES = {ord("-"): None, ord("_"): None}
NAMES = table(
    {
        "protocol": "", "user": "", "username": "", "time": "", "action": "", "begintime": "", "endtime": "",
        "sourceip": "source.ip", "srcip": "source.ip", "ip": "source.ip", "ipaddress": "source.ip",
        "userip": "source.ip", "sourceport": "source.port", "srcport": "source.port",
        "destinationip": "destination.ip", "dstip": "destination.ip", "destinationport": "destination.port",
        "dstport": "destination.port", "sourcenatip": "source.nat.ip", "sourcenatport": "source.nat.port",
        "destinationnatip": "destination.nat.ip", "destinationnatport": "destination.nat.port",
        "sendpkts": "source.packets", "sendbytes": "source.bytes", "rcvpkts": "destination.packets",
        "rcvbytes": "destination.bytes", "sourcezone": "observer.ingress.zone", "srczone": "observer.ingress.zone",
        "destinationzone": "observer.egress.zone", "dstzone": "observer.egress.zone", "policyname": "rule.name",
        "rulename": "rule.name", "policy": "rule.name", "application": "network.application",
        "host": "url.domain", "page": "url.path", "category": "rule.category", "command": "process.command_line",
        "failedreason": "event.reason", "reason": "event.reason", "closereason": "event.reason",
        "signname": "rule.description", "signid": "rule.id", "filename": "file.name",
    }
)  # fmt: skip


def claims(raw: bytes) -> bool:
    """Whether the bytes have the mark of a VRP device near their beginning."""
    start = raw[:300]
    return (b"%%" in start or b"IPSTRAP/" in start) and CLAIM.search(start) is not None


def read(record: RawRecord) -> Iterator[Event]:
    """Yield the one event of a line.

    Raises:
        RecordError: it has no ``%%01MODULE/level/BRIEF:``.
    """
    line = record.raw.decode("utf-8", errors="replace").strip("\r\n\x00 \ufeff")
    mark = MARK.search(line[:600])
    if mark is None:
        reason = "no Huawei line: %%01MODULE/level/BRIEF: is expected"
        raise RecordError(reason, source=SOURCE.name, raw=record.raw)
    head = read_head(line, record, mark.start())
    module, level, brief = mark[1] or mark[2], mark[3], mark[4]
    words = line[mark.end() :]
    said = _pairs(words)
    fields: Fields = {
        "event.kind": "event",
        "event.module": "huawei_usg",
        "event.dataset": f"huawei_usg.{re.sub(r'[^a-z0-9]', '_', module.lower())}",
        "event.code": f"{module}/{brief}",
        "event.action": brief.lower().replace("_", "-"),
        "observer.vendor": "Huawei",
        "observer.product": "USG",
        "observer.type": "firewall",
    }
    if words:
        fields["message"] = words[:4_000]
    add(fields, NAMES, said, "huawei.usg")
    add_transport(fields, said.get("protocol", ""))
    user = said.get("user") or said.get("username", "")
    if user.strip("*") and user.lower() != "unknown":
        add_user(fields, user)
    _classify(fields, module, brief, said)
    add_head(fields, head, record)
    fields.update(code_fields(int(level), None))
    yield Event(source=SOURCE.name, observed_at=when(head, record), fields=fields, raw=record.raw)


def _pairs(words: str) -> dict[str, str]:
    """Names without signs in small letters; what closes the sentence is no part of the last value."""
    found = PAIR.findall(words)[:MOST_PAIRS]
    return {
        name.translate(PLACES).lower(): (quoted or bare).strip().rstrip(").").rstrip()
        for name, quoted, bare in found
    }


def _classify(fields: Fields, module: str, brief: str, said: Mapping[str, str]) -> None:
    brief, action = brief.upper(), said.get("action", "").lower()
    if brief.startswith(("POLICY", "SESSION")):
        step = (
            "end"
            if brief.endswith("TEARDOWN")
            else "start"
            if brief.endswith(("SETUP", "CREATE"))
            else ""
        )
        add_connection(fields, blocked="DENY" in brief, step=step)
    elif "LOGIN" in brief or "LOGOUT" in brief or brief in ("SSH_FAIL", "SNMP_FAIL", "AUTHFAIL"):
        leaves = "LOGOUT" in brief
        add_sign_in(
            fields, "logout" if leaves else "login", success="FAIL" not in brief, end=leaves
        )
    elif brief.startswith("CMDRECORD"):
        add_change(fields, "command-executed", success="FAIL" not in brief)
    elif module in ATTACKS or "BLOCK" in brief or "ATTACK" in brief:
        if action or "BLOCK" in brief:
            add_connection(fields, blocked=action in BLOCKED or "BLOCK" in brief)
        else:
            fields["event.type"] = ["info"]
        fields["event.kind"] = "alert"
        fields["event.category"] = [
            "malware" if module == "AV" else "intrusion_detection",
            "network",
        ]
    elif module == "URL" or "srcip" in said or "sourceip" in said:
        add_connection(fields, blocked=action in BLOCKED)
        if module == "URL":
            fields["event.category"] = ["web", "network"]
        if action:
            fields["event.action"] = action
    elif module == "CFM" or brief.startswith("LOCALACCOUNT"):
        add_change(fields, str(fields["event.action"]))
    else:
        fields["event.category"], fields["event.type"] = ["host"], ["info"]
