"""A day of a province's EDR exports, made from a table drawn by a seed, and written as each product writes it.

Nothing here knows the mapping files: the table is the truth, and the exports are what the products would make of it.
"""

# ruff: noqa: E501 - a record is written in one piece, as the product writes it

from __future__ import annotations

import csv
import hashlib
import io
import json
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone

AGENCIES = 188
SPEAKING = 186  # the last two send nothing
MIDNIGHT = datetime(2026, 11, 21, tzinfo=UTC)
SNAPSHOTS = tuple(MIDNIGHT + timedelta(hours=hours) for hours in (1, 9, 17))
VIETNAM = timezone(timedelta(hours=7))
PRODUCTS = ("kaspersky", "eset", "trend_micro", "defender", "clamav", "viettel", "generic")
SPREADING = hashlib.sha256(b"spreads").hexdigest()
SPREADS_AT = (3, 77, 150)
ACTIONS = ("cleaned", "deleted", "quarantined", "blocked", "failed", "none")
DAY = timedelta(days=1)


@dataclass(frozen=True)
class State:
    """What one snapshot says of a machine."""

    at: datetime
    protection: str
    signature: datetime
    contact: datetime
    version: str


@dataclass(frozen=True)
class Detection:
    at: datetime
    threat: str
    folder: str
    file: str
    hash: str
    action: str
    user: str

    @property
    def path(self) -> str:
        return f"{self.folder}\\{self.file}"


@dataclass
class Machine:
    name: str
    agency: int
    ip: str
    product: str
    states: list[State] = field(default_factory=list)
    detections: list[Detection] = field(default_factory=list)

    @property
    def contact(self) -> datetime:
        return max([one.contact for one in self.states] + [one.at for one in self.detections])


