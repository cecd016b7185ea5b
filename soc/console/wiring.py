"""The desk process: the parts of the console put together from the settings, and served."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
import uvicorn
from sqlalchemy.exc import OperationalError

from soc.access.desk import AccessDesk
from soc.console.app import create_app
from soc.console.parts import ConsoleParts
from soc.detect.explain import Explanation
from soc.errors import RuleError, SocError
from soc.ports import EventStore
from soc.records.database import Database
from soc.report.case_reports import CaseReports
from soc.report.form_files import Forms
from soc.respond.case_desk import CaseDesk
from soc.respond.health_desk import HealthDesk
from soc.respond.hunt_desk import HuntDesk
from soc.respond.playbook_files import load_playbooks, plain
from soc.respond.situation_desk import SituationDesk
from soc.respond.triage import TriageDesk
from soc.settings import Settings
from soc.site import playbook_folder
from soc.site.events import open_store
from soc.tasks.work_cycle import keep_heartbeat

if TYPE_CHECKING:
    from soc.detect.matcher import Matcher
    from soc.detect.packs import Pack

log = structlog.get_logger("soc.desk")
HEARTBEAT_SECONDS = 5.0


class RuleBook:
    """What people may read of the rules in use, loaded again when the worker publishes others."""

    def __init__(self, packs_home: Path) -> None:
        self._home = packs_home
        self._pack: Pack | None = None
        self._matcher: Matcher | None = None
        self._loading = threading.Lock()

    def facts(self, rule_id: str) -> Mapping[str, Any] | None:
        """One rule as plain values; None when it is not in use."""
        pack = self._current()
        found = (pack.rules | pack.correlation_facts).get(rule_id) if pack else None
        return asdict(found) if found else None

    def all(self) -> Mapping[str, Any]:
        pack = self._current()
        return pack.rules | pack.correlation_facts if pack else {}

    def explain(self, rule_id: str, fields: Mapping[str, Any]) -> Explanation | None:
        """The rule's condition for an event, each part true or false; None when the rule is not in use."""
        pack = self._current()
        if pack is None or rule_id not in pack.rules:
            return None
        with self._loading:
            if self._matcher is None:
                from soc.detect.matcher import Matcher  # compiles automata: only when asked

                self._matcher = Matcher(pack)
            return self._matcher.explain(rule_id, fields)

    def _current(self) -> Pack | None:
        from soc.detect.current import current_digest, load_current

        with self._loading:
            digest = current_digest(self._home)
            if digest is not None and (self._pack is None or self._pack.digest != digest):
                try:
                    self._pack, self._matcher = load_current(self._home), None
                except RuleError as error:
                    log.warning("the rules in use cannot be read", reason=str(error))
            return self._pack


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
    rules = RuleBook(settings.packs_home)
    reports = CaseReports(Forms(), zone=settings.zone)
    playbooks, refused = load_playbooks(playbook_folder(settings))
    for error in refused:
        log.warning("a playbook cannot be used", reason=str(error))
    return ConsoleParts(
        settings=settings,
        database=database,
        store=store,
        triage=TriageDesk(database, rule_facts=rules.facts),
        cases=CaseDesk(database, playbooks=plain(playbooks), reports=reports),
        reports=reports,
        hunt=HuntDesk(store),
        health=HealthDesk(database, store),
        situation=SituationDesk(database),
        rules=rules.all,
        explain=rules.explain,
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
