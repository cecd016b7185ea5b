"""The figures of a fleet of machines that the national malware report tells: the narrow input of ``avreport``.

Whoever keeps the machines (the EDR feed, an anti-malware server's export) fills a ``FleetFigures``; the report knows
nothing else of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

STALE_AFTER = timedelta(days=15)  # "NumberMachineNotUpdateOn15Day"


@dataclass(frozen=True, slots=True)
class MalwareFound:
    """One malware on one machine; ``files`` is the number of its files."""

    name: str
    type: str = ""
    behaviour: str = ""
    device: str = ""  # where it was: fixed disk, USB ...
    files: int = 1


@dataclass(frozen=True, slots=True)
class BadConnection:
    """A program that spoke with an address known as bad (botnet, command server)."""

    program: str
    target_ip: str
    md5: str = ""
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class MachineState:
    """One machine. None means not known, which is not told as off."""

    ip: str
    name: str
    os_name: str = ""
    last_update: datetime | None = None  # of the operating system, aware
    signature_update: datetime | None = None  # of the protection's signatures, aware
    auto_protect: bool | None = None
    firewall: bool | None = None
    malware: tuple[MalwareFound, ...] = ()
    connections: tuple[BadConnection, ...] = ()
    vulnerabilities: tuple[str, ...] = ()  # names, mostly CVE numbers


@dataclass(frozen=True, slots=True)
class FleetFigures:
    """The fleet as it stood at ``at`` (aware), told by ``product``."""

    product: str
    at: datetime
    machines: tuple[MachineState, ...]

    @property
    def not_updated(self) -> int:
        """Machines whose signatures are more than 15 days old (the system, where no signature is known).

        Unknown ones are not among them.
        """
        updates = [machine.signature_update or machine.last_update for machine in self.machines]
        return sum(one is not None and self.at - one > STALE_AFTER for one in updates)


@dataclass(frozen=True, slots=True)
class Sender:
    """Who reports: ``edXML:From``. ``code``: in the old order of QCVN 102:2016, ``000.00.05.H01``
    (``soc.register.identifiers.to_last_order`` gives it)."""

    code: str
    name: str
    address: str = ""
    email: str = ""
    telephone: str = ""
    fax: str = ""
    website: str = ""