def table(count: int, seed: int = 6) -> list[Machine]:
    """The truth: machines of every product at every speaking agency."""
    dice = random.Random(seed)
    machines = []
    for number in range(count):
        agency = number % SPEAKING
        place = number // SPEAKING + 1
        product = PRODUCTS[(number + number // SPEAKING) % len(PRODUCTS)]
        one = Machine(f"A{agency:03}-PC-{place:03}", agency, f"10.{agency}.1.{place}", product)
        age = dice.choices(
            [timedelta(hours=6), timedelta(days=3), timedelta(days=20)], [80, 16, 4]
        )[0]
        away = dice.random() < 0.03
        for at in SNAPSHOTS:
            contact = at - (9 * DAY if away else timedelta(minutes=dice.randrange(1, 50)))
            one.states.append(
                State(
                    at=at,
                    protection="off" if dice.random() < 0.05 else "on",
                    signature=(at - age).replace(minute=0),
                    contact=contact.replace(second=dice.randrange(60)),
                    version=f"12.{dice.randrange(3)}.{at.hour}",
                )
            )
        for _ in range(dice.choices([0, 1, 2], [88, 9, 3])[0]):
            one.detections.append(_detection(dice, product))
        machines.append(one)
    for agency in SPREADS_AT:
        one = next(one for one in machines if one.agency == agency)
        made = _detection(dice, one.product)
        one.detections.append(Detection(**{**made.__dict__, "hash": SPREADING[: len(made.hash)]}))
    return machines


def _detection(dice: random.Random, product: str) -> Detection:
    digest = hashlib.sha256(str(dice.random()).encode()).hexdigest()
    return Detection(
        at=MIDNIGHT + timedelta(seconds=dice.randrange(86_400)),
        threat=f"Trojan.Win32.Made{dice.randrange(500)}",
        folder="C:\\Users\\lan, hoa\\Downloads",
        file=f"hóa đơn {dice.randrange(9999)}.exe",
        hash=digest[: {"eset": 40, "trend_micro": 40}.get(product, 64)],
        action=dice.choice(ACTIONS),
        user="lan",
    )


# ── how each product writes it ───────────────────────────────────────────────────────────────────────────────────


def local(moment: datetime, form: str) -> str:
    return moment.astimezone(VIETNAM).strftime(form)


def iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def cef_of(machine: Machine, one: Detection) -> str:
    """A CEF line, for the three products that send them."""
    path, name = one.path.replace("\\", "\\\\"), machine.name
    folder = one.folder.replace("\\", "\\\\")
    milliseconds = int(one.at.timestamp() * 1000)
    if machine.product == "kaspersky":
        kinds = {
            "cleaned": "GNRL_EV_OBJECT_CURED",
            "deleted": "GNRL_EV_OBJECT_DELETED",
            "quarantined": "GNRL_EV_OBJECT_QUARANTINED",
            "blocked": "GNRL_EV_OBJECT_BLOCKED",
            "failed": "GNRL_EV_OBJECT_NOTCURED",
            "none": "GNRL_EV_VIRUS_FOUND",
        }
        return (
            f"CEF:0|KasperskyLab|SecurityCenter|14.2|{kinds[one.action]}|Malicious object|4|rt={milliseconds} dhost={name} "
            f"dst={machine.ip} cs1={one.threat} cs1Label=VirusName filePath={path} duser={one.user} fileHash={one.hash}"
        )
    if machine.product == "trend_micro":
        words = {
            "cleaned": "File cleaned",
            "deleted": "File deleted",
            "quarantined": "File quarantined",
            "blocked": "Access denied",
            "failed": "Unable to clean file",
            "none": "File passed",
        }
        when = one.at.strftime("%b %d %Y %H:%M:%S GMT+00:00")
        return (
            f"CEF:0|Trend Micro|Apex Central|2019|AV:{words[one.action]}|{one.threat}|3|rt={when} dhost={name} duser={one.user} "
            f"act={words[one.action]} filePath={folder} fname={one.file} dst={machine.ip} fileHash={one.hash.upper()}"
        )
    words = {
        "cleaned": "đã làm sạch",
        "deleted": "đã xóa",
        "quarantined": "đã cách ly",
        "blocked": "đã chặn",
        "failed": "thất bại",
        "none": "chỉ cảnh báo",
    }
    return (
        f"CEF:0|Viettel|EDR|3.2|malware|{one.threat}|8|rt={milliseconds} dhost={name} dst={machine.ip} duser={one.user} "
        f"act={words[one.action]} filePath={path} fileHash={one.hash}"
    )


def cef_state(machine: Machine, one: State) -> str:
    return (
        f"CEF:0|Viettel|EDR|3.2|heartbeat|Agent status|1|rt={int(one.at.timestamp() * 1000)} dhost={machine.name} "
        f"dst={machine.ip} Protection={one.protection} SignatureDate={iso(one.signature)} LastContact={iso(one.contact)} "
        f"AgentVersion={one.version}"
    )


def kaspersky_state(machine: Machine, one: State) -> dict[str, object]:
    return {
        "KLHST_WKS_DN": machine.name,
        "KLHST_WKS_IP": machine.ip,
        "KLHST_WKS_RTP_STATE": 4 if one.protection == "on" else 1,
        "KLHST_WKS_LAST_UPDATE": iso(one.signature),
        "KLHST_WKS_LAST_VISIBLE": iso(one.contact),
        "KLHST_WKS_RTP_AV_VERSION": one.version,
        "exported_at": iso(one.at),
    }


def eset_detection(machine: Machine, one: Detection) -> dict[str, object]:
    words = {
        "cleaned": "cleaned",
        "deleted": "deleted",
        "quarantined": "quarantined",
        "blocked": "connection terminated",
        "failed": "error while cleaning",
        "none": "no action",
    }
    return {
        "event_type": "Threat_Event",
        "hostname": f"{machine.name}.tinh.example.vn",
        "ipv4": machine.ip,
        "source_uuid": "u",
        "occurred": one.at.strftime("%d-%b-%Y %H:%M:%S"),
        "threat_name": one.threat,
        "object_uri": f"file:///{one.path}",
        "hash": one.hash.upper(),
        "action_taken": words[one.action],
        "username": one.user,
    }


def eset_state(machine: Machine, one: State) -> dict[str, str]:
    return {
        "Computer name": machine.name,
        "IP address": machine.ip,
        "Protection status": "Enabled" if one.protection == "on" else "Disabled",
        "Detection engine time": one.signature.strftime("%Y-%m-%d %H:%M:%S"),
        "Last connected": one.contact.strftime("%Y-%m-%d %H:%M:%S"),
        "Product version": one.version,
        "Report time": one.at.strftime("%Y-%m-%d %H:%M:%S"),
    }


def trend_state(machine: Machine, one: State) -> dict[str, str]:
    us = "%m/%d/%Y %H:%M:%S"
    return {
        "Endpoint": machine.name,
        "IP Address": machine.ip,
        "Real-time Scan": "Enabled" if one.protection == "on" else "Disabled",
        "Pattern Date": local(one.signature, us),
        "Last Connection": local(one.contact, us),
        "Agent Version": one.version,
        "Exported": local(one.at, us),
    }


def defender_detection(machine: Machine, one: Detection) -> dict[str, object]:
    words = {
        "cleaned": "Remediated",
        "deleted": "Removed",
        "quarantined": "Quarantined",
        "blocked": "Prevented",
        "failed": "Failed",
        "none": "Active",
    }
    evidence = {
        "sha256": one.hash,
        "fileName": one.file,
        "filePath": one.folder,
        "remediationStatus": words[one.action],
    }
    return {
        "id": f"{machine.name}/{one.at.timestamp()}",
        "computerDnsName": machine.name.lower(),
        "lastIpAddress": machine.ip,
        "threatName": one.threat,
        "alertCreationTime": f"{iso(one.at)[:-1]}.0000000Z",
        "relatedUser": {"userName": one.user},
        "evidence": [evidence],
        "updatedAt": iso(one.at),
    }


def defender_state(machine: Machine, one: State) -> dict[str, object]:
    return {
        "computerDnsName": machine.name.lower(),
        "lastIpAddress": machine.ip,
        "avMode": "0" if one.protection == "on" else "2",
        "avSignatureRefreshTime": iso(one.signature),
        "lastSeenTime": iso(one.contact),
        "avPlatformVersion": one.version,
        "dataRefreshTimestamp": iso(one.at),
        "updatedAt": iso(one.at),
    }


def clamav_detection(machine: Machine, one: Detection) -> dict[str, str]:
    words = {
        "cleaned": "",
        "deleted": "removed",
        "quarantined": "moved",
        "blocked": "blocked",
        "failed": "can't remove",
        "none": "none",
    }
    return {
        "clamav_host": machine.name,
        "ip": machine.ip,
        "signature": one.threat,
        "file": one.path,
        "sha256": one.hash,
        "action": words[one.action],
        "user": one.user,
        "time": local(one.at, "%Y-%m-%d %H:%M:%S"),
    }


def clamav_state(machine: Machine, one: State) -> dict[str, str]:
    return {
        "clamav_host": machine.name,
        "ip": machine.ip,
        "clamd": "active" if one.protection == "on" else "inactive",
        "database_time": one.signature.strftime("%a, %d %b %Y %H:%M:%S +0000"),
        "clamav_version": one.version,
        "last_report": local(one.contact, "%Y-%m-%d %H:%M:%S"),
    }


def generic_detection(machine: Machine, one: Detection) -> dict[str, str]:
    return {
        "machine": machine.name,
        "ip": machine.ip,
        "threat": one.threat,
        "path": one.path,
        "sha256": one.hash,
        "action": one.action,
        "user": one.user,
        "time": local(one.at, "%Y-%m-%dT%H:%M:%S+07:00"),
    }


def generic_state(machine: Machine, one: State) -> dict[str, object]:
    return {
        "machine": machine.name,
        "ip": machine.ip,
        "protection": one.protection == "on",
        "signature_date": iso(one.signature),
        "last_contact": iso(one.contact),
        "product_version": one.version,
        "time": iso(one.at),
        "updatedAt": iso(one.at),
    }


def csv_text(rows: Sequence[Mapping[str, str]], separator: str = ",") -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), delimiter=separator)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def json_text(rows: Iterable[object], around: str = "") -> bytes:
    text = json.dumps(list(rows), ensure_ascii=False, indent=1)
    return (f'{{"{around}": {text}}}' if around else text).encode()


