"""What became of each command, on disk before it is acted on: so that nothing is carried out twice, nor forgotten.

``commands/ID.json`` of the home holds the state; ``commands/ID.result`` the bytes of the answer, the same at each
try to send them. A command is remembered for 90 days after its end, so that a copy of it is known again.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from collectors.agent.segments import write_durably

REMEMBERED = 90 * 86_400 * 1_000_000  # µs after the expiry
LIMIT = 5_000  # commands; beyond that new ones are refused


@dataclass(slots=True)
class Entry:
    """One command. ``state``: started, then answered (the result is on disk), then sent."""

    id: str
    sha256: str  # of the document
    action: str
    verb: str
    measure: str
    expires_at: int
    started_at: int
    state: str = "started"
    bundle: str = ""  # file that goes with the answer


class Journal:
    """The entries of one home. Different commands may be written by different threads."""

    def __init__(self, home: Path) -> None:
        self.folder, self.measures = home / "commands", home / "measures"
        for one in (self.folder, self.measures):
            one.mkdir(exist_ok=True, mode=0o700)
        self._sent: set[str] = set()  # file names that need not be read again

    def find(self, command_id: str) -> Entry | None:
        path = self.folder / f"{command_id}.json"
        return Entry(**json.loads(path.read_bytes())) if path.exists() else None

    def keep(self, entry: Entry) -> None:
        write_durably(
            self.folder / f"{entry.id}.json", json.dumps(asdict(entry), ensure_ascii=False).encode()
        )

    def answer(self, entry: Entry, result: bytes) -> None:
        """Keep the answer, then the state: a kill in between leaves it started, and it is looked into again."""
        write_durably(self.folder / f"{entry.id}.result", result)
        entry.state = "answered"
        self.keep(entry)

    def result_of(self, entry: Entry) -> bytes:
        return (self.folder / f"{entry.id}.result").read_bytes()

    def all(self) -> Iterator[Entry]:
        for path in sorted(self.folder.glob("*.json")):
            yield Entry(**json.loads(path.read_bytes()))

    def open(self) -> list[Entry]:
        """Those whose answer is not at the platform."""
        found = []
        for path in sorted(self.folder.glob("*.json")):
            if path.name in self._sent:
                continue
            entry = Entry(**json.loads(path.read_bytes()))
            if entry.state == "sent":
                self._sent.add(path.name)
            else:
                found.append(entry)
        return found

    def is_full(self) -> bool:
        return sum(1 for _ in self.folder.glob("*.json")) >= LIMIT

    def tidy(self, now: int) -> None:
        """Forget what was sent and ended long ago; not a measure that holds, which must be undone one day."""
        for entry in list(self.all()):
            measure = self.measures / entry.id
            if (measure / "in_force.json").exists():
                continue
            if entry.state == "sent" and now > entry.expires_at + REMEMBERED:
                shutil.rmtree(measure, ignore_errors=True)
                (self.folder / f"{entry.id}.result").unlink(missing_ok=True)
                (self.folder / f"{entry.id}.json").unlink(missing_ok=True)
