"""A console over a small site that has had a bad morning: everything a page may have to show, made by builders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from argon2 import PasswordHasher
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from soc.access.accounts import Accounts
from soc.access.desk import AccessDesk
from soc.access.passwords import Passwords
from soc.alert.join import Joiner
from soc.console.parts import ConsoleParts
from soc.detect.guidance import load_guidance
from soc.model.bulletin import Answer, Audience, Bulletin, BulletinKind
from soc.model.event import Event, event_id, signal_id
from soc.model.guidance import Guidance
from soc.model.indicator import Tlp
from soc.model.response import ResponseAction
from soc.model.scope import Scope
from soc.records.accounts import AccountRow
from soc.records.agents import AgentRow, StreamRow
from soc.records.batches import SetAsideRow, SignalRow
from soc.records.database import Database
from soc.records.jobs import HeartbeatRow, RuleStateRow
from soc.records.responses import ResponseCommandRow
from soc.register.files import DEMO, load
from soc.register.import_export import import_register
from soc.report.bulletins.desk import BulletinDesk
from soc.report.case_reports import CaseReports
from soc.report.form_files import Forms
from soc.respond.case_desk import CaseDesk
from soc.respond.check_desk import CheckDesk
from soc.respond.health_desk import HealthDesk
from soc.respond.hunt_desk import HuntDesk
from soc.respond.playbook_files import load_playbooks, plain
from soc.respond.response_desk import ResponseDesk
from soc.respond.situation_desk import SituationDesk
from soc.respond.triage import TriageDesk
from soc.settings import Settings
from soc.store.embedded import EmbeddedStore
from tests.console.stories import STORIES, Story

NOW = datetime(2026, 11, 24, 2, 42, tzinfo=UTC)  # 09:42 in Vietnam
PROVINCE = Scope.province("seed")
PASSWORD = "bon chu ngau nhien 2026"
PLAYBOOKS = Path(__file__).parents[2] / "playbooks"
GUIDANCE = load_guidance([Path(__file__).parents[2] / "rules"])
TECHNIQUES = {"r-shadow": "t1490", "r-rename": "t1486", "r-web": "t1190", "r-admin": "t1136"}
PROCESS = {"category": "process_creation", "product": "windows"}
QUICK = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
HOSTILE = "<script>alert(1)</script>\u202egnp.exe\"'><img src=x onerror=alert(2)>"
RULE_TEXT = """title: Shadow copies deleted
detection:
  selection: {process.command_line|contains|all: [delete, shadows]}
  condition: selection
"""


@dataclass(frozen=True, slots=True)
class Site:
    parts: ConsoleParts
    case_id: str


def database_at(home: Path) -> Database:
    made = Database(f"sqlite:///{home / 'soc.sqlite'}")
    made.create_all()
    return made


def event_of(story: Story, number: int, at: datetime) -> Event:
    """The event behind a story's ``number``-th signal."""
    command = story.command
    fields: dict[str, Any] = {
        "event.dataset": "windows.sysmon",
        "event.code": "1",
        "host.name": story.host,
        "user.name": "SXD\\qt_tep",
        "process.executable": "C:\\Windows\\System32\\vssadmin.exe",
        "process.name": "vssadmin.exe",
        "process.parent.name": "cmd.exe",
        "process.command_line": command,
        "source.ip": "10.14.8.44",
    }
    return Event(
        source="windows_xml",
        observed_at=at,
        fields=fields,
        raw=f"<Event><Data>{command}</Data></Event>".encode(),
        id=event_id("agent-1", "00", story.rule, number, 0),
        received_at=at + timedelta(seconds=2.9),
        agency_id=story.agency,
        system_id=story.system,
        level=story.system_level,
        host=story.host,
    )


def signal_of(story: Story, event: Event) -> SignalRow:
    return SignalRow(
        id=signal_id(story.rule, event.id),
        rule_id=story.rule,
        rule_title=story.title,
        level=story.level,
        event_id=event.id,
        observed_at=event.observed_at,
        received_at=event.received_at,
        agency_id=story.agency,
        system_id=story.system,
        system_level=story.system_level,
        host=story.host,
        entity=f"host:{story.host}",
        fields={
            "process.executable": "C:\\Windows\\System32\\vssadmin.exe",
            "process.command_line": story.command,
        },
    )


