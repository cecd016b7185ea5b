"""The desk process: the parts of the console put together from the settings, and served."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from ipaddress import ip_address

import structlog
import uvicorn
from sqlalchemy.exc import OperationalError

from soc.access.desk import AccessDesk
from soc.console.app import create_app
from soc.console.parts import ConsoleParts
from soc.console.rule_book import RecordedStates, RuleBook, guidance_or_none
from soc.detect.rule_states import CurrentRuleStates
from soc.errors import SocError
from soc.ports import EventStore
from soc.receive.command_key import command_signer
from soc.records.database import Database
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
from soc.shipped import folder
from soc.site import playbook_folder, rule_folders
from soc.site.events import open_store
from soc.tasks.work_cycle import keep_heartbeat

log = structlog.get_logger("soc.desk")
HEARTBEAT_SECONDS = 5.0


def second_factor_needed(host: str) -> bool:
    """Administrators need an authenticator unless the console listens on loopback only.

    >>> second_factor_needed("127.0.0.1"), second_factor_needed("0.0.0.0"), second_factor_needed("soc.tinh.vn")
    (False, True, True)
    """
    if host == "localhost":
        return False
    try:
        return not ip_address(host).is_loopback
    except ValueError:
        return True


def console_parts(settings: Settings, database: Database, store: EventStore) -> ConsoleParts:
    """The desks over one database and one store."""
    states = RecordedStates(CurrentRuleStates(database), settings.rule_sets_home)
    guidance = guidance_or_none([*rule_folders(settings), folder("rules")])
    rules = RuleBook(settings.packs_home, states, guidance)
    reports = CaseReports(Forms(), zone=settings.zone)
    playbooks, refused = load_playbooks(playbook_folder(settings))
    for error in refused:
        log.warning("a playbook cannot be used", reason=str(error))
    responses = ResponseDesk(
        database,
        sign=command_signer(settings.keys_home),
        two_people=settings.response_two_people,
    )
    return ConsoleParts(
        settings=settings,
        database=database,
        store=store,
        triage=TriageDesk(database, rule_facts=rules.facts),
        cases=CaseDesk(database, playbooks=plain(playbooks), reports=reports, responses=responses),
        reports=reports,
        hunt=HuntDesk(store),
        checks=CheckDesk(store),
        health=HealthDesk(database, store, rule_states=states),
        situation=SituationDesk(database),
        rules=rules.all,
        explain=rules.explain,
        guide=rules.guide,
        bulletins=BulletinDesk(
            database, domain=settings.mail_from.rpartition("@")[2] or "soc.invalid"
        ),
        responses=responses,
        access=AccessDesk(database, second_factor=second_factor_needed(settings.host)),
    )


def run_desk(settings: Settings) -> None:
    """Serve the console and the API of a prepared site until SIGTERM."""
    database = Database(settings.database_url)
    store = open_store(settings, writable=False)
    app = create_app(console_parts(settings, database, store))
    beat = keep_heartbeat(database, "desk", lambda: {"address": f"{settings.host}:{settings.port}"})
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_level=settings.log_level,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=5,
    )
    try:
        with beating(beat):
            uvicorn.Server(config).run()
    finally:
        store.close()
        database.close()


@contextmanager
def beating(beat: Callable[[datetime], object]) -> Iterator[None]:
    """Write the heartbeat every few seconds; a busy database only makes it late."""
    stopped = threading.Event()

    def work() -> None:
        while True:
            try:
                beat(datetime.now(UTC))
            except (SocError, OperationalError) as error:
                log.warning("the heartbeat could not be written", reason=str(error))
            if stopped.wait(HEARTBEAT_SECONDS):
                return

    thread = threading.Thread(target=work, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()
