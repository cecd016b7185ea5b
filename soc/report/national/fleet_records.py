"""The fleet's figures from the records of the EDR feed and the register: what the malware report tells.

What nobody tells the platform stays unknown: the system's last update, the machine's firewall, open vulnerabilities and
connections are not in the feed.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from soc.errors import NotFound
from soc.normalise.protection.machines import machine_key
from soc.records.edr import EdrDetectionRow, EdrMachineRow
from soc.records.register import AgencyRow, AssetRow
from soc.report.national.fleet import FleetFigures, MachineState, MalwareFound, Sender

PRODUCT = "Province SOC"
PROTECTION = {"on": True, "off": False}
Key = tuple[str | None, str]  # agency and folded machine name


def fleet_of(session: Session, *, since: datetime, at: datetime) -> FleetFigures:
    """Every machine of the feed, with what was found on it in [since, at)."""
    rows: dict[Key, list[EdrMachineRow]] = defaultdict(list)
    for row in session.scalars(select(EdrMachineRow)):
        rows[row.agency_id, row.key].append(row)
    found = _found(session, since, at)
    assets = {
        (asset.agency_id, machine_key(asset.name)): asset
        for asset in session.scalars(select(AssetRow))
    }
    machines = [
        _machine(rows.get(key, []), assets.get(key), key[1], found.get(key, {}))
        for key in sorted({*rows, *found}, key=lambda key: (key[0] or "", key[1]))
    ]
    return FleetFigures(PRODUCT, at, tuple(machines))


def sender_of(session: Session, agency_id: str, code: str) -> Sender:
    """The agency that reports; ``code`` is its identifier in the old order.

    Raises:
        NotFound: there is no such agency.
    """
    agency = session.scalar(select(AgencyRow).where(AgencyRow.id == agency_id))
    if agency is None:
        raise NotFound("agency", agency_id)
    return Sender(
        code, agency.name, address=agency.address, email=agency.email, telephone=agency.phone
    )


def _found(
    session: Session, since: datetime, at: datetime
) -> dict[Key, dict[tuple[str, str], set[str]]]:
    """By machine: threat and type to the files, told apart by path or hash."""
    within = select(EdrDetectionRow).where(EdrDetectionRow.at >= since, EdrDetectionRow.at < at)
    found: dict[Key, dict[tuple[str, str], set[str]]] = defaultdict(lambda: defaultdict(set))
    for row in session.scalars(within):
        threat = row.threat or row.path or row.hash
        if threat:
            files = found[row.agency_id, row.machine_key][threat, row.threat_type]
            files.add(row.path or row.hash)
    return found


def _machine(
    rows: list[EdrMachineRow],
    asset: AssetRow | None,
    key: str,
    found: dict[tuple[str, str], set[str]],
) -> MachineState:
    said = {PROTECTION[row.protection] for row in rows if row.protection in PROTECTION}
    signatures = [row.signature_date for row in rows if row.signature_date is not None]
    name = rows[0].machine if rows else (asset.name if asset else key)
    malware = sorted(found.items())
    return MachineState(
        ip=str(asset.addresses[0]) if asset and asset.addresses else "",
        name=name,
        os_name=asset.operating_system if asset else "",
        signature_update=max(signatures, default=None),
        auto_protect=(True in said) if said else None,
        malware=tuple(
            MalwareFound(threat, kind, files=len(files)) for (threat, kind), files in malware
        ),
    )
