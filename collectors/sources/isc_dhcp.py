"""ISC dhcpd: leases of DHCP and DHCPv6, refusals and the rest, by syslog or file."""

from __future__ import annotations

import re
from collections.abc import Iterator

from soc.collect.contract import Source
from soc.errors import RecordError
from soc.model.event import Event, Fields, RawRecord
from soc.normalise.dhcp_words import add_lease
from soc.normalise.forms import form, say
from soc.normalise.network_words import add, table
from soc.normalise.program_lines import add_program, read_program_line

SOURCE = Source(
    name="isc_dhcp",
    product="ISC dhcpd",
    arrives_by="syslog, file",
    reference="dhcpd(8); ISC DHCP server/dhcp.c and server/dhcpv6.c: the texts of its log lines",
    namespaces=("dhcp",),
)
CLAIMS_PROGRAMS = re.compile(r"(?:/\S{1,100}/)?dhcpd[46]?")
IP = r"(?P<address>[0-9A-Fa-f:.]{2,45})"
MAC = r"(?P<mac>[0-9A-Fa-f:]{2,60}|<no identifier>|\"[^\"]{0,200}\")"
NAME = r"(?: \((?P<name>[^)]{0,255})\))?"
VIA = r"(?: via (?P<interface>[^\s:]{1,80}))?(?: \(\w{1,20}\))?(?:: (?P<reason>.{1,300}))?"
FORMS = (
    form(rf"DHCPDISCOVER from {MAC}{NAME}{VIA}", "discover"),
    form(rf"DHCPOFFER on {IP} to {MAC}{NAME}{VIA}", "offer"),
    form(rf"DHCPREQUEST for {IP}(?: \((?P<server>[0-9A-Fa-f:.]{{2,45}})\))? from {MAC}{NAME}{VIA}", "request"),
    form(rf"(?:DHCPACK|BOOTREPLY) (?:on|for) {IP} to {MAC}{NAME}{VIA}", "ack"),
    form(rf"DHCPACK to {IP} \({MAC}\){VIA}", "inform-ack"),
    form(rf"DHCPNAK on {IP} to {MAC}{NAME}{VIA}", "nak"),
    form(rf"DHCPRELEASE (?:of|from) {IP} from {MAC}{NAME}{VIA}", "release"),
    form(rf"DHCPDECLINE (?:of|on) {IP} from {MAC}{NAME}{VIA}", "decline"),
    form(rf"DHCPINFORM from {IP}{VIA}", "inform"),
    form(rf"(?:Abandoning IP address|Abandoned IP address) {IP}(?:: (?P<reason>.{{1,200}}))?", "address-in-use"),
    form(rf"(?:[Uu]id )?lease {IP} for client {MAC} is duplicate on (?P<network>\S{{1,80}})", "duplicate"),
    form(rf"(?P<message_type>Solicit|Request|Renew|Rebind|Release|Decline|Confirm|Information-request) message from "
         rf"{IP} port \d{{1,5}}, transaction ID (?P<transaction>0x[0-9A-Fa-f]{{1,12}})", "v6-message"),
    form(rf"(?:Advertise|Reply|Renew|Rebind) (?:NA|TA): address {IP} to client with duid "
         rf"(?P<mac>[0-9A-Fa-f:]{{2,400}}) "
         r"iaid = (?P<iaid>-?\d{1,12}) valid for (?P<seconds>\d{1,12}) seconds", "ack"),
)  # fmt: skip
NAMES = table(
    {
        "address": "", "mac": "", "name": "", "interface": "observer.ingress.interface.name",
        "server": "destination.ip", "reason": "event.reason",
    }
)  # fmt: skip


def read(record: RawRecord) -> Iterator[Event]:
    """Yield the one event of a line.

    Raises:
        RecordError: it is not of the program dhcpd.
    """
    text = record.raw.decode("utf-8", errors="replace").strip("\r\n\x00 \ufeff")
    line = read_program_line(text, record)
    if not line.program.startswith("dhcpd"):
        reason = "no line of dhcpd: dhcpd[1]: is expected"
        raise RecordError(reason, source=SOURCE.name, raw=record.raw)
    fields: Fields = {"event.kind": "event", "event.module": "isc_dhcp"}
    fields["event.dataset"] = "isc_dhcp.log"
    fields["event.category"], fields["event.type"] = ["network"], ["info"]
    if line.message:
        fields["message"] = line.message
    said = say(fields, FORMS, line.message)
    if said:
        _lease(fields, said)
    add_program(fields, line, record)
    yield Event(
        source=SOURCE.name,
        observed_at=line.observed_at(record),
        fields=fields,
        raw=record.raw,
    )


def _lease(fields: Fields, said: dict[str, str]) -> None:
    reason = said.get("reason", "")
    action = str(fields["event.action"])
    if "no free leases" in reason:
        action = "no-address"
    elif "unknown client" in reason or "not authoritative" in reason or "wrong network" in reason:
        action = "denied"
    elif "message_type" in said:
        action = said["message_type"].lower()
    name, mac = said.get("name", ""), said.get("mac", "")
    add_lease(fields, action, address=said.get("address", ""), mac=mac, name=name)
    add(fields, NAMES, said, "dhcp")