def tell(
    database: Database, store: EmbeddedStore, stories: Sequence[Story], *, now: datetime
) -> None:
    """Store the events of the stories, keep their signals, and let the joiner make the alerts, oldest first."""
    for story in sorted(stories, key=lambda story: -story.minutes):
        at = now - timedelta(minutes=story.minutes)
        events = [
            event_of(story, number, at + timedelta(seconds=number))
            for number in range(1, story.times + 1)
        ]
        store.append(PROVINCE, events)
        with database.write(PROVINCE) as session:
            session.add_all(signal_of(story, event) for event in events)
            if session.get(RuleStateRow, story.rule) is None:
                session.add(rule_state(story))
        Joiner(database).join(at + timedelta(seconds=5))


def rule_state(story: Story) -> RuleStateRow:
    return RuleStateRow(
        rule_id=story.rule,
        title=story.title,
        title_vi=story.title_vi,
        level=story.level,
        path=f"rules/windows/{story.rule}.yml",
        state="active",
        matches=story.times,
    )


def rule_facts(rule_id: str) -> dict[str, Any] | None:
    """What the pack would know of a rule."""
    story = next((story for story in STORIES if story.rule == rule_id), None)
    if story is None:
        return None
    return {
        "id": rule_id,
        "title": story.title,
        "title_vi": story.title_vi,
        "meaning_vi": "Hành vi này thường đi ngay trước mã hóa dữ liệu tống tiền.",
        "description": "This often comes right before files are encrypted for ransom.",
        "condition": "selection",
        "source": RULE_TEXT,
        "tags": ("attack.impact", "attack.t1490"),
        "falsepositives": ("Backup software that replaces its copies",),
        "references": (),
        "author": "SOC",
        "status": "test",
        "path": f"rules/windows/{rule_id}.yml",
        "state": "testing" if rule_id == "r-enc" else "active",
    }


def guide(rule_id: str) -> Guidance:
    """What the shipped table says of this rule's technique."""
    return GUIDANCE.row(TECHNIQUES.get(rule_id, "t1059.001"), PROCESS)


def background(store: EmbeddedStore, now: datetime) -> None:
    """Ordinary events through the last day, so that histograms have a shape."""
    events = []
    for number in range(240):
        at = now - timedelta(minutes=6 * number + 1)
        command = ("bash -c 'systemctl status'", "powershell Get-Date", "id -u")[number % 3]
        events.append(
            Event(
                source="linux_process",
                observed_at=at,
                fields={
                    "event.dataset": "linux.process",
                    "host.name": ("may-a", "may-b", "SXD-FS01")[number % 3],
                    "process.command_line": command,
                    "process.name": command.split()[0],
                    "user.name": ("an", "binh")[number % 2],
                },
                raw=command.encode(),
                id=event_id("agent-2", "00", "process", number + 1, 0),
                received_at=at + timedelta(seconds=1),
                agency_id="skhcn",
                system_id="HT-006",
                level=3,
                host=("may-a", "may-b", "SXD-FS01")[number % 3],
            )
        )
    store.append(PROVINCE, events)


def health_rows(now: datetime) -> list[Any]:
    """Heartbeats, agents heard and silent, a stream with a gap and a named loss, records set aside, wrong rules."""
    ago = lambda minutes: now - timedelta(minutes=minutes)  # noqa: E731 - a builder's shorthand
    agents = [
        ("ag-1", "SXD-FS01", "sxd", "HT-011", 0.2, []),
        ("ag-2", "waf-dvc-01", "vpubnd", "HT-005", 52, []),
        ("ag-3", "ttdl-app-03", "skhcn", "HT-003", 0.1, ["no root: process starts come from polling"]),
        ("ag-4", "thu-cv-01", "skhcn", "HT-014", 0.4, []),
    ]  # fmt: skip
    rows: list[Any] = [
        AgentRow(
            id=key, name=name, agency_id=agency, system_id=system, public_key=key.encode().ljust(32),
            operating_system="Debian 12", version="0.1.0", enrolled_at=ago(9000),
            last_seen_at=ago(minutes), blind_spots=blind,
        )
        for key, name, agency, system, minutes, blind in agents
    ]  # fmt: skip
    rows += [
        StreamRow(
            agent_id="ag-1", incarnation="aa", name="evtx:/Security", source="windows_xml",
            agency_id="sxd", ranges=[[1, 4000], [4013, 9120]], losses=[], records=9108,
            last_received_at=ago(0.2),
        ),
        StreamRow(
            agent_id="ag-3", incarnation="bb", name="process", source="linux_process",
            agency_id="skhcn", ranges=[[1, 700], [721, 1500]],
            losses=[[701, 720, "spool full"]], records=1480, last_received_at=ago(0.1),
        ),
        HeartbeatRow(process="door", at=ago(0.05), detail={"records": 10588}),
        HeartbeatRow(process="desk", at=ago(0.05), detail={"address": "127.0.0.1:8600"}),
        HeartbeatRow(process="work", at=ago(7), detail={"jobs": 0}),
        RuleStateRow(
            rule_id="r-bad", title="broken.yml", level="", path="rules/windows/broken.yml",
            state="refused", reason="line 7: the condition names 'selektion', which is not there",
        ),
        RuleStateRow(
            rule_id="r-blind", title="DNS tunnel", title_vi="Đường hầm DNS", level="high",
            path="rules/windows/dns-tunnel.yml", state="cannot_match",
            reason="no reader gives dns.question.name",
        ),
    ]  # fmt: skip
    rows += [
        SetAsideRow(
            id=f"sa-{number}", agent_id="ag-1", stream="evtx:/Security", sequence=number,
            source="windows_xml", reason="not well-formed XML, line 1 column 7", reader_version="1",
            raw=b"<Event" + bytes([number, 0xFF]), host="SXD-FS01", agency_id="sxd",
            received_at=ago(30 + number),
        )
        for number in range(1, 13)
    ]  # fmt: skip
    return rows