def lines_text(rows: Iterable[object]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def files(machines: Sequence[Machine]) -> dict[str, bytes]:
    """The day's export files by name."""
    made: dict[str, bytes] = {}
    of = {product: [one for one in machines if one.product == product] for product in PRODUCTS}
    for number in range(len(SNAPSHOTS)):

        def states(
            product: str, write: Callable[[Machine, State], object], number: int = number
        ) -> list[object]:
            return [write(one, one.states[number]) for one in of[product]]

        made[f"ksc-{number}.json"] = json_text(states("kaspersky", kaspersky_state), "value")
        made[f"eset-{number}.csv"] = csv_text(states("eset", eset_state), ";")
        made[f"apex-{number}.csv"] = (
            csv_text(states("trend_micro", trend_state)).decode().encode("utf-16")
        )
        made[f"clam-{number}.csv"] = csv_text(states("clamav", clamav_state))
    for product, name, write, text in (
        ("eset", "eset-threats.json", eset_detection, lines_text),
        ("clamav", "clam-found.csv", clamav_detection, csv_text),
        ("generic", "other-found.csv", generic_detection, csv_text),
    ):
        rows = [write(one, found) for one in of[product] for found in one.detections]
        if rows:
            made[name] = text(rows)
    return made


def cef_lines(machines: Sequence[Machine]) -> list[str]:
    lines = [
        cef_of(one, found)
        for one in machines
        if one.product in ("kaspersky", "trend_micro", "viettel")
        for found in one.detections
    ]
    return lines + [
        cef_state(one, state)
        for one in machines
        if one.product == "viettel"
        for state in one.states
    ]


def polled(machines: Sequence[Machine]) -> list[dict[str, object]]:
    """The items of the REST interface, the oldest change first."""
    items = [
        defender_state(one, state)
        for one in machines
        if one.product == "defender"
        for state in one.states
    ]
    items += [
        defender_detection(one, found)
        for one in machines
        if one.product == "defender"
        for found in one.detections
    ]
    items += [
        generic_state(one, state)
        for one in machines
        if one.product == "generic"
        for state in one.states
    ]
    return sorted(items, key=lambda one: str(one["updatedAt"]))
