"""The worker: alerts from signals, jobs, the outbox, current rules; and in the demo the fake national centre."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import lru_cache

import structlog

from soc.alert.episode_ends import end_episode_alerts
from soc.alert.join import Joiner
from soc.collect.protection import ProtectionWatch
from soc.collect.silence import SilenceWatch
from soc.detect.backfill import Backfill
from soc.detect.baselines.detectors import Detectors
from soc.detect.baselines.thresholds import load_thresholds
from soc.detect.baselines.watch import BaselineWatch
from soc.detect.correlation.worker import Correlator
from soc.detect.current import CurrentCorrelations
from soc.detect.exception_shelf import ExceptionShelf
from soc.detect.exceptions import Exceptions
from soc.detect.indicators.retro import RetroMatcher
from soc.detect.indicators.warning_lists import WarningLists
from soc.detect.packs import Pack
from soc.detect.rule_states import CurrentRuleStates, StatedCorrelations, imported_rules
from soc.errors import RuleError, SettingsError
from soc.model.event import Signal
from soc.model.register import Owner
from soc.model.scope import Scope
from soc.ports import EventStore
from soc.receive.command_key import command_signer
from soc.receive.relayed import peer_address
from soc.receive.rows import insert_signals
from soc.records.agents import AgentRow
from soc.records.database import Database
from soc.records.jobs import HeartbeatRow
from soc.register.ownership import Ownership
from soc.report.bulletins.desk import BulletinDesk
from soc.report.bulletins.post import Post, Server
from soc.report.calendar.desk import CalendarDesk
from soc.report.case_reports import CaseReports
from soc.report.form_files import Forms
from soc.report.national.leave_rules import SHIPPED as SHIPPED_LEAVE_RULES
from soc.report.national.leave_rules import load_leave_rules
from soc.report.national.link import NationalHttp
from soc.report.national.outbox import Outbox
from soc.report.periodic.figures import writers
from soc.respond.playbook_desk import release_expired_steps
from soc.respond.playbook_engine import PlaybookEngine
from soc.respond.response_desk import ResponseDesk
from soc.settings import Settings
from soc.shipped import folder
from soc.site.events import open_store
from soc.site.rules import RuleKeeper
from soc.tasks.in_process import InProcessQueue
from soc.tasks.work_cycle import Duty, WorkCycle, keep_heartbeat

log = structlog.get_logger("soc.work")
DOOR_AWAY = timedelta(seconds=60)  # without a heartbeat


def work_cycle(settings: Settings, database: Database) -> WorkCycle:
    """The duties of a small site's worker."""
    joiner = Joiner(database)
    correlations = StatedCorrelations(
        CurrentCorrelations(settings.packs_home),
        CurrentRuleStates(database),
        settings.rule_sets_home,
    )
    correlator = Correlator(database, correlations)
    queue = InProcessQueue(database)
    outbox = Outbox(
        database,
        [NationalHttp(url)] if (url := national_url(settings)) else [],
        rules=load_leave_rules(settings.national_rules or SHIPPED_LEAVE_RULES),
    )
    rules = RuleKeeper(settings, database)
    store = open_store(settings, writable=False)
    retro = retro_matcher(settings, database, store)
    backfill = backfill_of(settings, database, store)
    baselines = baselines_of(settings, database, store)
    post = post_of(settings, database)
    beat = keep_heartbeat(database, "work", lambda: cycle.heartbeat())
    cycle = WorkCycle(
        [
            Duty("correlate", timedelta(seconds=0.5), correlator.work),
            Duty("join", timedelta(seconds=0.25), joiner.join),
            Duty("silence", timedelta(seconds=30), silence_watch(database).look),
            Duty("ended", timedelta(seconds=5), lambda now: end_episode_alerts(database, now)),
            Duty("jobs", timedelta(seconds=1), queue.run_due, apart=True),
            Duty("outbox", timedelta(seconds=1), outbox.deliver_due, apart=True),
            Duty("rules", timedelta(seconds=3), lambda now: rules.look(), apart=True),
            Duty("network", timedelta(seconds=3), baselines.work, apart=True),
            Duty(
                "protection",
                timedelta(seconds=5),
                ProtectionWatch(database, store).work,
                apart=True,
            ),
            Duty("old entries", timedelta(hours=1), correlator.prune),
            Duty("look back", timedelta(seconds=5), retro.work, apart=True),
            Duty("backfill", timedelta(seconds=2), backfill.work, apart=True),
            Duty(
                "calendar", timedelta(minutes=5), CalendarDesk(database, writers()).work, apart=True
            ),
            Duty("reminders", timedelta(seconds=60), BulletinDesk(database).remind),
            *([Duty("mail", timedelta(seconds=5), post.deliver_due, apart=True)] if post else []),
            Duty("reaper", timedelta(seconds=10), queue.reap),
            Duty("steps", timedelta(seconds=10), lambda now: release_expired_steps(database, now)),
            Duty(
                "playbooks", timedelta(seconds=2), playbooks_of(settings, database).work, apart=True
            ),
            Duty("heartbeat", timedelta(seconds=5), beat),
        ]
    )
    return cycle


