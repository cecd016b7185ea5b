"""``soc up``: the whole small site on one machine.

The supervisor is light on purpose: it prepares the site in a short-lived process, starts the others, waits until they
answer, starts again what died, and stops everything in order.
"""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer

START_WITHIN_SECONDS = 60
STOP_WITHIN_SECONDS = 15
SLOWEST_RESTART_SECONDS = 30


@dataclass(slots=True)
class Process:
    """One process of the site and how often it has died."""

    name: str
    command: list[str]
    log: Path
    running: subprocess.Popen[bytes] | None = None
    deaths: int = 0
    restart_at: float = 0.0
    health: tuple[str, ssl.SSLContext | None] | None = field(
        default=None
    )  # URL and how to trust it

    def start(self, environment: Mapping[str, str]) -> None:
        with self.log.open("ab") as log:
            self.running = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                start_new_session=True,
            )

    def stop(self, within_seconds: float) -> None:
        """Ask it to end, and end it when it does not."""
        if self.running is None or self.running.poll() is not None:
            return
        self.running.terminate()
        try:
            self.running.wait(within_seconds)
        except subprocess.TimeoutExpired:
            self.running.kill()
            self.running.wait()

    def answers(self) -> bool:
        """Whether its health address answers; a process without one answers when it runs."""
        if self.health is None:
            return self.running is not None and self.running.poll() is None
        url, trust = self.health
        try:
            with urllib.request.urlopen(url, timeout=2, context=trust) as reply:
                return bool(reply.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def last_words(self, lines: int = 12) -> str:
        try:
            text = self.log.read_text(errors="replace")
        except OSError:
            return ""
        return "\n".join(text.splitlines()[-lines:])


class Supervisor:
    """Starts, watches and stops the processes, in the order given (and stops them in the other)."""

    def __init__(self, processes: list[Process], environment: Mapping[str, str]) -> None:
        self.processes, self.environment = processes, environment
        self.stopping = threading.Event()

    def start(self) -> None:
        """Start all and wait until each answers.

        Raises:
            RuntimeError: one ended or did not answer in time; the text holds its last words.
        """
        for process in self.processes:
            process.start(self.environment)
        self.wait()

    def add(self, process: Process) -> None:
        """Start one more and wait for it."""
        process.start(self.environment)
        self.processes.append(process)
        self.wait()

    def wait(self) -> None:
        deadline = time.monotonic() + START_WITHIN_SECONDS
        for process in self.processes:
            while not self.stopping.is_set() and not process.answers():
                ended = process.running is not None and process.running.poll() is not None
                if ended or time.monotonic() > deadline:
                    what = (
                        "ended at once" if ended else f"did not answer in {START_WITHIN_SECONDS} s"
                    )
                    raise RuntimeError(
                        f"the {process.name} {what}; its last words ({process.log}):\n{process.last_words()}"
                    )
                self.stopping.wait(0.05)

    def watch(self) -> None:
        """Start again what dies, later and later, until told to stop."""
        while not self.stopping.wait(0.5):
            for process in self.processes:
                self._look_after(process, time.monotonic())

    def _look_after(self, process: Process, now: float) -> None:
        if process.running is not None and process.running.poll() is not None:
            process.deaths += 1
            wait = min(SLOWEST_RESTART_SECONDS, 0.5 * 2**process.deaths)
            process.restart_at, code = now + wait, process.running.returncode
            process.running = None
            print(
                f"soc: the {process.name} ended ({code}); starting it again in {wait:.0f} s",
                file=sys.stderr,
            )
        elif process.running is None and now >= process.restart_at:
            process.start(self.environment)

    def stop(self) -> None:
        self.stopping.set()
        for process in reversed(self.processes):
            process.stop(STOP_WITHIN_SECONDS)


def refuse(text: str) -> typer.Exit:
    """Say one plain sentence and end with exit code 2."""
    print(f"soc: {text}", file=sys.stderr)
    return typer.Exit(2)


def check_home(home: Path) -> None:
    try:
        (home / "log").mkdir(parents=True, exist_ok=True)
        probe = home / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise refuse(
            f"cannot write to {home}: {error.strerror}. Choose a folder of your own: SOC_HOME=/path/to/folder soc up"
        ) from error


def prepare(environment: Mapping[str, str]) -> dict[str, Any]:
    """Make the site ready in a process of its own, so that what it loads is given back; returns what it found."""
    done = subprocess.run(
        [sys.executable, "-m", "soc.site.prepare"],
        env=dict(environment),
        stdout=subprocess.PIPE,
        check=False,
    )
    if done.returncode != 0:
        raise typer.Exit(done.returncode)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def processes_of(site: Mapping[str, Any]) -> list[Process]:
    """Door, desk and worker."""
    log = Path(site["home"]) / "log"
    soc = [sys.executable, "-m", "soc.cli.main"]
    trust = ssl.create_default_context(cafile=site["ca"])
    return [
        Process(
            "door", [*soc, "door"], log / "door.log", health=(site["door_url"] + "/health", trust)
        ),
        Process(
            "desk", [*soc, "desk"], log / "desk.log", health=(site["desk_url"] + "/health", None)
        ),
        Process("worker", [*soc, "work"], log / "work.log"),
    ]


def own_agent(site: Mapping[str, Any]) -> Process:
    """This machine's own agent, enrolled first where it is new. The door must be running.

    Raises:
        RuntimeError: the enrolment failed; the text says why.
    """
    agent, home = [sys.executable, "-m", "collectors.agent.main"], site["agent"]["home"]
    if token := site["agent"]["token"]:
        where = ["--home", home, "--platform", site["door_url"], "--ca", site["ca"]]
        done = subprocess.run(
            [*agent, "enrol", *where, "--token", token],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"this machine's own agent could not enrol: {done.stderr.strip()}")
    return Process(
        "agent", [*agent, "run", "--home", home], Path(site["home"]) / "log" / "agent.log"
    )


def greet(site: Mapping[str, Any], seconds: float) -> None:
    print(
        f"The console is at {site['desk_url']}  (ready in {seconds:.1f} s; Ctrl-C stops everything)",
        flush=True,
    )
    if site["one_time_password"]:
        print(
            f"Sign in as {site['administrator']} with the one-time password {site['one_time_password']}",
            flush=True,
        )
    print("Ready.", flush=True)


def command(
    demo: Annotated[
        bool, typer.Option(help="Load the demo province and run the fake national centre.")
    ] = False,
) -> None:
    """Run the whole small site on this machine: door, console, worker, and this machine's own agent.

    Example: SOC_HOME=var SOC_PORT=8600 soc up --demo
    """
    began = time.monotonic()
    environment = dict(os.environ) | ({"SOC_DEMO": "true"} if demo else {})
    home = Path(environment.get("SOC_HOME", "var"))
    check_home(home)
    site = prepare(environment)
    supervisor = Supervisor(processes_of(site), environment)

    def stop(number: int, frame: FrameType | None) -> None:
        supervisor.stopping.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    try:
        supervisor.start()
        if site["agent"] and not supervisor.stopping.is_set():
            supervisor.add(own_agent(site))
        if not supervisor.stopping.is_set():
            greet(site, time.monotonic() - began)
        supervisor.watch()
    except RuntimeError as error:
        raise refuse(str(error)) from error
    finally:
        supervisor.stop()
    print("Stopped.", flush=True)