def people(database: Database, *, now: datetime) -> None:
    """An analyst, a manager, an administrator, an auditor and an officer of Sở Xây dựng; all have PASSWORD."""
    accounts = Accounts(database, passwords=QUICK)
    wanted = (
        ("thuha", "analyst", None, "Thu Hà"),
        ("quanly", "soc_manager", None, "Minh Quân"),
        ("admin", "administrator", None, "Quản trị"),
        ("kiemtra", "auditor", None, "Bảo Ngọc"),
        ("daumoi", "agency_officer", ["sxd"], "Quốc Duy"),
    )
    for name, role, agencies, full_name in wanted:
        accounts.add(PROVINCE, name, role=role, agency_ids=agencies, full_name=full_name, now=now)
    with database.write(PROVINCE) as session:
        for name, *_ in wanted:
            row = session.get(AccountRow, name)
            assert row is not None
            row.password_hash, row.must_change = QUICK.hash(PASSWORD), False


def parts_over(home: Path, database: Database, store: EmbeddedStore) -> ConsoleParts:
    """The parts of a console; the clock is the real one, as sessions and pages share it."""
    playbooks, refused = load_playbooks(PLAYBOOKS)
    assert refused == []
    reports = CaseReports(Forms())
    return ConsoleParts(
        settings=Settings(home=home),
        database=database,
        store=store,
        triage=TriageDesk(database, rule_facts=rule_facts),
        cases=CaseDesk(database, playbooks=plain(playbooks), reports=reports),
        reports=reports,
        hunt=HuntDesk(store),
        checks=CheckDesk(store),
        health=HealthDesk(database, store),
        situation=SituationDesk(database),
        rules=dict,
        guide=guide,
        access=AccessDesk(database, second_factor=False, passwords=QUICK),
        bulletins=BulletinDesk(database),
        responses=responses_over(database),
    )


def responses_over(database: Database) -> ResponseDesk:
    """Commands are signed here by a key that no agent knows."""
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    return ResponseDesk(database, sign=key.sign, two_people=[ResponseAction.ISOLATE_HOST])


def commands(database: Database, case_id: str, now: datetime) -> None:
    """A measure in force, one that waits for its second person, one that the agent could not do."""
    desk = responses_over(database)
    thuha, quanly = Scope.province("thuha"), Scope.province("quanly")
    isolate, quarantine = ResponseAction.ISOLATE_HOST, ResponseAction.QUARANTINE_FILE
    seconds, path = {"seconds": 14_400}, {"path": "/srv/tai-lieu/hóa đơn.exe"}
    asked = [
        desk.ask(
            thuha, ["ag-1"], isolate, seconds, reason="Mã độc tống tiền", case_id=case_id, now=now
        ),
        desk.ask(thuha, ["ag-3"], quarantine, path, reason=HOSTILE, case_id=case_id, now=now),
        desk.ask(thuha, ["ag-2"], isolate, seconds, reason="Đang quét các máy khác", now=now),
        desk.ask(thuha, ["ag-4"], quarantine, path, reason="Cùng mã băm", now=now),
    ]
    desk.approve(quanly, asked[0].command_ids[0], now)
    with database.write(PROVINCE) as session:
        for number, state in ((0, "done"), (1, "done"), (3, "unchanged")):
            row = session.get(ResponseCommandRow, asked[number].command_ids[0])
            assert row is not None
            row.state, row.answered_at, row.delivered_at = state, now, now
            row.until = now + timedelta(hours=4) if number == 0 else None
            row.answer = "without root the agent cannot move it" if state == "unchanged" else ""


