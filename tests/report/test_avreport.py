from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soc.errors import DeliveryError
from soc.report.national.avreport import check_avreport, to_avreport
from soc.report.national.fleet import (
    BadConnection,
    FleetFigures,
    MachineState,
    MalwareFound,
    Sender,
)

AT = datetime(2026, 11, 27, 3, 0, tzinfo=UTC)
OURS = Sender("000.00.05.H01", "Sở Khoa học và Công nghệ", email="soc@example.gov.vn")


def fleet(size: int = 300, seed: int = 7) -> FleetFigures:
    """A fleet with every group and every unknown in it."""
    dice = random.Random(seed)
    machines = []
    for number in range(size):
        malware = tuple(
            MalwareFound(f"Trojan.{n}", "trojan", "đánh cắp", "USB", dice.randint(1, 9))
            for n in range(dice.choice((0, 0, 0, 1, 3)))
        )
        connections = tuple(
            BadConnection("svchost.exe", f"203.0.113.{n}", "a" * 32, "B" * 64)
            for n in range(dice.choice((0, 0, 2)))
        )
        machines.append(
            MachineState(
                ip=f"10.40.{number // 250}.{number % 250 + 1}",
                name=f"PC-{number:04}",
                os_name=dice.choice(("Windows 10", "Windows 11", "Ubuntu 22.04")),
                last_update=dice.choice((None, AT - timedelta(days=dice.randint(0, 40)))),
                auto_protect=dice.choice((True, False, None)),
                firewall=dice.choice((True, False, None)),
                malware=malware,
                connections=connections,
                vulnerabilities=tuple(f"CVE-2026-{n}" for n in range(dice.choice((0, 0, 2)))),
            )
        )
    return FleetFigures("Province SOC", AT, tuple(machines))


def read_back(content: bytes) -> dict[str, object]:
    """An independent reader: what the form says of a report, without a line of the writer."""
    space = "{http://www.mic.gov.vn/TBT/QCVN_102_2016}"
    root = ElementTree.fromstring(content)
    report = root.find(f"{space}edXMLBody/AVReport")

    def rows(group, kind):
        return sorted(
            (machine.get("ip"), machine.get("name"), *(part.text or "" for part in one))
            for machine in report.findall(f"{group}/Machine")
            for one in machine.findall(kind)
        )

    def states(group):
        return {
            (machine.get("ip"), machine.get("name"), part.tag, part.text or "")
            for machine in report.findall(f"{group}/Machine")
            for part in machine
        }

    return {
        "from": root.findtext(
            f"{space}edXMLHeader/{space}MessageHeader/{space}From/{space}OrganId"
        ),
        "product": report.get("name"),
        "at": int(report.findtext("Datetime")),
        "malware": rows("Malware", "MalwareInfo"),
        "connections": rows("Connection", "ConnectionInfo"),
        "vulnerabilities": rows("Vulnerability", "VulnerabilityInfo"),
        "os": states("OS"),
        "not_updated": int(report.findtext("Update/NumberMachineNotUpdateOn15Day")),
        "protection": states("QualityFeature"),
    }


def test_every_group_of_a_fleet_is_read_back_to_the_same_figures():
    """By a reader that knows the form and not the writer."""
    figures = fleet()
    at = {True: "true", False: "false"}
    every = [(one.ip, one.name, one) for one in figures.machines]
    assert read_back(to_avreport(figures, OURS, "Báo cáo mã độc")) == {
        "from": "000.00.05.H01",
        "product": "Province SOC",
        "at": 1795748400,
        "malware": sorted(
            (ip, name, m.name, m.type, m.behaviour, m.device, str(m.files))
            for ip, name, one in every
            for m in one.malware
        ),
        "connections": sorted(
            (ip, name, c.program, c.md5, c.sha256, c.target_ip)
            for ip, name, one in every
            for c in one.connections
        ),
        "vulnerabilities": sorted(
            (ip, name, cve, one.os_name) for ip, name, one in every for cve in one.vulnerabilities
        ),
        "os": {(ip, name, "OSName", one.os_name) for ip, name, one in every}
        | {
            (ip, name, "LastUpdate", str(int(one.last_update.timestamp())))
            for ip, name, one in every
            if one.last_update
        },
        "not_updated": len(
            [
                one
                for one in figures.machines
                if one.last_update and (AT - one.last_update).days > 15
            ]
        ),
        "protection": {
            (ip, name, tag, at[value])
            for ip, name, one in every
            for tag, value in (("AutoProtect", one.auto_protect), ("EnableFirewall", one.firewall))
            if value is not None
        },
    }


def test_fifteen_days_to_the_second_is_still_updated():
    """More than fifteen days is not."""
    days = (timedelta(days=15), timedelta(days=15, seconds=1))
    machines = tuple(MachineState("10.0.0.1", "a", last_update=AT - age) for age in days)
    assert FleetFigures("x", AT, machines).not_updated == 1


def test_an_empty_fleet_is_a_report_too():
    """Nothing found is an answer."""
    assert read_back(to_avreport(FleetFigures("x", AT, ()), OURS, "s"))["not_updated"] == 0


@given(st.text(), st.text())
def test_any_name_of_a_malware_or_a_machine_leaves_as_valid_xml(name, machine):
    """File and host names are written by strangers."""
    one = MachineState("10.0.0.1", machine, malware=(MalwareFound(f"x{name}"),))
    read_back(to_avreport(FleetFigures("x", AT, (one,)), OURS, "s"))


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (MachineState("10.0.0.1", "a", malware=(MalwareFound("x", files=-1),)), "NumberFile"),
        (MachineState("10.0.0.1", "a", connections=(BadConnection("p", "1.2.3.4", "zz"),)), "Md5"),
    ],
)
def test_a_figure_that_does_not_fit_is_refused_with_its_place(found, reason):
    """Before anything leaves."""
    with pytest.raises(DeliveryError, match=reason) as refused:
        to_avreport(FleetFigures("x", AT, (found,)), OURS, "s")
    assert refused.value.permanent


def test_a_sender_without_an_old_code_is_told():
    """The form knows only the old order."""
    with pytest.raises(DeliveryError, match="OrganId"):
        to_avreport(FleetFigures("x", AT, ()), Sender("H01.05", "n"), "s")


@given(st.binary(max_size=300))
def test_hostile_bytes_are_no_report(content):
    """Whatever comes, one kind of error."""
    with pytest.raises(DeliveryError):
        check_avreport(content)


def test_a_report_with_a_doctype_is_refused():
    """No entity is ever looked up."""
    good = to_avreport(FleetFigures("x", AT, ()), OURS, "s").split(b"\n", 1)[1]
    with pytest.raises(DeliveryError, match="DOCTYPE"):
        check_avreport(b'<!DOCTYPE edXMLEnvelope [<!ENTITY a SYSTEM "file:///etc/passwd">]>' + good)
