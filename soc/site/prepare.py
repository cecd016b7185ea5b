"""Make a small site ready to start: ``python -m soc.site.prepare`` says what it found as one JSON object on stdout."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from soc.access.accounts import Accounts
from soc.detect.current import load_current
from soc.errors import SettingsError, SocError
from soc.model.register import Owner
from soc.model.scope import Scope
from soc.receive.certificates import door_certificate
from soc.receive.enrolment import create_token
from soc.records.database import Database
from soc.records.migrate import upgrade
from soc.records.register import AgencyRow, SystemRow
from soc.records.rules import AgencyDecisionRow
from soc.register.files import DEMO, load
from soc.register.import_export import import_register
from soc.register.ownership import Ownership
from soc.settings import Settings
from soc.site import load_settings
from soc.site.rules import compile_rules, keep_states

PREPARING = Scope.province("site")
TOKEN_LASTS = timedelta(hours=1)
DEMO_SYSTEM = "HT-006"  # the demo province's SOC, to which this machine belongs


def check_ports(settings: Settings) -> None:
    """Refuse early, with the remedy, when somebody else listens."""
    wanted = [
        (settings.host, settings.port, "SOC_PORT", "console"),
        (settings.door_host, settings.door_port, "SOC_DOOR_PORT", "agents' door"),
    ]
    if settings.demo:
        wanted.append(
            ("127.0.0.1", settings.national_port, "SOC_NATIONAL_PORT", "fake national centre")
        )
    for host, port, variable, what in wanted:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                raise SettingsError(
                    f"port {port} for the {what} is not free on {host} ({error.strerror}). "
                    f"Stop what uses it, or choose another: {variable}={port + 100} soc up"
                ) from error


def check_assets() -> None:
    manifest = Path(__file__).parents[1] / "console" / "static" / "manifest.json"
    if not manifest.exists():
        raise SettingsError(
            "the pages' assets are not built: run `make install` (it needs Node.js 18 or newer), then start again"
        )


def load_demo(database: Database, now: datetime) -> bool:
    """Load the demo province into an empty register; whether it did."""
    with database.session(PREPARING) as session:
        if session.scalar(select(func.count(AgencyRow.id))):
            return False
    import_register(database, PREPARING, load(DEMO), now=now)
    with database.session(PREPARING) as session:
        agencies = list(session.scalars(select(AgencyRow.id)))
    decide_active(database, agencies, "the demo province", now)
    return True


def decide_active(database: Database, agencies: Sequence[str], reason: str, now: datetime) -> None:
    """Have the rules alert of agencies about which nobody has decided yet."""
    with database.write(PREPARING) as session:
        decided = set(session.scalars(select(AgencyDecisionRow.agency_id)))
        for agency_id in agencies:
            if agency_id not in decided:
                session.add(
                    AgencyDecisionRow(
                        agency_id=agency_id, state="active", reason=reason, actor=PREPARING.actor, at=now
                    )
                )  # fmt: skip


def owner_of_this_machine(settings: Settings, database: Database) -> Owner:
    """The system it is said to belong to, else the one whose asset has its host name.

    Raises:
        SettingsError: ``own_system`` is not in the register.
    """
    system_id = settings.own_system or (DEMO_SYSTEM if settings.demo else "")
    if not system_id:
        return Ownership.load(database).of_host(socket.gethostname())
    with database.session(PREPARING) as session:
        row = session.get(SystemRow, system_id)
    if row is None:
        raise SettingsError(
            f"SOC_OWN_SYSTEM is {system_id!r}, which is no system of the register: see `soc register export`"
        )
    return Owner(row.agency_id, row.id, row.level or 0)


def own_agent(settings: Settings, database: Database, now: datetime) -> dict[str, str]:
    """Where this machine's own agent lives, with a token for its enrolment if it has none yet."""
    home = settings.home / "agent"
    if (home / "identity.json").exists():
        return {"home": str(home), "token": ""}
    owner = owner_of_this_machine(settings, database)
    if owner.agency_id is not None:
        decide_active(database, [owner.agency_id], "the platform's own machine", now)
    token = create_token(database, PREPARING, now, owner=owner, lasts=TOKEN_LASTS)
    return {"home": str(home), "token": token.secret}


def prepare(settings: Settings, now: datetime) -> dict[str, Any]:
    """Everything that must be there before the first process starts."""
    check_ports(settings)
    check_assets()
    settings.home.mkdir(parents=True, exist_ok=True)
    upgrade(settings.database_url)
    database = Database(settings.database_url)
    try:
        made = door_certificate(settings.keys_home, [], now)
        if settings.demo:
            load_demo(database, now)
        first = Accounts(database).first_administrator(now=now)
        compile_rules(settings)
        keep_states(database, load_current(settings.packs_home))
        return {
            "home": str(settings.home),
            "ca": str(made.ca),
            "desk_url": f"http://{settings.host}:{settings.port}",
            "door_url": f"https://{_in_url(settings.door_host)}:{settings.door_port}",
            "administrator": first[0] if first else "",
            "one_time_password": first[1] if first else "",
            "agent": own_agent(settings, database, now) if settings.own_agent else None,
        }
    finally:
        database.close()


def _in_url(host: str) -> str:
    """An IPv6 address stands in brackets."""
    return f"[{host}]" if ":" in host else host


def main() -> int:
    try:
        print(json.dumps(prepare(load_settings(), datetime.now(UTC))))
    except SocError as error:
        print(f"soc: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
