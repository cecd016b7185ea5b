"""strongSwan (charon): IKE and child SAs, sign-ins and refusals, by syslog or file.

The words that an administrator asks for are told by charon's ``IKE``, ``CHD``,
``CFG`` and ``NET`` groups; the rest is kept
with its group. What ECS has no name for stays under ``strongswan``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

from soc.collect.contract import Source
from soc.errors import RecordError
from soc.model.event import Event, Fields, RawRecord
from soc.normalise.addresses import ip_address, port_number
from soc.normalise.forms import form, say
from soc.normalise.network_words import add, count, table
from soc.normalise.program_lines import (
    BEFORE,
    ProgramLine,
    add_program,
    read_program_line,
)
from soc.normalise.written_times import from_written

SOURCE = Source(
    name="strongswan",
    product="strongSwan (charon)",
    arrives_by="syslog, file",
    reference="strongSwan documentation, 'Logger Configuration': log groups and levels; texts of src/libcharon",
    namespaces=("strongswan",),
)
GROUP = r"(?:APP|ASN|CFG|CHD|DMN|ENC|ESP|IKE|IMC|IMV|JOB|KNL|LIB|MGR|NET|PTS|TLS|TNC)"
LINE = re.compile(
    rf"(?P<thread>\d\d)\[(?P<group>{GROUP})\d?\] (?:<(?:(?P<connection>[^|>]{{1,100}})\|)?(?P<number>\d{{1,10}})> )?"
    r"(?P<words>.*)",
    re.DOTALL,
)
TIME = r"(?:\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\S{0,12}|[A-Z][a-z]{2} {1,2}\d{1,2} \d\d:\d\d:\d\d(?:\.\d{1,6})?)"
FILE = re.compile(rf"(?P<time>{TIME}) (?=\d\d\[{GROUP}\d?\] )")
CLAIM = re.compile(rf"{TIME} \d\d\[{GROUP}\d?\] ".encode())
CLAIMS_PROGRAMS = re.compile(r"(?:charon(?:-systemd|-nm|-cmd|-custom)?|ipsec_starter)")
IPSEC = re.compile(BEFORE + rb"ipsec(?:\[\d{1,10}\])?: \d\d\[" + GROUP.encode())
IP = r"[0-9A-Fa-f:.]{2,45}"
BETWEEN = rf"between (?P<server>{IP})\[(?P<own>[^\]]{{0,300}})\]\.\.\.(?P<address>{IP})\[(?P<user>[^\]]{{0,300}})\]"
SIGN_IN, NETWORK, SESSION = "authentication network", "network", "session network"
FORMS = (
    form(rf"IKE_SA (?P<sa>\S{{1,120}}) established {BETWEEN}", "ike-established", SESSION, "start", "success"),
    form(rf"deleting IKE_SA (?P<sa>\S{{1,120}}) {BETWEEN}", "ike-deleted", SESSION, "end", "success"),
    form(r"CHILD_SA (?P<sa>\S{1,120}) established with SPIs (?P<spi>\S{1,20} \S{1,20}) and TS (?P<inner>.{1,300}?) === "
         r"(?P<outer>.{1,300})", "child-established", NETWORK, "connection start", "success"),
    form(r"closing CHILD_SA (?P<sa>\S{1,120}) with SPIs (?P<spi>\S{1,20}) \((?P<in>\d{1,19}) bytes\) \S{1,20} "
         r"\((?P<out>\d{1,19}) bytes\)", "child-closed", NETWORK, "connection end"),
    form(r"(?:XAuth )?authentication of '(?P<user>[^']{1,300})' with (?P<method>.{1,80}?) "
         r"(?P<verdict>successful|failed)",
         "login", SIGN_IN, "start"),
    form(r"XAuth authentication of '(?P<user>[^']{1,300})' (?P<verdict>successful|failed)", "login", SIGN_IN, "start"),
    form(r"EAP method (?P<method>\S{1,40}) (?P<verdict>succeeded|failed)(?: for peer (?P<user>\S{1,300}))?", "login",
         SIGN_IN, "start"),
    form(r"(?P<reason>EAP-MS-CHAPv2 verification failed.{0,80}|no EAP key found for hosts '.{1,300}'|"
         r"tried \d{1,6} shared keys? for .{1,300}? but MAC mismatched|received AUTHENTICATION_FAILED.{0,80}|"
         r"no (?:trusted|shared|private) .{1,300}|constraint check failed.{0,200}|"
         r"(?:certificate|user certificate) .{1,100}?(?:expired|revoked|not valid).{0,100})", "login", SIGN_IN, "start",
         "failure"),
    form(rf"(?P<address>{IP}) is initiating (?:an?|a) (?P<mode>.{{0,30}}?)IKE_SA", "ike-initiated", NETWORK,
         "connection start"),
    form(rf"no (?:matching )?(?:IKE|peer|CHILD) config found for (?P<server>{IP})\.\.\.(?P<address>{IP})(?:, "
         rf"(?P<reason>.{{1,80}}))?",
         "no-config", NETWORK, "denied", "failure"),
    form(rf"no matching peer config found.{{0,200}}|looking for peer configs matching (?P<server>{IP})\[.{{0,300}}?\]"
         rf"\.\.\.(?P<address>{IP})\[(?P<user>.{{0,300}}?)\]", "peer-looked-for", NETWORK),
    form(rf"(?P<way>received|sending) packet: from (?P<from>{IP})\[(?P<fromport>\d{{1,5}})\] to ?(?P<to>{IP})"
         r"\[(?P<toport>\d{1,5})\] \((?P<size>\d{1,9}) bytes\)", "packet", NETWORK, "protocol"),
    form(rf"assigning virtual IP (?P<inner>{IP}) to peer '(?P<user>[^']{{1,300}})'", "address-assigned",
         NETWORK, "info",
         "success"),
    form(r"(?:received|sending) (?P<reason>NO_PROPOSAL_CHOSEN|INVALID_KE_PAYLOAD|TS_UNACCEPTABLE|"
         r"INVALID_ID_INFORMATION)",
         "refused", NETWORK, "denied", "failure"),
    form(r"received (?P<reason>proposals unacceptable)", "refused", NETWORK, "denied", "failure"),
    form(r"giving up after (?P<reason>\d{1,3} retransmits)", "timed-out", NETWORK, "connection end", "failure"),
    form(r"loaded .{0,200}|added .{0,200}|Starting IKE charon daemon.{0,200}", "configuration-loaded", NETWORK),
)  # fmt: skip
NAMES = table(
    {
        "thread": "", "words": "", "address": "", "user": "", "verdict": "", "from": "", "to": "", "fromport": "",
        "toport": "", "in": "", "out": "", "number": "", "way": "", "server": "destination.ip",
        "reason": "event.reason", "group": "strongswan.group",
    }
)  # fmt: skip


def claims(raw: bytes) -> bool:
    """Whether the bytes look like a line of a file of charon, or of ipsec with a thread and a group."""
    if raw[18:19] == b"[" or raw[:1].isdigit():
        return CLAIM.match(raw[:300]) is not None
    return raw.find(b"ipsec", 0, 120) >= 0 and IPSEC.match(raw[:300]) is not None


def read(record: RawRecord) -> Iterator[Event]:
    """Yield the one event of a line.

    Raises:
        RecordError: it is neither of the program charon nor has a thread and a group.
    """
    text = record.raw.decode("utf-8", errors="replace").strip("\r\n\x00 \ufeff")
    own = FILE.match(text)
    line = read_program_line("" if own else text, record)
    words = text[own.end() :] if own else line.message
    parts = LINE.fullmatch(words)
    if own is None and parts is None and not line.program.startswith(("charon", "ipsec_starter")):
        reason = "no line of charon: charon: 05[IKE] is expected"
        raise RecordError(reason, source=SOURCE.name, raw=record.raw)
    fields: Fields = {"event.kind": "event", "event.module": "strongswan"}
    fields["event.dataset"] = "strongswan.log"
    fields["event.category"], fields["event.type"] = ["network"], ["info"]
    _say(fields, parts, words)
    add_program(fields, line._replace(program=line.program or "charon"), record)
    yield Event(
        source=SOURCE.name,
        observed_at=_time(own, line, record),
        fields=fields,
        raw=record.raw,
    )


def _say(fields: Fields, parts: re.Match[str] | None, words: str) -> None:
    said = {name: value for name, value in (parts.groupdict() if parts else {}).items() if value}
    told = said.get("words", "") if parts else words
    if told:
        fields["message"] = told
    said |= say(fields, FORMS, told)
    if "number" in said:
        fields["strongswan.number"] = said["number"]
    if verdict := said.get("verdict"):
        fields["event.outcome"] = "failure" if verdict == "failed" else "success"
    if user := said.get("user"):
        fields["user.name"] = user
    if (address := ip_address(said.get("address", ""))) is not None:
        fields["source.ip"] = address
    _ends(fields, said)
    add(fields, NAMES, said, "strongswan")


def _ends(fields: Fields, said: dict[str, str]) -> None:
    for end, name in (("source", "from"), ("destination", "to")):
        if (address := ip_address(said.get(name, ""))) is not None:
            fields[f"{end}.ip"] = address
        if (port := port_number(said.get(f"{name}port", ""))) is not None:
            fields[f"{end}.port"] = port
    for end, name in (("source", "in"), ("destination", "out")):
        if (size := count(said.get(name, ""))) is not None:
            fields[f"{end}.bytes"] = size
    if way := said.get("way"):
        fields["network.direction"] = "inbound" if way == "received" else "outbound"


def _time(own: re.Match[str] | None, line: ProgramLine, record: RawRecord) -> datetime:
    try:
        return from_written(own["time"] if own else "", record)
    except ValueError:
        return line.observed_at(record)
