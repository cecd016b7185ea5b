"""A door and agents as real processes over a home of their own, for tests that kill them."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from soc.model.register import Owner
from soc.model.scope import Scope
from soc.receive.enrolment import create_token
from soc.records.database import Database

ROOT = Path(__file__).parents[2]
PROVINCE = Scope.province("tests")
RULE = """\
title: A process says the marker of the test
id: 0b5f9a0e-5a5e-4f8a-9c0e-2d1f6f0a9a10
status: test
description: Matches the records that a test has marked.
logsource: {product: linux, category: process_creation}
detection:
  marked: {process.command_line|contains: marked-by-the-test}
  condition: marked
level: high
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(what: str, is_so: Callable[[], Any], within_seconds: float = 90.0) -> Any:
    """The first true answer of ``is_so``, or a failure that names ``what``."""
    deadline = time.monotonic() + within_seconds
    while time.monotonic() < deadline:
        if found := is_so():
            return found
        time.sleep(0.002)
    raise AssertionError(f"{what}: not within {within_seconds:.0f} s")


@dataclass
class Site:
    """A home with its tables, one compiled rule, a door, and agents."""

    home: Path
    port: int = field(default_factory=free_port)
    door: subprocess.Popen[bytes] | None = None
    agents: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    prepared: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)

    @classmethod
    def prepare(cls, home: Path, **environment: str) -> Site:
        """Tables and rules; nothing runs yet."""
        from soc.detect.current import publish
        from soc.detect.packs import compile_pack

        home.mkdir(parents=True, exist_ok=True)
        rules = home / "rules"
        rules.mkdir()
        (rules / "marked.yml").write_text(RULE)
        pack = compile_pack([rules])
        assert len(pack.rules) == 1, pack.refused or pack.cannot_match
        publish(pack, home / "packs")
        site = cls(home, environment=environment)
        database = site.database()
        database.create_all()
        database.close()
        return site

    @property
    def ca(self) -> Path:
        """The certificate of the platform's own authority."""
        return self.home / "keys" / "ca.pem"

    def database(self) -> Database:
        return Database(f"sqlite:///{self.home / 'soc.sqlite'}")

    def reading(self) -> sqlite3.Connection:
        """A light connection for polling."""
        return sqlite3.connect(f"file:{self.home / 'soc.sqlite'}?mode=ro", uri=True)

    def start_door(self) -> None:
        self.door = self._go("door", ["door"])

    def _go(self, name: str, arguments: list[str]) -> subprocess.Popen[bytes]:
        """Let the prepared process run, and prepare the next one."""
        process = self.prepared.pop(name, None) or self._prepare(name, arguments)
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.close()
        self.prepared[name] = self._prepare(name, arguments)
        return process

    def _prepare(self, name: str, arguments: list[str]) -> subprocess.Popen[bytes]:
        environment = os.environ | {
            "SOC_HOME": str(self.home),
            "SOC_DOOR_PORT": str(self.port),
            **self.environment,
        }
        with (self.home.parent / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "tests.flow.warm", *arguments],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def wait_for_door(self) -> None:
        def answers() -> bool:
            assert self.door is not None
            assert self.door.poll() is None, (self.home.parent / "door.log").read_text()[-3000:]
            return self.door_is_ok()

        wait_for("the door's health", answers)

    def door_is_ok(self) -> bool:
        """Whether the door answers, and would take a batch."""
        return self.health() == "ok"

    def health(self) -> str:
        """What the door says of itself; empty when it does not answer."""
        try:
            trust = ssl.create_default_context(cafile=str(self.home / "keys" / "ca.pem"))
            url = f"https://localhost:{self.port}/health"
            with urllib.request.urlopen(url, context=trust, timeout=5) as reply:
                return str(json.load(reply)["status"])
        except (urllib.error.URLError, OSError):
            return ""

    def enrol(
        self, name: str, inputs: Sequence[dict[str, Any]], parent: Path | None = None
    ) -> Path:
        """An agent's home, enrolled through the running door."""
        database = self.database()
        token = create_token(database, PROVINCE, datetime.now(UTC), owner=Owner("agency-1"))
        database.close()
        home = (parent or self.home) / f"agent-{name}"
        self._agent(
            "enrol",
            home,
            "--platform",
            f"https://localhost:{self.port}",
            "--ca",
            str(self.home / "keys" / "ca.pem"),
            "--token",
            token.secret,
            "--name",
            name,
        )
        (home / "agent.yaml").write_text(json.dumps({"inputs": list(inputs)}))
        return home

    def _agent(self, verb: str, home: Path, *more: str) -> None:
        command = [sys.executable, "-m", "collectors.agent.main", verb, "--home", str(home), *more]
        subprocess.run(command, check=True, capture_output=True, timeout=120)

    def start_agent(self, home: Path) -> None:
        run = ["agent", "run", "--home", str(home)]
        self.agents[home.name] = self._go(home.name, run)

    def kill_door(self) -> None:
        _kill(self.door)

    def kill_agent(self, home: Path) -> None:
        _kill(self.agents[home.name])

    def stop(self) -> None:
        """End everything in good order; what does not end is killed."""
        for unused in self.prepared.values():
            _kill(unused)
        for process in [*self.agents.values(), self.door]:
            if process is not None and process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(30)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


def _kill(process: subprocess.Popen[bytes] | None) -> None:
    assert process is not None
    process.kill()
    process.wait()
    if process.stdin is not None:
        process.stdin.close()
