"""A console over things of one's own agency, of another one, and of nobody; and people of every role."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

from argon2 import PasswordHasher
from fastapi import FastAPI
from fastapi.testclient import TestClient

from soc.access.desk import AccessDesk
from soc.access.passwords import Passwords
from soc.access.sessions import open_session
from soc.console.app import create_app
from soc.console.parts import ConsoleParts
from soc.model.bulletin import Audience, Bulletin, BulletinKind
from soc.model.event import Event, event_id
from soc.model.indicator import Tlp
from soc.model.response import ResponseAction
from soc.model.scope import Scope
from soc.records.accounts import AccountRow
from soc.records.agents import AgentRow, StreamRow
from soc.records.alerts import AlertRow
from soc.records.batches import SetAsideRow
from soc.records.cases import DocumentRow
from soc.records.database import Database
from soc.records.edr import EdrDetectionRow, EdrMachineRow
from soc.records.register import AgencyRow, SystemRow
from soc.report.bulletins.desk import BulletinDesk
from soc.report.case_reports import CaseReports
from soc.report.form_files import Forms
from soc.respond.case_desk import CaseDesk
from soc.respond.check_desk import CheckDesk
from soc.respond.health_desk import HealthDesk
from soc.respond.hunt_desk import HuntDesk
from soc.respond.playbook_files import load_playbooks, plain
from soc.respond.situation_desk import SituationDesk
from soc.respond.triage import TriageDesk
from soc.settings import Settings
from soc.store.embedded import EmbeddedStore
from tests.console.seed import responses_over

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
EVERYBODY = Scope.province("tests")
SITE = "http://127.0.0.1:8600"
MINE, OTHER = "sxd", "syt"
FLOW = "1:LQU9qZlK+B5F3KDmev6m5PMibrg="  # the same in the events of every agency
PLAYBOOKS = Path(__file__).parents[2] / "playbooks"
SECRET = {MINE: "word-of-mine", OTHER: "word-of-others", None: "word-of-nobody"}


@dataclass(frozen=True, slots=True)
class Person:
    """A signed-in browser."""

    browser: TestClient
    csrf: str


class Site:
    """The console with its database and store; ``things`` makes one of each kind for an agency."""

    def __init__(self, home: Path) -> None:
        self.settings = Settings(home=home)
        self.database = Database(self.settings.database_url)
        self.database.create_all()
        self.store = EmbeddedStore(
            home / "events", months=self.settings.retention_months, writable=True
        )
        quick = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        self.access = AccessDesk(self.database, second_factor=False, passwords=quick)
        playbooks, _ = load_playbooks(PLAYBOOKS)
        self.cases = CaseDesk(
            self.database, playbooks=plain(playbooks), reports=CaseReports(Forms())
        )
        self.playbook_id = next(iter(playbooks))
        self.bulletins = BulletinDesk(self.database)
        self.responses = responses_over(self.database)
        self.app = self._app()
        self._numbers = count(1)
        self._make_agencies()

    def close(self) -> None:
        self.store.close()
        self.database.close()

    def stranger(self) -> TestClient:
        return TestClient(self.app, base_url=SITE, follow_redirects=False)

    def person(self, name: str, role: str, agencies: list[str] | None) -> Person:
        """Somebody who has signed in."""
        account = AccountRow(
            name=name, role=role, agency_ids=agencies, password_hash="-", created_at=NOW
        )
        with self.database.write(EVERYBODY) as session:
            session.merge(account)
            made = open_session(
                session, account, kind="browser", address="", user_agent="", now=NOW
            )
        browser = self.stranger()
        browser.cookies.set("soc_session", made.token)
        return Person(browser, made.csrf)

    def things(self, agency_id: str | None) -> dict[str, str]:
        """Make an alert in a case, one that is in none, a run, a report, a record set aside, an event; their keys."""
        number, secret = next(self._numbers), SECRET[agency_id]
        made = {"playbook_id": self.playbook_id, "record_id": f"r{number}"}
        made["document_id"] = f"d{number}"
        made["alert_id"], taken = f"CB-{2 * number}", f"CB-{2 * number + 1}"
        with self.database.write(EVERYBODY) as session:
            session.add_all(
                [
                    _alert(made["alert_id"], 2 * number, agency_id, secret),
                    _alert(taken, 2 * number + 1, agency_id, secret),
                    _set_aside(made["record_id"], agency_id, secret),
                    _document(made["document_id"], agency_id, secret),
                    _agent(f"a{number}", agency_id, secret),
                    *_protection(f"e{number}", agency_id, secret),
                    StreamRow(
                        agent_id=f"a{number}",
                        incarnation="00",
                        name=secret,
                        ranges=[[1, 5], [9, 12]],
                        agency_id=agency_id,
                    ),
                ]
            )
        case_id = self.cases.open(EVERYBODY, title=secret, alert_ids=[taken], now=NOW)
        run_id = self.cases.start_playbook(EVERYBODY, case_id, self.playbook_id, now=NOW)
        found = self.cases.find(EVERYBODY, case_id)
        assert found is not None
        made |= {
            "case_id": case_id,
            "run_id": run_id,
            "step_id": found.runs[0].steps[0].step_id,
            "obligation_id": found.obligations[0].id,
        }
        asked = self.responses.ask(
            EVERYBODY,
            [f"a{number}"],
            ResponseAction.ISOLATE_HOST,
            {"seconds": 600},
            reason=secret,
            now=NOW,
        )
        made |= {"command_id": asked.command_ids[0], "agent_id": f"a{number}", "host": secret}
        made |= {
            "bulletin_id": self._bulletin(agency_id, secret),
            "agency_id": agency_id or "nobody",
        }
        event = _event(number, agency_id, secret)
        self.store.append(EVERYBODY, [event])
        return made | {"event_id": event.id}

    def _bulletin(self, agency_id: str | None, secret: str) -> str:
        """One that went to the agency; a draft, where there is none."""
        bulletin = Bulletin(
            BulletinKind.ADVISORY, secret, Tlp.AMBER, f"{secret} in a summary", (secret,),
            Audience(everybody=agency_id is None, agencies=(agency_id,) if agency_id else ()),
        )  # fmt: skip
        key = self.bulletins.write(EVERYBODY, bulletin, NOW)
        if agency_id is not None:
            self.bulletins.submit(EVERYBODY, key, NOW)
            self.bulletins.approve(Scope.province("another"), key, NOW)
        return key

    def _make_agencies(self) -> None:
        with self.database.write(EVERYBODY) as session:
            for key, name in ((MINE, "Sở Xây dựng"), (OTHER, "Sở Y tế")):
                session.add(AgencyRow(id=key, code=f"H99.{key.upper()}", name=name))
                session.add(
                    SystemRow(
                        id=f"HT-{key}", name=SECRET[key], owner_id=key, agency_id=key, level=3
                    )
                )

    def _app(self) -> FastAPI:
        parts = ConsoleParts(
            settings=self.settings,
            database=self.database,
            store=self.store,
            triage=TriageDesk(self.database),
            cases=self.cases,
            reports=CaseReports(Forms()),
            hunt=HuntDesk(self.store),
            checks=CheckDesk(self.store),
            health=HealthDesk(self.database, self.store),
            situation=SituationDesk(self.database),
            rules=dict,
            access=self.access,
            bulletins=self.bulletins,
            responses=self.responses,
            clock=lambda: NOW,
        )
        return create_app(parts)


def _alert(key: str, number: int, agency_id: str | None, secret: str) -> AlertRow:
    return AlertRow(
        id=key,
        number=number,
        rule_id="rule-1",
        title=secret,
        severity="high",
        priority=70,
        entity=f"host:{secret}",
        host=secret,
        summary=secret,
        agency_id=agency_id,
        system_id=f"HT-{agency_id}" if agency_id else None,
        first_seen_at=NOW,
        last_seen_at=NOW,
        created_at=NOW,
    )


def _set_aside(key: str, agency_id: str | None, secret: str) -> SetAsideRow:
    return SetAsideRow(
        id=key,
        agent_id="a1",
        source="syslog",
        reason=secret,
        raw=secret.encode(),
        received_at=NOW,
        agency_id=agency_id,
    )


def _document(key: str, agency_id: str | None, secret: str) -> DocumentRow:
    return DocumentRow(
        id=key,
        form="mau-03",
        form_version="1",
        file_name="mau-03.docx",
        media_type="application/octet-stream",
        content=secret.encode(),
        content_sha256="0" * 64,
        made_at=NOW,
        made_by="tests",
        agency_id=agency_id,
    )


def _agent(key: str, agency_id: str | None, secret: str) -> AgentRow:
    return AgentRow(
        id=key,
        name=secret,
        public_key=bytes(32),
        enrolled_at=NOW,
        last_seen_at=NOW,
        agency_id=agency_id,
    )


def _protection(
    key: str, agency_id: str | None, secret: str
) -> list[EdrMachineRow | EdrDetectionRow]:
    machine = EdrMachineRow(
        id=key, key=secret, machine=secret, product=secret, protection="off", agency_id=agency_id
    )
    found = EdrDetectionRow(
        id=key, machine=secret, at=NOW, threat=secret, event_id="0" * 32, agency_id=agency_id
    )
    return [machine, found]


def _event(number: int, agency_id: str | None, secret: str) -> Event:
    return Event(
        source="syslog",
        observed_at=NOW - timedelta(hours=1),
        received_at=NOW - timedelta(hours=1),
        fields={
            "message": secret,
            "host.name": secret,
            "network.community_id": FLOW,
            "event.category": ["network"],
            "agent.id": f"a{number}",
        },
        raw=secret.encode(),
        id=event_id("a1", "00", "s", number, 0),
        agency_id=agency_id,
        host=secret,
    )
