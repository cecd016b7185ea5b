"""Made-up Windows events beside recorded ones: the same names in the same order, the same head."""

from __future__ import annotations

import re
from pathlib import Path

from evtx import PyEvtxParser

from soc.simulate import Plan, days, scenario_names

ATTACKS, MITRE = "evtx-attack-samples", "evtx-to-mitre"
RECORDED = (
    f"{ATTACKS}/Credential Access/CA_chrome_firefox_opera_4663.evtx",
    f"{ATTACKS}/Credential Access/Zerologon_VoidSec_CVE-2020-1472_4626_LT3_Anonym_follwedby_4742_DC_Anony_DC.evtx",
    f"{ATTACKS}/Privilege Escalation/4624 LT3 AnonymousLogon Localhost - JuicyPotato.evtx",
    f"{ATTACKS}/Privilege Escalation/privesc_spoolfool_mahdihtm_sysmon_1_11_7_13.evtx",
    f"{MITRE}/EVTX_full_APT_attack_steps/ID4720,4698-Fortinet APT group abuse on Windows.evtx",
    f"{MITRE}/EVTX_full_APT_attack_steps/ID47x,4661-4662,5136,4688,4697-SAM the admin (CVE-2021-42287).evtx",
    f"{MITRE}/TA0001-Initial access/T1078-Valid accounts/"
    "ID4625-failed login with denied access due to account restriction.evtx",
    f"{MITRE}/TA0003-Persistence/T1098.xxx-Account manipulation/ID4728-Massive account group membership change.evtx",
    f"{MITRE}/TA0003-Persistence/T1543.003-Create or Modify System Process-Windows Service/"
    "ID7045-4697-SMBexec service registration.evtx",
)
COMPARED = {
    "1102",
    "4624",
    "4625",
    "4634",
    "4688",
    "4720",
    "4728",
    "4768",
    "4769",
    "5140",
    "7045",
    "1",
}
HEAD = (
    *(
        r"<Provider Name=[\"']([^\"']*)",
        r"<EventID[^>]*>(\d+)<",
        r"<Version>(\d+)<",
        r"<Level>(\d+)<",
    ),
    *(r"<Task>(\d+)<", r"<Keywords>(\w+)<", r"<Channel>([^<]*)<"),
)
NAME = re.compile(r"<Data Name=[\"']([^\"']*)")

Shape = tuple[str, ...]


def shape(xml: str) -> Shape:
    """Provider, code, version, level, task, keywords, channel, and the names of the data in order."""
    head = (re.search(pattern, xml) for pattern in HEAD)
    return (*(found[1] if found else "" for found in head), *NAME.findall(xml))


def test_windows_events_have_the_shape_of_recorded_ones(corpus: Path) -> None:
    """Twelve kinds. Not recorded there: prints, updates, Defender's 1001 and 5001, Sysmon 22 of this version."""
    made = {
        shape(one.raw.decode())
        for one in days(Plan(workstations=10, attacks=scenario_names()))
        if one.source == "windows_xml"
    }
    recorded = {
        shape(record["data"])
        for file in RECORDED
        for record in PyEvtxParser(str(corpus / file)).records()
    }
    compared = {one for one in made if one[1] in COMPARED}
    assert {one[1] for one in compared} == COMPARED
    assert compared <= recorded