def make_site(home: Path, *, now: datetime | None = None) -> str:
    """Write a whole site into ``home``: register, people, alerts, an incident in work, agents. Returns the incident."""
    at = now or datetime.now(UTC)
    database = database_at(home)
    import_register(database, PROVINCE, load(DEMO), now=at)
    people(database, now=at)
    store = EmbeddedStore(home / "events", months=Settings().retention_months, writable=True)
    tell(database, store, STORIES, now=at)
    background(store, at)
    with database.write(PROVINCE) as session:
        session.add_all(health_rows(at))
    case_id = incident(parts_over(home, database, store), at)
    bulletin(BulletinDesk(database), at)
    commands(database, case_id, at)
    store.close()
    database.close()
    return case_id


def open_site(home: Path, case_id: str, *, writable: bool = False) -> Site:
    """A site that ``make_site`` wrote, or a copy of its folder."""
    database = Database(f"sqlite:///{home / 'soc.sqlite'}")
    months = Settings().retention_months
    store = EmbeddedStore(home / "events", months=months, writable=writable)
    return Site(parts_over(home, database, store), case_id)


def close_site(site: Site) -> None:
    site.parts.store.close()
    site.parts.database.close()


def incident(parts: ConsoleParts, now: datetime) -> str:
    """An incident of the two gravest alerts, opened 20 hours after its detection, its playbook begun."""
    desk, scope = parts.cases, Scope.province("thuha")
    alerts = parts.triage.page(PROVINCE, wanted_of("SXD-FS01"), size=10).alerts
    case_id = desk.open(
        scope,
        title="Mã hóa dữ liệu tống tiền tại máy chủ tệp Sở Xây dựng",
        alert_ids=[view.row.id for view in alerts if view.row.severity == "critical"],
        detected_at=now - timedelta(hours=19, minutes=11),
        now=now - timedelta(minutes=9),
    )
    run = desk.start_playbook(scope, case_id, "ransomware-on-server", now=now)
    desk.begin_step(scope, run, "confirm", now=now)
    desk.finish_step(
        scope,
        run,
        "confirm",
        result={
            "confirmed_with": "Đầu mối Sở Xây dựng, 0000 000 108",
            "outline": "Máy chủ tệp bị mã hóa; 120 người bị ảnh hưởng.",
        },
        note="Đã gọi điện",
        now=now,
    )  # fmt: skip
    desk.begin_step(scope, run, "is_it", now=now)
    desk.note(scope, case_id, "Đã báo Đội trưởng qua điện thoại.", now=now)
    return case_id


def bulletin(desk: BulletinDesk, now: datetime) -> None:
    """One that went to everybody, with some answers; and a draft."""
    sent = Bulletin(
        BulletinKind.VULNERABILITY, "Lỗ hổng thực thi mã từ xa trên máy chủ thư", Tlp.AMBER,
        "Lỗ hổng cho phép chiếm quyền máy chủ thư từ Internet. Cần cập nhật trước hạn.",
        ("Cập nhật lên bản mới nhất.", "Rà tài khoản lạ tạo sau 01/11."), Audience(everybody=True),
        due_on=(now + timedelta(days=3)).date(), severity="critical", cves=("CVE-2026-12345",),
        products=("Máy chủ thư Y, bản ≤ 9.1",), body=HOSTILE, indicators=("203.0.113.7",),
    )  # fmt: skip
    writer, approver = Scope.province("quan"), Scope.province("minh")
    key = desk.write(writer, sent, now - timedelta(days=1))
    desk.submit(writer, key, now - timedelta(days=1))
    desk.approve(approver, key, now - timedelta(hours=23))
    answers = (Answer.FIXED, Answer.NEEDS_HELP, Answer.NOT_AFFECTED, None)
    recipients = desk.standing(approver, key).recipients
    for number, one in enumerate(recipients[:120]):
        desk.answer(
            writer, key, one.agency_id, answers[number % 4], now, note=HOSTILE * (number == 0)
        )
    draft = replace(
        sent, kind=BulletinKind.PHISHING, title="Lừa đảo giả mạo thuế điện tử", tlp=Tlp.GREEN
    )
    desk.submit(writer, desk.write(writer, draft, now), now)


def wanted_of(text: str) -> Any:
    from soc.respond.triage import AlertFilter

    return AlertFilter(text=text)
