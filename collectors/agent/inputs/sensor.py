"""The packet sensor as an input: ``soc-sensor --interface NAME`` as a process of its own, its lines as records."""

from __future__ import annotations

import os
import selectors
import shutil
import subprocess
import sys
import threading
from pathlib import Path

from collectors.agent.intake import Intake

SOURCE = "sensor"
RESTART_SECONDS = 10.0
CHUNK_BYTES = 1 << 20
STOP_SECONDS = 10.0
SAID_BYTES = 500


class PacketSensor:
    """Watches one interface. A sensor that dies costs the packets of ten seconds, and nothing else of the agent."""

    def __init__(self, interface: str) -> None:
        self.interface = interface
        self.name = f"sensor:{interface}"

    def run(self, intake: Intake, stop: threading.Event) -> None:
        while not stop.is_set():
            reason = self._watch(intake, stop)
            if stop.is_set():
                return
            intake.notices.blind(self.name, reason)
            stop.wait(RESTART_SECONDS)

    def _command(self) -> list[str]:
        guard = shutil.which("setpriv")  # a killed agent must not leave a sensor behind
        until_death = [guard, "--pdeathsig", "TERM", "--"] if guard else []
        sensor = [sys.executable, "-m", "collectors.sensor.main", "--interface", self.interface]
        return [*until_death, *sensor]

    def _watch(self, intake: Intake, stop: threading.Event) -> str:
        """Bring lines until the sensor ends; what it said on stderr."""
        process = subprocess.Popen(
            self._command(),
            cwd=Path(__file__).parents[3],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        with process:
            try:
                return self._bring(process, intake, stop)
            finally:
                process.terminate()
                try:
                    process.wait(STOP_SECONDS)
                except subprocess.TimeoutExpired:
                    process.kill()

    def _bring(
        self, process: subprocess.Popen[bytes], intake: Intake, stop: threading.Event
    ) -> str:
        assert process.stdout is not None
        assert process.stderr is not None
        said, rest = b"", b""
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            selector.register(process.stderr, selectors.EVENT_READ)
            while True:
                if stop.is_set():
                    process.terminate()  # it says what it still holds
                for key, _ in selector.select(0.25):
                    chunk = os.read(key.fd, CHUNK_BYTES)
                    if key.fd == process.stderr.fileno():
                        said = (said + chunk)[-SAID_BYTES:]
                        if not chunk:
                            selector.unregister(process.stderr)
                    elif not chunk:
                        return said.decode("utf-8", "replace").strip() or "the sensor ended"
                    else:
                        rest = self._take(rest + chunk, intake)

    def _take(self, found: bytes, intake: Intake) -> bytes:
        """Bring the whole lines; what has no newline yet is given back."""
        last = found.rfind(b"\n") + 1
        if lines := [one for one in found[:last].split(b"\n") if one]:
            intake.notices.sees_again(self.name)
            intake.put(self.name, SOURCE, lines)
        return found[last:]
