"""The systemd journal, by ``journalctl -o json --follow``; its cursor is kept with the records."""

from __future__ import annotations

import os
import re
import selectors
import shutil
import subprocess
import threading

from collectors.agent.intake import Intake

STREAM, SOURCE = "journal", "journal"
CURSOR = re.compile(rb'"__CURSOR"\s*:\s*"((?:[^"\\]|\\.)*)"')
RESTART_SECONDS = 5.0
CHUNK_BYTES = 256 * 1024


class Journal:
    """Follows the journal of this machine from the first start of the agent on."""

    name = "journal"

    def __init__(self, arguments: tuple[str, ...] = ()) -> None:
        """``arguments`` are further ones for journalctl, e.g. ``("--directory=/var/log/journal",)``."""
        self.arguments = arguments

    def run(self, intake: Intake, stop: threading.Event) -> None:
        program = shutil.which("journalctl")
        if program is None:
            intake.notices.blind(self.name, "there is no journalctl on this machine")
            return
        while not stop.is_set():
            reason = self._follow(program, intake, stop)
            if stop.is_set():
                return
            intake.notices.blind(self.name, f"journalctl ended: {reason}")
            stop.wait(RESTART_SECONDS)

    def _command(self, program: str, cursor: str | None) -> list[str]:
        since = [f"--after-cursor={cursor}"] if cursor else ["--lines=0"]
        # A killed agent must not leave journalctl behind, waiting for an entry to notice.
        guard = shutil.which("setpriv")
        until_death = [guard, "--pdeathsig", "TERM", "--"] if guard else []
        # --all: long and unprintable fields come whole.
        follow = [program, "-o", "json", "--all", "--no-pager", "--follow"]
        return [*until_death, *follow, *since, *self.arguments]

    def _follow(self, program: str, intake: Intake, stop: threading.Event) -> str:
        """Bring lines until journalctl ends; what it said on stderr."""
        process = subprocess.Popen(
            self._command(program, intake.position(STREAM)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdout is not None
        assert process.stderr is not None
        said = b""
        with process, selectors.DefaultSelector() as selector:
            try:
                selector.register(process.stdout, selectors.EVENT_READ)
                selector.register(process.stderr, selectors.EVENT_READ)
                rest: list[bytes] = []
                while not stop.is_set():
                    for key, _ in selector.select(0.25):
                        chunk = os.read(key.fd, CHUNK_BYTES)
                        if not chunk:
                            return said.decode("utf-8", "replace").strip() or "without a word"
                        if key.fd == process.stderr.fileno():
                            said = (said + chunk)[-500:]
                        else:
                            self._take(chunk, rest, intake)
            finally:
                process.terminate()
        return "the agent stops"

    def _take(self, chunk: bytes, rest: list[bytes], intake: Intake) -> None:
        """Bring the whole lines; ``rest`` keeps what has no newline yet."""
        last = chunk.rfind(b"\n") + 1
        if last:
            lines = [one for one in b"".join((*rest, chunk[:last])).split(b"\n") if one]
            rest.clear()
            found = CURSOR.findall(lines[-1]) if lines else []
            positions = {STREAM: found[-1].decode("utf-8", "replace")} if found else None
            if lines:
                intake.notices.sees_again(self.name)
                intake.put(STREAM, SOURCE, lines, positions=positions)
        if chunk[last:]:
            rest.append(chunk[last:])
