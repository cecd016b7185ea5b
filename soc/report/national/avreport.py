"""``AVReport`` inside an edXML envelope: the malware report to the national centre.

The only published trace of the format is what a connector of 2024 sent, after official letter 2290/BTTTT-CATTT (2018);
``avreport.rng`` is our own schema of it, not an official one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from lxml import etree

from soc.errors import DeliveryError
from soc.report.national.fleet import FleetFigures, MachineState, Sender

EDXML = "http://www.mic.gov.vn/TBT/QCVN_102_2016"
SCHEMA = Path(__file__).with_name("avreport.rng")
LARGEST = 64 * 2**20  # bytes of a report
NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_avreport(figures: FleetFigures, sender: Sender, subject: str) -> bytes:
    """The report as UTF-8 XML; the same figures give the same bytes. It is checked against the schema.

    Raises:
        DeliveryError: permanent; the sender's code is not in the old order, or a figure does not fit the schema.
    """
    root = etree.Element("edXMLEnvelope", nsmap={"edXML": EDXML})
    message = _add(_add(root, _edxml("edXMLHeader")), _edxml("MessageHeader"))
    origin = _add(message, _edxml("From"))
    for name, value in (
        ("OrganId", sender.code), ("OrganName", sender.name), ("OrganAdd", sender.address),
        ("Email", sender.email), ("Telephone", sender.telephone), ("Fax", sender.fax),
        ("Website", sender.website),
    ):  # fmt: skip
        _add(origin, _edxml(name), value)
    _add(message, _edxml("Subject"), subject)
    report = _add(_add(root, _edxml("edXMLBody")), "AVReport")
    report.set("name", _clean(figures.product))
    _add(report, "Datetime", str(int(figures.at.timestamp())))
    _groups(report, figures)
    content: bytes = etree.tostring(root, xml_declaration=True, encoding="UTF-8")
    check_avreport(content)
    return content


def check_avreport(content: bytes) -> None:
    """Raises DeliveryError (permanent) with the place and the reason when it is not a report by the schema."""
    if len(content) > LARGEST:
        raise DeliveryError(f"an AVReport has at most {LARGEST} bytes", permanent=True)
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        root = etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise DeliveryError(f"the AVReport is not XML: {error}", permanent=True) from error
    if root.getroottree().docinfo.internalDTD is not None:
        raise DeliveryError("an AVReport has no DOCTYPE: leave it out", permanent=True)
    schema = _schema()
    if not schema.validate(root):
        first = schema.error_log[0]
        reason = f"the AVReport does not fit its schema, {first.path}: {first.message}"
        raise DeliveryError(reason, permanent=True)


@cache
def _schema() -> etree.RelaxNG:
    return etree.RelaxNG(etree.parse(str(SCHEMA)))


def _groups(report: etree._Element, figures: FleetFigures) -> None:
    """The six groups, in the order of the connector; a group without machines stays, empty."""
    machines = figures.machines
    group = _add(report, "Malware")
    for machine in machines:
        facts = [
            {"MalwareName": one.name, "MalwareType": one.type, "MalwareBehavior": one.behaviour,
             "TypeOfDevice": one.device, "NumberFile": str(one.files)}
            for one in machine.malware
        ]  # fmt: skip
        _machine(group, machine, "MalwareInfo", facts)
    group = _add(report, "Connection")
    for machine in machines:
        facts = [
            {"Program": one.program, "Md5": one.md5, "Sha2": one.sha256, "TargetIP": one.target_ip}
            for one in machine.connections
        ]
        _machine(group, machine, "ConnectionInfo", facts)
    group = _add(report, "Vulnerability")
    for machine in machines:
        facts = [{"Name": name, "OSName": machine.os_name} for name in machine.vulnerabilities]
        _machine(group, machine, "VulnerabilityInfo", facts)
    group = _add(report, "OS")
    for machine in machines:
        one = _named(group, machine)
        _add(one, "OSName", machine.os_name)
        if machine.last_update is not None:
            _add(one, "LastUpdate", str(int(machine.last_update.timestamp())))
    _add(_add(report, "Update"), "NumberMachineNotUpdateOn15Day", str(figures.not_updated))
    group = _add(report, "QualityFeature")
    for machine in machines:
        states = {"AutoProtect": machine.auto_protect, "EnableFirewall": machine.firewall}
        known = {name: value for name, value in states.items() if value is not None}
        if known:
            one = _named(group, machine)
            for name, value in known.items():
                _add(one, name, "true" if value else "false")


def _machine(
    group: etree._Element, machine: MachineState, kind: str, facts: Iterable[dict[str, str]]
) -> None:
    """A machine with one element of ``kind`` for each fact; none when it has no facts."""
    one = None
    for fact in facts:
        one = _named(group, machine) if one is None else one
        element = _add(one, kind)
        for name, value in fact.items():
            _add(element, name, value)


def _named(group: etree._Element, machine: MachineState) -> etree._Element:
    one = _add(group, "Machine")
    one.set("ip", _clean(machine.ip))
    one.set("name", _clean(machine.name))
    return one


def _add(parent: etree._Element, name: str, text: str = "") -> etree._Element:
    element = etree.SubElement(parent, name)
    if text:
        element.text = _clean(text)
    return element


def _edxml(name: str) -> str:
    return f"{{{EDXML}}}{name}"


def _clean(text: str) -> str:
    """What XML 1.0 cannot carry (a NUL in a file's name, a lone surrogate) becomes U+FFFD."""
    return NO_XML.sub("\ufffd", text)
