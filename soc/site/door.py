"""The door: the parts of the process that agents talk to, and the chores that keep them fresh."""

from __future__ import annotations

import gc
import secrets
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import uvicorn
from sqlalchemy import func, select

from soc.collect.discovery import readers
from soc.collect.set_aside import rows_of
from soc.detect.current import current_digest, load_current
from soc.detect.exception_shelf import CurrentExceptions
from soc.detect.indicators.current import CurrentWatch
from soc.detect.judge import judge
from soc.detect.letting_go import Leaving, no_collections
from soc.detect.matcher import Matcher
from soc.detect.rule_states import CurrentRuleStates, imported_rules
from soc.flow import Flow, Rules
from soc.model.event import Event, Signal
from soc.model.scope import Scope
from soc.normalise.places import Places
from soc.normalise.protection.shelf import load_shelf, put_in_force
from soc.ports import EventStore, StoreHealth
from soc.receive.certificates import door_certificate, write_secret
from soc.receive.command_key import command_certificate
from soc.receive.commands import CommandPost
from soc.receive.configuration import Configuration
from soc.receive.door import DoorParts, create_door
from soc.receive.enrolment import Identities, note_heard
from soc.receive.housekeeping import Chore, Heartbeat, Housekeeping
from soc.receive.ingest import Ingest
from soc.receive.shipping.tokens import Shippers
from soc.receive.signatures import Verifier
from soc.records.database import Database
from soc.records.register import RegisterVersionRow
from soc.register.ownership import Ownership
from soc.settings import Settings
from soc.site.events import open_store

NO_RULES = "the rules are not compiled yet"
ADMIN_FILE = "door_admin"  # in the keys folder
NO_RULES_SECONDS, DISK_FULL_SECONDS = 1, 15  # after which a refused sender may ask again
DRAIN_SECONDS = 20
SWITCH_SECONDS = 0.0005
"""After which a thread that computes lets another one run. The one that stores gives way at each document that it
hands to the engine; with Python's 5 ms it would wait as long to go on, and the engine's own thread with it."""
REPLAYED_AT_ONCE = 500


def run_door(
    settings: Settings, names: Sequence[str], reached: Callable[[str], None] = lambda step: None
) -> None:
    """Build the door from the settings and serve."""

    spoken_for = {settings.door_host, *names} - {"0.0.0.0", "::", ""}  # noqa: S104 - taken out, not listened on
    made = door_certificate(settings.keys_home, sorted(spoken_for), datetime.now(UTC))
    database = Database(settings.database_url)
    door = DoorProcess(settings, database, reached)
    config = uvicorn.Config(
        create_door(door.parts),
        host=settings.door_host,
        port=settings.door_port,
        ssl_certfile=str(made.certificate),
        ssl_keyfile=str(made.key),
        log_level="warning",
        access_log=False,
        timeout_keep_alive=60,
        timeout_graceful_shutdown=DRAIN_SECONDS,
        server_header=False,
    )
    config.load()
    door.watch_certificate(config, sorted(spoken_for))
    rest_the_collector()
    readers()  # loaded before the first batch wants them
    sys.setswitchinterval(SWITCH_SECONDS)
    for number in (signal.SIGTERM, signal.SIGINT):  # uvicorn drains, then raises them once more
        signal.signal(number, lambda *_: None)
    door.housekeeping.start()
    try:
        uvicorn.Server(config).run()
    finally:
        door.close()


