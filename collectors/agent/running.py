"""The agent at work: a spool, a shipper, and each input in a thread of its own."""

from __future__ import annotations

import json
import os
import threading
import traceback
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from collectors.agent.actions import actions_here
from collectors.agent.commands import Commands
from collectors.agent.config import Config, inputs_of
from collectors.agent.identity import Identity, facts_of
from collectors.agent.inputs.contract import Input
from collectors.agent.intake import Intake
from collectors.agent.limits import Ceiling
from collectors.agent.link import ADDRESSES_FILE, Link
from collectors.agent.notices import VERSION, Notices
from collectors.agent.ship import Shipper
from collectors.agent.spool import Spool
from collectors.agent.wanted import Wanted

RESTART_SECONDS = 10.0
LAST_SHIPPING_SECONDS = 3.0
STATUS_SECONDS = 2.0
ONCE_BACKLOG_BYTES = 32 * 1024 * 1024
DAMAGED = "spool_damage"


class Agent:
    """Everything that a home needs to work. Close it by :meth:`close`."""

    def __init__(
        self,
        home: Path,
        config: Config,
        identity: Identity,
        *,
        lanes: int = 1,
        is_quiet: bool = False,
    ) -> None:
        """Open the spool and prepare the connection; nothing is sent yet.

        Raises:
            ConfigError, SpoolInUse, SpoolError: with what to do.
        """
        self.home, self.config, self.identity = home, config, identity
        self.stop = threading.Event()  # inputs end
        self.notices = Notices(config.host, is_quiet=is_quiet)
        self.open_link()  # a wrong address or CA is told at once
        self.spool = Spool(home / "spool", limit_bytes=config.limits.spool_bytes)
        self.shipper = Shipper(
            self.spool,
            identity,
            self.open_link,
            self.notices,
            home / "refused",
            host=config.host,
            zone=config.zone,
            lanes=lanes,
        )
        self.intake = Intake(self.spool, self.notices, wake=self.shipper.wake, stop=self.stop)
        self.failed = False
        for reason in self.spool.damage:
            self.notices.tell(DAMAGED, reason, reason=reason)

    def open_link(self) -> Link:
        platform = self.config.platform or self.identity.platform
        return Link(platform, self.ca, self.home / ADDRESSES_FILE)

    @property
    def ca(self) -> Path:
        return self.config.ca or self.home / "ca.pem"

    def commands(self) -> Commands:
        """What carries out the platform's response commands; the shipper wakes it when some wait."""
        return Commands(
            self.home,
            self.identity,
            self.open_link(),
            self.notices,
            actions_here(),
            self.ca,
            self.config.poll_seconds,
            lambda: self.shipper.offset_seconds,
            wake=self.shipper.commands,
        )

    def run(self) -> None:
        """Work until ``stop`` is set, then ship what is left for a moment."""
        marker = self.home / "running"
        if marker.exists():
            self.notices.tell("unclean_stop", "the last run ended without a clean stop")
        marker.write_text(str(os.getpid()))
        self.notices.tell("start", f"soc-agent {VERSION} starts", pid=os.getpid())
        ceiling = Ceiling(self.config.limits, self.notices, self._give_up)
        self.intake.pace = ceiling.pace
        shipping = _thread("shipper", self._keep_shipping)
        wanted = Wanted(self.home, self.identity, self.open_link(), self.notices)
        inputs = Inputs(self.intake, wanted.apply_to(self.config))
        _thread("limits", lambda: ceiling.run(self.stop))
        commanded = _thread("commands", self._keep_obeying)
        while not self.stop.wait(STATUS_SECONDS):
            self.write_status(ceiling)
            if wanted.has_changed(self.shipper.offset_seconds):
                inputs.end()
                inputs = Inputs(self.intake, wanted.apply_to(self.config))
        inputs.end()
        self.shipper.commands.set()
        commanded.join(5)
        wanted.link.close()
        self.notices.tell("stop", "soc-agent stops")
        self.shipper.drain.set()
        self.shipper.wake.set()
        shipping.join(LAST_SHIPPING_SECONDS)
        self.shipper.abort()
        shipping.join(5)
        self.write_status(ceiling)
        marker.unlink(missing_ok=True)

    def once(self, inputs: Sequence[Callable[[], int]]) -> None:
        """Take what the inputs have, ship it all, and return when it was acknowledged."""
        self.intake.pace = self._hold_back
        shipping = _thread("shipper", self._keep_shipping)
        for take in inputs:
            take()
        self.shipper.drain.set()
        self.shipper.wake.set()
        while shipping.is_alive() and not self.stop.is_set():
            shipping.join(0.2)
        if self.stop.is_set():
            self.shipper.abort()
            shipping.join(5)

    def close(self) -> None:
        """Close the spool and the connections; nothing may run any more."""
        self.shipper.close()
        self.spool.close()

    def write_status(self, ceiling: Ceiling) -> None:
        """What ``soc-agent status`` shows; written beside and renamed, so that it is always whole."""
        tally = self.shipper.tally
        facts = {
            **facts_of(self.identity),
            "version": VERSION,
            "pid": os.getpid(),
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "incarnation": self.spool.incarnation,
            "blind_spots": dict(self.notices.blind_spots),
            "records_taken": self.intake.records,
            "records_acknowledged": tally.records,
            "batches_acknowledged": tally.batches,
            "batches_refused": tally.refused,
            "last_acknowledged_at": tally.last_acknowledged_at,
            "last_answer": tally.last_answer,
            "spool_waiting_bytes": self.spool.waiting_bytes(),
            "memory_bytes": ceiling.memory_bytes,
            "cpu_percent": round(ceiling.cpu_percent, 1),
            "recent": list(self.notices.recent),
        }
        beside = self.home / "status.json.new"
        beside.write_text(json.dumps(facts, ensure_ascii=False, indent=1), encoding="utf-8")
        beside.replace(self.home / "status.json")

    def _keep_shipping(self) -> None:
        """Ship, and begin again after an error that nobody has foreseen."""
        while not self.shipper.stop.is_set():
            try:
                self.shipper.run()
                return
            except Exception as error:  # a worker loop: an agent that ships no more is of no use
                reason = "".join(traceback.format_exception_only(error)).strip()
                where = traceback.format_tb(error.__traceback__)[-1].strip()
                self.notices.tell(
                    "input_error",
                    f"shipping: {reason}",
                    input="shipper",
                    reason=reason,
                    where=where,
                )
                self.spool.rewind()
                self.shipper.stop.wait(RESTART_SECONDS)

    def _keep_obeying(self) -> None:
        """Carry out commands, and begin again after an error that nobody has foreseen."""
        commands = self.commands()
        while not self.stop.is_set():
            try:
                commands.run(self.stop)
            except (
                Exception
            ) as error:  # a worker loop: a machine that obeys no more cannot be helped
                reason = "".join(traceback.format_exception_only(error)).strip()
                self.notices.tell(
                    "input_error", f"commands: {reason}", input="commands", reason=reason
                )
                self.stop.wait(RESTART_SECONDS)

    def _give_up(self) -> None:
        """Far too much memory for half a minute: end, so that whoever started the agent starts it again."""
        self.failed = True
        self.stop.set()

    def _hold_back(self) -> None:
        """Reading must not run ahead of shipping by more than the spool is good for."""
        limit = min(ONCE_BACKLOG_BYTES, self.spool.limit_bytes // 2)
        while self.spool.waiting_bytes() > limit and not self.stop.wait(0.02):
            self.shipper.wake.set()


class Inputs:
    """The threads of one set of inputs."""

    def __init__(self, intake: Intake, config: Config) -> None:
        self.intake, self.stop = intake, threading.Event()
        self._threads = [self._start(one) for one in inputs_of(config)]

    def end(self) -> None:
        """Stop them and wait for them, a little."""
        self.stop.set()
        for one in self._threads:
            one.join(5)

    def _start(self, one: Input) -> threading.Thread:
        return _thread(one.name, lambda: self._keep_running(one))

    def _keep_running(self, one: Input) -> None:
        """Run an input, and again a while after it failed or ended."""
        while not self.stop.is_set():
            try:
                one.run(self.intake, self.stop)
            except Exception as error:  # a worker loop: the other inputs go on, and this one again
                self._tell(one, error)
            self.stop.wait(RESTART_SECONDS)

    def _tell(self, one: Input, error: Exception) -> None:
        reason = "".join(traceback.format_exception_only(error)).strip()
        where = traceback.format_tb(error.__traceback__)[-1].strip()
        message = f"{one.name}: {reason}"
        facts = {"input": one.name, "reason": reason, "where": where}
        self.intake.notices.tell("input_error", message, **facts)


def _thread(name: str, work: Callable[[], None]) -> threading.Thread:
    made = threading.Thread(target=work, name=name, daemon=True)
    made.start()
    return made
