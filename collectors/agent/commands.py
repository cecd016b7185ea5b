"""Commands of the platform: asked for, checked, carried out at most once, answered until the answer is stored."""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from collectors.agent import command_key
from collectors.agent.actions.contract import DONE, Action, ActionRefused, Outcome, Work
from collectors.agent.command_document import (
    Command,
    CommandRefused,
    Envelope,
    believe,
    read_envelope,
)
from collectors.agent.command_journal import Entry, Journal
from collectors.agent.errors import ConfigError, LinkError
from collectors.agent.identity import Identity
from collectors.agent.link import Answer, Link
from collectors.agent.notices import Notices, microseconds

PATH = "/v1/commands"
LONG_AT_ONCE = 3  # actions that may take longer than LONG_SECONDS; short ones never wait for them
LONG_SECONDS = 60.0
RESULT_BYTES = 900 * 1024
REFUSALS_KEPT = 1_000
FAILED_BY = (OSError, ValueError, RuntimeError, subprocess.SubprocessError, TimeoutError, KeyError)


@dataclass(slots=True)
class Commands:
    """``step`` is called before each step of an action, with its name."""

    home: Path
    identity: Identity
    link: Link
    notices: Notices
    actions: Mapping[str, Action]
    ca: Path
    poll_seconds: float = 30.0
    offset: Callable[[], float] = lambda: 0.0  # the platform's clock minus ours, seconds
    step: Callable[[str], None] = lambda name: None
    wake: threading.Event = field(default_factory=threading.Event)
    journal: Journal = field(init=False)
    _running: set[str] = field(default_factory=set)
    _long: set[str] = field(default_factory=set)  # of those, the ones that may take long
    _refusals: dict[str, bytes] = field(default_factory=dict)  # to be sent, and ends of measures
    _refused: set[str] = field(default_factory=set)  # sent
    _told: str = ""
    _tidied: float = 0.0

    def __post_init__(self) -> None:
        self.journal = Journal(self.home)

    def run(self, stop: threading.Event) -> None:
        """Ask every ``poll_seconds``, and when ``wake`` is set, until ``stop``."""
        self.settle()
        while not stop.is_set():
            with contextlib.suppress(LinkError):  # the shipper shows it; the answers wait on disk
                self.turn()
            self.wake.wait(self.poll_seconds)
            self.wake.clear()
        self.link.close()

    def turn(self) -> None:
        """One round: answers out, measures looked after, commands in.

        Raises:
            LinkError: the platform was not reached.
        """
        self._watch_measures()
        self._send_answers()
        answer = self._request("GET", PATH, b"")
        if answer.status != 200:
            return
        facts = answer.facts()
        key = self._key(facts.get("command_certificate"))
        found = facts.get("commands")
        for item in found if isinstance(found, list) else []:
            if key is not None:
                self._take(item, key)
        self._send_answers()
        if (now := time.monotonic()) - self._tidied > 3600 or not self._tidied:
            self._tidied = now
            self.journal.tidy(self.now())

    def settle(self) -> None:
        """After a start: say what is known of commands in which the last run was killed."""
        for entry in self.journal.open():
            if entry.state != "started" or entry.id in self._running:
                continue
            action = self.actions.get(entry.action)
            work = self._work(entry, {}, {})
            if action is None:
                outcome = Outcome("failed", "the agent was killed, and no longer has this action")
            else:
                outcome = _guarded(lambda a=action, w=work, e=entry: a.after_kill(w, e.verb))  # type: ignore[misc]
            self._close(entry, action, outcome)

    def now(self) -> int:
        """µs by the platform's clock, as far as it is known."""
        return microseconds(datetime.now(UTC)) + int(self.offset() * 1e6)

    def _key(self, offered: Any) -> Any:
        """The command key; what is wrong with the offered one is told once."""
        try:
            if isinstance(offered, str) and offered:
                return command_key.pin(self.home, offered, self.ca)
            return command_key.pinned(self.home, self.ca)
        except ConfigError as error:
            if self._told != str(error):
                self._told = str(error)
                self.notices.tell(
                    "input_error", f"commands: {error}", input="commands", reason=str(error)
                )
            return None

    def _take(self, item: Any, key: Any) -> None:
        try:
            envelope = read_envelope(item)
        except CommandRefused as refusal:
            self._refuse(Envelope(b"", b""), refusal)
            return
        try:
            self._begin(envelope, believe(envelope, key, self.identity.agent_id, self.now()))
        except CommandRefused as refusal:
            self._refuse(envelope, refusal)

    def _begin(self, envelope: Envelope, command: Command) -> None:
        """Start a command that is new and due; it is on disk before anything is done."""
        if command.id in self._running:
            return
        if (known := self.journal.find(command.id)) is not None:
            if known.sha256 == envelope.sha256 and known.state != "sent":
                return  # its answer is on the way
            raise CommandRefused("replayed", "this command was carried out before")
        if command.action not in self.actions:
            raise CommandRefused("action", f"there is no action {command.action!r} on this machine")
        if self.now() < command.not_before or not self._has_room(command):
            return  # the platform offers it again
        if self.journal.is_full():
            raise CommandRefused("full", "too many commands are remembered")
        measure = self.journal.find(command.measure) if command.verb == "undo" else None
        if command.verb == "undo" and (measure is None or measure.action != command.action):
            raise CommandRefused("measure", f"{command.measure} was not carried out here")
        entry = Entry(
            command.id,
            envelope.sha256,
            command.action,
            command.verb,
            command.measure,
            command.expires_at,
            self.now(),
        )
        self.step("before started")
        self.journal.keep(entry)
        self.step("after started")
        self._running.add(command.id)
        if self.actions[command.action].timeout_seconds > LONG_SECONDS:
            self._long.add(command.id)
        threading.Thread(
            target=self._carry_out, args=(entry, command), name=command.id, daemon=True
        ).start()

    def _has_room(self, command: Command) -> bool:
        if self.actions[command.action].timeout_seconds <= LONG_SECONDS:
            return True
        return len(self._long) < LONG_AT_ONCE

    def _carry_out(self, entry: Entry, command: Command) -> None:
        action = self.actions[command.action]
        work = self._work(entry, command.parameters, command.custody)
        work.deadline = time.monotonic() + action.timeout_seconds
        act = {"run": action.run, "undo": action.undo, "dry_run": action.dry_run}[command.verb]
        try:
            self._close(entry, action, _guarded(lambda: act(work)))
        finally:
            self._running.discard(entry.id)
            self._long.discard(entry.id)
            self.wake.set()

    def _work(
        self, entry: Entry, parameters: Mapping[str, Any], custody: Mapping[str, Any]
    ) -> Work:
        folder = self.home / "measures" / (entry.measure or entry.id)
        platform = (self.link.host, self.link.port)
        return Work(entry.id, parameters, folder, platform, custody, step=self.step)

    def _close(self, entry: Entry, action: Action | None, outcome: Outcome) -> None:
        self.step("before answered")
        if action is not None and action.is_measure and outcome.state == DONE:
            if entry.verb == "run":
                work = self._work(entry, {}, {})
                work.note("in_force", {"action": entry.action})
            elif entry.verb == "undo":
                self._forget_measure(entry.measure)
        entry.bundle = str(outcome.bundle) if outcome.bundle else ""
        self.journal.answer(entry, self._result(entry, outcome))
        self.step("after answered")

    def _result(self, entry: Entry, outcome: Outcome) -> bytes:
        facts = {
            "version": 1,
            "command_id": entry.id,
            "agent_id": self.identity.agent_id,
            "document_sha256": entry.sha256,
            "action": entry.action,
            "verb": entry.verb,
            "state": outcome.state,
            "reason": outcome.reason[:2000],
            "started_at": entry.started_at,
            "ended_at": self.now(),
            "found": outcome.found,
        }
        text = _packed(facts)
        if len(text) > RESULT_BYTES:
            facts["found"] = {"left_out": f"{len(text)} bytes are more than an answer may have"}
            text = _packed(facts)
        return text

    def _refuse(self, envelope: Envelope, refusal: CommandRefused) -> None:
        """Say so, once for each document and reason."""
        name = f"{envelope.sha256} {refusal.code}"
        if name in self._refused or name in self._refusals or len(self._refusals) >= REFUSALS_KEPT:
            return
        self.notices.tell("command_refused", f"a command was refused: {refusal}", code=refusal.code)
        self._refusals[name] = _packed(
            {
                "version": 1,
                "command_id": envelope.claimed_id,
                "agent_id": self.identity.agent_id,
                "document_sha256": envelope.sha256,
                "action": "",
                "verb": "",
                "state": "refused",
                "reason": str(refusal)[:2000],
                "started_at": self.now(),
                "ended_at": self.now(),
                "found": {"code": refusal.code},
            }
        )

    def _watch_measures(self) -> None:
        """Tell the end of a measure that nobody undid: run out, taken away, lost by a restart."""
        for path in sorted((self.home / "measures").glob("*/in_force.json")):
            entry = self.journal.find(path.parent.name)
            action = self.actions.get(entry.action) if entry else None
            if entry is None or action is None or f"ended {entry.id}" in self._refusals:
                continue
            try:
                if action.is_in_force(self._work(entry, {}, {})):
                    continue
            except (ActionRefused, *FAILED_BY):
                continue  # it cannot be told now
            said = (
                "it is no longer in force: run out, taken away on the machine, or lost by a restart"
            )
            self._refusals[f"ended {entry.id}"] = self._result(entry, Outcome("ended", said))

    def _send_answers(self) -> None:
        for entry in self.journal.open():
            if entry.state == "answered" and entry.id not in self._running:
                if entry.bundle and not self._send_bundle(entry):
                    continue
                if self._send_result(self.journal.result_of(entry)):
                    entry.state = "sent"
                    self.journal.keep(entry)
        for name, result in list(self._refusals.items()):
            if self._send_result(result):
                del self._refusals[name]
                if name.startswith("ended "):
                    self._forget_measure(name.removeprefix("ended "))
                    continue
                if len(self._refused) >= REFUSALS_KEPT:
                    self._refused.clear()
                self._refused.add(name)

    def _forget_measure(self, command_id: str) -> None:
        (self.home / "measures" / command_id / "in_force.json").unlink(missing_ok=True)

    def _send_bundle(self, entry: Entry) -> bool:
        path = Path(entry.bundle)
        if not path.exists():
            return True
        answer = self._request("POST", f"{PATH}/evidence/{entry.id}", path.read_bytes())
        if answer.status == 200:
            path.unlink(missing_ok=True)
        return answer.status in (200, 400, 404, 413)

    def _send_result(self, result: bytes) -> bool:
        """Whether the platform has decided; what it refuses is not sent again, but told."""
        answer = self._request("POST", f"{PATH}/results", result)
        if answer.status in (400, 404, 413):
            self.notices.tell("input_error", f"an answer was refused: {answer.reason}")
        return answer.status in (200, 400, 404, 413)

    def _request(self, method: str, path: str, body: bytes) -> Answer:
        created = int(datetime.now(UTC).timestamp() + self.offset())
        headers = self.identity.sign(method, path, body, created=created)
        if body:
            headers["Content-Type"] = "application/octet-stream"
        return self.link.request(method, path, body, headers)


def _guarded(act: Callable[[], Outcome]) -> Outcome:
    """An outcome in any case: an action that breaks must not leave its command without an answer."""
    try:
        return act()
    except ActionRefused as refusal:
        return Outcome("unchanged", str(refusal))
    except FAILED_BY as error:
        return Outcome("failed", f"{type(error).__name__}: {error}"[:2000])


def _packed(facts: Mapping[str, Any]) -> bytes:
    text = json.dumps(facts, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.encode(errors="replace")
