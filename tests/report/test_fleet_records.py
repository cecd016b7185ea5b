"""The malware report from the records: the hand-made table comes back through a reader that knows the form alone."""

from __future__ import annotations

from datetime import timedelta

import pytest
from typer.testing import CliRunner

from soc.cli import national
from soc.model.scope import Scope
from soc.records.database import Database
from soc.records.edr import EdrDetectionRow, EdrMachineRow
from soc.records.migrate import upgrade
from soc.records.register import AgencyRow, AssetRow
from soc.report.national.avreport import to_avreport
from soc.report.national.fleet_records import fleet_of, sender_of
from soc.settings import Settings
from tests.report.test_avreport import AT, read_back

PROVINCE = Scope.province("tests")


def fill(database: Database, *, at=AT) -> None:
    """Two machines of one name in two agencies, one with two products, one that only a finding names."""

    def machine(key, agency, name, product, protection, signature_days):
        return EdrMachineRow(
            id=key, agency_id=agency, key=name.lower(), machine=name, product=product,
            protection=protection, signature_date=at - timedelta(days=signature_days),
        )  # fmt: skip

    def finding(key, agency, name, threat, path, days):
        return EdrDetectionRow(
            id=key, agency_id=agency, machine_key=name.lower(), machine=name, product="ESET",
            at=at - timedelta(days=days), threat=threat, threat_type="trojan", path=path,
            hash="", action="deleted", user="", event_id=key,
        )  # fmt: skip

    with database.write(PROVINCE) as session:
        session.add_all(
            [
                AgencyRow(id="sxd", code="H99.08", name="Sở Xây dựng", email="sxd@example.vn"),
                AgencyRow(id="stc", code="H99.09", name="Sở Tài chính"),
                AssetRow(
                    id="a1", agency_id="sxd", name="PC-01.sxd.example.vn",
                    addresses=["10.8.0.1"], operating_system="Windows 11",
                ),
                machine("m1", "sxd", "PC-01", "ESET", "off", 20),
                machine("m2", "sxd", "PC-01", "Defender", "on", 3),
                machine("m3", "stc", "PC-01", "ESET", "off", 16),
                finding("d1", "sxd", "PC-01", "Trojan.X", "C:\\a.exe", 2),
                finding("d2", "sxd", "PC-01", "Trojan.X", "C:\\b.exe", 3),
                finding("d3", "sxd", "PC-01", "Trojan.Y", "C:\\c.exe", 40),
                finding("d4", "stc", "PC-09", "Worm.Z", "D:\\z.exe", 1),
            ]
        )  # fmt: skip


def test_the_report_of_the_records_equals_the_table(database):
    fill(database)
    with database.session(PROVINCE) as session:
        figures = fleet_of(session, since=AT - timedelta(days=30), at=AT)
        sender = sender_of(session, "sxd", "000.00.08.H99")
    told = read_back(to_avreport(figures, sender, "Báo cáo"))
    assert told["malware"] == [
        ("", "pc-09", "Worm.Z", "trojan", "", "", "1"),
        ("10.8.0.1", "PC-01", "Trojan.X", "trojan", "", "", "2"),
    ]
    assert told["protection"] == {
        ("10.8.0.1", "PC-01", "AutoProtect", "true"),
        ("", "PC-01", "AutoProtect", "false"),
    }
    assert told["not_updated"] == 1
    assert told["connections"] == told["vulnerabilities"] == []
    assert ("10.8.0.1", "PC-01", "OSName", "Windows 11") in told["os"]


def test_the_command_writes_a_file_that_holds(tmp_path, monkeypatch):
    monkeypatch.setenv("SOC_HOME", str(tmp_path))
    settings = Settings(home=tmp_path)
    upgrade(settings.database_url)
    database = Database(settings.database_url)
    fill(database)
    database.close()
    out = tmp_path / "avreport.xml"
    done = CliRunner().invoke(national.app, ["malware", "--sender", "sxd", "--out", str(out)])
    assert done.exit_code == 0, done.output
    told = read_back(out.read_bytes())
    assert told["from"] == "000.00.08.H99"
    lost = CliRunner().invoke(national.app, ["malware", "--sender", "x", "--out", str(out)])
    assert "agency" in str(lost.exception)


@pytest.mark.parametrize("code", ["H1", "không"])
def test_an_identifier_that_cannot_be_is_told(tmp_path, monkeypatch, code):
    monkeypatch.setenv("SOC_HOME", str(tmp_path))
    settings = Settings(home=tmp_path)
    upgrade(settings.database_url)
    database = Database(settings.database_url)
    with database.write(PROVINCE) as session:
        session.add(AgencyRow(id="sxd", code=code, name="Sở Xây dựng"))
    database.close()
    done = CliRunner().invoke(
        national.app, ["malware", "--sender", "sxd", "--out", str(tmp_path / "x.xml")]
    )
    assert code in str(done.exception)
