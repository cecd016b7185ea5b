"""Microsoft DNS Server: the debug log (``dns.log``), one packet a line.

The time is written as the server's region writes it, in its zone: with AM or PM the month stands first. A line that is
no packet is kept with its words. What ECS has no name for stays under ``windows_dns``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from soc.collect.contract import Source
from soc.errors import RecordError
from soc.model.event import Event, Fields, RawRecord
from soc.normalise.addresses import ip_address
from soc.normalise.dns_words import add_dns, add_question, add_response
from soc.normalise.program_lines import add_program, read_program_line
from soc.normalise.written_times import from_written

SOURCE = Source(
    name="windows_dns",
    product="Microsoft DNS Server, debug log",
    arrives_by="file",
    reference="Microsoft Learn 'DNS Logging and Diagnostics'; the log's own 'Message logging key'",
    namespaces=("windows_dns",),
)
TIME = r"(?:\d{1,4}[/.-]\d{1,2}[/.-]\d{1,4}) \d{1,2}:\d\d:\d\d(?: (?:[AP]M|SA|CH))?"
CONTEXT = r"(?:PACKET|EVENT|UPDATE|TIMEOUT|ASYNC|DSPOLL|LOOKUP|RECURSE|REMOTE|INIT|WRITE|TOMBSTN|RPC|ZONEXFR|Note:)"
PACKET = re.compile(
    rf"(?P<time>{TIME}) (?P<thread>[0-9A-F]{{3,8}}) PACKET\s{{1,4}}(?:(?P<buffer>[0-9A-F]{{8,16}}) )?"
    r"(?P<transport>UDP|TCP) (?P<way>Rcv|Snd) (?P<address>[0-9A-Fa-f:.]{2,45})\s{1,16}(?P<id>[0-9a-f]{4}) "
    r"(?P<response>R| ) (?P<opcode>.) \[(?P<flags>[0-9a-f]{4}) (?P<letters>[ATDR ]{0,10}?) {0,8}"
    r"(?P<code>[A-Z0-9]{1,16}) {0,4}\] (?P<type>\S{1,12})\s{1,12}(?P<name>\S{1,1100})",
    re.ASCII,
)
LINE = re.compile(
    rf"(?P<time>{TIME}) (?P<thread>[0-9A-F]{{3,8}}) (?P<context>{CONTEXT})\s{{0,8}}(?P<words>.*)",
    re.DOTALL,
)
CLAIM = re.compile(rf"{TIME} [0-9A-F]{{3,8}} {CONTEXT}".encode())
REMARK = re.compile(r"DNS Server log file creation at |Log file wrap at |Message logging key ")
OPCODES = {"Q": "QUERY", "N": "NOTIFY", "U": "UPDATE"}
LETTERS = {"A": "AA", "T": "TC", "D": "RD", "R": "RA"}
CLAIMS_FROM = b"0123456789"


def claims(raw: bytes) -> bool:
    """Whether the bytes look like a line of the debug log."""
    return CLAIM.match(raw[:80]) is not None


def read(record: RawRecord) -> Iterator[Event]:
    """Yield the one event of a line.

    Raises:
        RecordError: it has no time with a thread and a context.
    """
    text = record.raw.decode("utf-8", errors="replace").strip("\r\n\x00 \ufeff")
    packet = PACKET.match(text)
    parts = packet or LINE.fullmatch(text)
    if parts is None and REMARK.match(text) is None:
        reason = "no line of the DNS debug log: time, thread and PACKET are expected"
        raise RecordError(reason, source=SOURCE.name, raw=record.raw)
    fields: Fields = {"event.kind": "event", "event.module": "windows_dns"}
    if packet is not None:
        _packet(fields, packet)
    else:
        fields |= {"event.dataset": "windows_dns.log", "message": text}
        fields["event.category"], fields["event.type"] = ["network"], ["info"]
        if parts is not None:
            fields["windows_dns.context"] = parts["context"].rstrip(":")
            fields["message"] = parts["words"].strip() or text
    add_program(fields, read_program_line("", record), record)
    observed_at = record.collected_at or record.received_at
    if parts is not None:
        fields["windows_dns.thread"] = parts["thread"]
        try:
            written = parts["time"]
            observed_at = from_written(written, record, us=written.endswith("M"))
        except ValueError:
            fields["event.reason"] = "its time could not be read"
    yield Event(source=SOURCE.name, observed_at=observed_at, fields=fields, raw=record.raw)


def _packet(fields: Fields, packet: re.Match[str]) -> None:
    answer = packet["response"] == "R"
    add_dns(fields, answer=answer)
    fields["event.dataset"] = "windows_dns.query"
    received = packet["way"] == "Rcv"
    fields["event.action"] = (
        f"{'answer' if answer else 'query'}-{'received' if received else 'sent'}"
    )
    fields["network.transport"] = packet["transport"].lower()
    address = ip_address(packet["address"])
    if address is not None:
        # the one who asked is the source: of a question received, of an answer sent
        fields["source.ip" if received != answer else "destination.ip"] = address
    fields["dns.id"] = packet["id"]
    fields["dns.op_code"] = OPCODES.get(packet["opcode"], "UNKNOWN")
    flags = [LETTERS[letter] for letter in packet["letters"] if letter in LETTERS]
    if flags:
        fields["dns.header_flags"] = flags
    add_question(fields, packet["name"], packet["type"])
    if answer:
        add_response(fields, packet["code"])