class DoorProcess:
    """The parts of a running door, and the chores that keep them fresh."""

    def __init__(
        self, settings: Settings, database: Database, reached: Callable[[str], None]
    ) -> None:
        self.settings, self.database = settings, database
        self.store: EventStore = open_store(settings, writable=True)
        self.identities = Identities(database)
        self.flow: Flow = Flow(
            database,
            self.store,
            no_rules(),
            Ownership.load(database),
            max_record_bytes=settings.max_record_bytes,
            reached=reached,
            places=Places(settings.places),
        )
        self.watch = CurrentWatch(
            database, ours=self._is_ours, warning_lists=settings.warning_lists
        )
        self.exceptions = CurrentExceptions(database)
        self.states = CurrentRuleStates(database)
        self.states.refresh()
        self.ingest: Ingest = Ingest(self.flow)
        self.parts = DoorParts(
            database=database,
            ingest=self.ingest,
            verifier=Verifier(self.identities.find),
            configuration=Configuration(settings.home / "agents.yaml"),
            shippers=Shippers(database),
            max_batch_bytes=settings.max_batch_bytes,
            max_batch_plain_bytes=settings.max_batch_plain_bytes,
            replay=self._replay,
            admin_secret=admin_secret(settings.keys_home),
            commands=CommandPost(
                database,
                settings.evidence_home,
                cache(lambda: command_certificate(settings.keys_home, datetime.now(UTC))),
            ),
            zone=settings.zone,
        )
        self.housekeeping = Housekeeping(self._chores())
        self._matcher: Matcher | None = None
        self._leaving: list[Leaving] = []
        self._certificate: tuple[uvicorn.Config, list[str]] | None = None
        self._full = ""
        self._refuse_when_needed()  # the first chore loads the rules

    def _chores(self) -> list[Chore]:
        """What keeps the parts fresh, and how often in seconds."""
        return [
            Chore("rules", 1.0, self._refresh_rules),
            Chore("old rules", 1.0, self._let_go),
            Chore("indicators", 2.0, self._refresh_indicators),
            Chore("exceptions", 2.0, self._refresh_exceptions),
            Chore("rule states", 1.0, self._refresh_states),
            Chore("ownership", 2.0, self._refresh_ownership),
            Chore("places", 5.0, self._refresh_places),
            Chore("EDR mappings", 10.0, self._refresh_mappings),
            Chore("disk", 5.0, self._look_at_disk),
            Chore("expiry", 3600.0, self._expire),
            Chore("commands", 1.0, self._refresh_commands),
            Chore("agents heard", 15.0, self._note_heard),
            Chore(
                "heartbeat",
                5.0,
                Heartbeat(self.database, self.ingest, self._errors, self._slow).beat,
            ),
            Chore("certificate", 86_400.0, self._renew_certificate),
        ]

    def close(self) -> None:
        """Stop in order: no more batches, no more chores, the store, the database."""
        self.ingest.stop()
        self.housekeeping.stop()
        self.store.close()
        self.database.close()

    def watch_certificate(self, config: uvicorn.Config, names: list[str]) -> None:
        self._certificate = (config, names)

    def _errors(self) -> dict[str, str]:
        return self.housekeeping.errors

    def _slow(self) -> dict[str, int]:
        return self.flow.rules.over_budget()

    def _refuse_when_needed(self) -> None:
        """No batch is taken while there is no rule set to judge it, or no room to keep it."""
        self.ingest.closed_for_seconds = DISK_FULL_SECONDS if self._full else NO_RULES_SECONDS
        self.ingest.closed_because = self._full or ("" if self.flow.rules.digest else NO_RULES)

    def _refresh_rules(self) -> None:
        """Load the rule set that the worker made current, beside the running one, and swap."""
        if current_digest(self.settings.packs_home) not in (None, self.flow.rules.digest):
            with no_collections():
                matcher = Matcher(load_current(self.settings.packs_home))
                rules = stated(matcher, self.states, self.settings.rule_sets_home)
            self.flow.rules = beside(rules, self.watch, self.exceptions)
            if self._matcher is not None:
                self._leaving.append(Leaving(self._matcher))
            self._matcher = matcher
        self._refuse_when_needed()

    def _let_go(self) -> None:
        """Free the rule sets that no batch uses any more."""
        self._leaving = [one for one in self._leaving if not one.let_go()]

    def _refresh_indicators(self) -> None:
        self.watch.refresh(datetime.now(UTC))

    def _refresh_exceptions(self) -> None:
        self.exceptions.refresh(datetime.now(UTC))

    def _refresh_states(self) -> None:
        self.states.refresh()

    def _is_ours(self, address: str) -> bool:
        return self.flow.ownership.of_address(address, None).agency_id is not None

    def _refresh_ownership(self) -> None:

        with self.database.session(Scope.province("door")) as session:
            version = session.scalar(select(func.max(RegisterVersionRow.version))) or 0
        if version != getattr(self.flow.ownership, "version", 0):
            self.flow.ownership = Ownership.load(self.database)

    def _refresh_places(self) -> None:
        """Raises where a file is broken or its lookups fail: a chore's error is shown on the health page."""
        places = self.flow.places
        places.refresh()
        faults = [file.fault for file in places.files.values() if file.fault]
        if places.faults:
            faults.append(f"{places.faults} lookups failed on damaged bytes since the start")
        if faults:
            raise OSError("; ".join(faults))

    def _refresh_mappings(self) -> None:
        """Raises where a file is wrong: a chore's error is shown on the health page. The others are used."""
        shelf = load_shelf(self.settings.edr_mappings)
        put_in_force(shelf)
        if shelf.refused:
            raise OSError("; ".join(map(str, shelf.refused)))

    def _look_at_disk(self) -> None:
        health: StoreHealth = self.store.health(Scope.province("door"))
        if health.state in ("expire", "full"):
            self._expire()
            health = self.store.health(Scope.province("door"))
        self._full = f"the disk is {health.disk_used:.0%} full" if health.state == "full" else ""
        self._refuse_when_needed()

    def _refresh_commands(self) -> None:
        self.parts.commands.refresh(datetime.now(UTC))

    def _note_heard(self) -> None:
        heard, self.parts.heard = self.parts.heard, {}
        note_heard(self.database, heard)

    def _expire(self) -> None:
        def work() -> None:
            now = datetime.now(UTC)
            self.store.expire(Scope.province("door"), now)
            self.flow.ledger.prune(now)

        self.ingest.call(work).result()

    def _renew_certificate(self) -> None:
        if self._certificate is None or self._certificate[0].ssl is None:
            return
        config, names = self._certificate
        made = door_certificate(self.settings.keys_home, names, datetime.now(UTC))
        assert config.ssl is not None
        config.ssl.load_cert_chain(made.certificate, made.key)  # for the connections to come

    def _replay(self, ids: list[str]) -> Mapping[str, Any]:
        """Read set-aside records again; runs in the ingest thread."""
        stored: list[str] = []
        stay: dict[str, str] = {}
        for start in range(0, len(ids), REPLAYED_AT_ONCE):
            piece = ids[start : start + REPLAYED_AT_ONCE]
            rows = rows_of(self.database, Scope.province("door"), piece)
            done = self.flow.replay(rows, self.identities.find, datetime.now(UTC))
            stored += done.stored
            stay |= done.stay
        return {"stored": stored, "stay": stay}


def stated(matcher: Matcher, states: CurrentRuleStates, rules_home: Path) -> Rules:
    """The rule set of a matcher, each rule in its state at that moment."""
    imported = imported_rules(matcher.rules, rules_home)
    return Rules(
        matcher.digest,
        lambda events: states.held.mark(judge(matcher, events), imported),
        matcher.over_budget,
    )


def beside(rules: Rules, watch: CurrentWatch, exceptions: CurrentExceptions) -> Rules:
    """The same rule set with the indicators and the exceptions in force at that moment."""

    def judged(events: Sequence[Event]) -> list[Signal]:
        signals = [*rules.judge(events), *watch.judge(events)]
        return exceptions.held.mark(signals, events)

    return Rules(rules.digest, judged, rules.over_budget)


def rest_the_collector() -> None:
    """Keep the rules and modules out of garbage collections: an eighth of the time of each event (measured)."""

    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def no_rules() -> Rules:
    return Rules("", lambda events: [])


def admin_secret(keys_home: Path) -> str:
    """The secret by which this machine's own commands speak to the door; made once."""

    path = keys_home / ADMIN_FILE
    if not path.exists():
        write_secret(path, secrets.token_urlsafe(32).encode())
    return path.read_text(encoding="ascii")