def playbooks_of(settings: Settings, database: Database) -> PlaybookEngine:
    """What runs of playbooks do by themselves."""
    responses = ResponseDesk(
        database,
        sign=command_signer(settings.keys_home),
        two_people=settings.response_two_people,
    )
    reports = CaseReports(Forms(), zone=settings.zone)
    return PlaybookEngine(database, reports=reports, responses=responses)


def backfill_of(settings: Settings, database: Database, store: EventStore) -> Backfill:
    """Rules over the stored events, in the states that people decided on."""
    states, shelf = CurrentRuleStates(database), ExceptionShelf(database)

    def mark(signals: Sequence[Signal], pack: Pack) -> list[Signal]:
        states.refresh()
        return states.held.mark(signals, imported_rules(pack.rules, settings.rule_sets_home))

    return Backfill(
        database,
        store,
        settings.packs_home,
        mark=mark,
        exceptions=lambda now: Exceptions(shelf.at_work(now)),
        keep=keeping(database),
    )


def baselines_of(settings: Settings, database: Database, store: EventStore) -> BaselineWatch:
    """The counters of every flow, with the numbers of the rules' folders."""
    try:
        thresholds = load_thresholds([folder("rules"), *settings.rules])
    except RuleError as error:  # a slip in a site's file must not keep its worker from starting
        log.error("the shipped numbers are used", reason=str(error))
        thresholds = load_thresholds([folder("rules")])
    register = _register(database)

    def ours(address: str) -> bool:
        return register().of_address(address, None).agency_id is not None

    return BaselineWatch(database, store, lambda: Detectors(thresholds, ours), keeping(database))


def keeping(database: Database) -> Callable[[Sequence[Signal]], None]:
    """Stores signals; those that are there stay as they are."""

    def keep(signals: Sequence[Signal]) -> None:
        with database.write(Scope.province("look back")) as session:
            insert_signals(session, signals)

    return keep


def post_of(settings: Settings, database: Database) -> Post | None:
    """Who sends the bulletins; None where no mail server is set."""
    if not settings.mail_host:
        return None
    if not settings.mail_from:
        raise SettingsError(
            "SOC_MAIL_HOST is set, and SOC_MAIL_FROM is not: bulletins need a sender"
        )
    file = settings.mail_password_file
    server = Server(
        settings.mail_host,
        settings.mail_port,
        settings.mail_user,
        file.read_text(encoding="utf-8").strip() if file else "",
        settings.mail_starttls,
    )
    return Post(
        database,
        server,
        sender=settings.mail_from,
        centre=settings.centre_name,
        portal=settings.portal_url,
    )


def silence_watch(database: Database) -> SilenceWatch:
    """Who misses sources that fall silent; while the door is away, nobody is missed."""
    register = _register(database)

    def owner_of(agent: AgentRow, stream: str) -> Owner:
        address = peer_address(stream)
        return (
            register().of_address(address, agent.prefixes)
            if address and agent.kind == "relay"
            else register().of_agent(agent)
        )

    def is_listening(now: datetime) -> bool:
        with database.session(Scope.province("silence")) as session:
            door = session.get(HeartbeatRow, "door")
        return door is not None and now - door.at < DOOR_AWAY

    return SilenceWatch(
        database,
        owner_of=owner_of,
        names_of=lambda owner: register().names(owner),
        is_listening=is_listening,
    )


def _register(database: Database) -> Callable[[], Ownership]:
    """The register as it was within the last minute."""

    @lru_cache(maxsize=1)
    def of_minute(minute: int) -> Ownership:
        return Ownership.load(database)

    return lambda: of_minute(int(time.monotonic() // 60))


def retro_matcher(settings: Settings, database: Database, store: EventStore) -> RetroMatcher:
    """New indicators against the stored events, which this process only reads."""

    register = _register(database)

    def ours(address: str) -> bool:
        return register().of_address(address, None).agency_id is not None

    lists = WarningLists.load(settings.warning_lists)
    return RetroMatcher(database, store, keeping(database), ours=ours, lists=lists)


def national_url(settings: Settings) -> str:
    """Where reports go: the configured centre, in the demo the built-in one, else nowhere."""
    if settings.national_url or not settings.demo:
        return settings.national_url
    return f"http://127.0.0.1:{settings.national_port}"


@contextmanager
def built_in_centre(settings: Settings) -> Iterator[None]:
    """Run the fake national centre in a thread while the demo needs it."""
    if not settings.demo or settings.national_url:
        yield
        return
    import uvicorn

    from soc.report.national.fake_centre import fake_centre

    app = fake_centre(settings.home / "national")
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            host="127.0.0.1",
            port=settings.national_port,
            log_level="warning",
            access_log=False,
        )
    )
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.run, name="fake-centre")
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()


def run_work(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT; the duty at hand is finished first."""
    database = Database(settings.database_url)
    cycle = work_cycle(settings, database)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: cycle.stop())
    try:
        with built_in_centre(settings):
            cycle.run()
    finally:
        database.close()
