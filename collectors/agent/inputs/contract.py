"""What an input is."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Protocol

from collectors.agent.intake import Intake


class Input(Protocol):
    """One way of getting bytes, run in a thread of its own."""

    name: str  # as blind spots and errors name it

    def run(self, intake: Intake, stop: threading.Event) -> None:
        """Bring records until ``stop`` is set, or until there are no more.

        An error that it raises is reported, and the input is started again after a while.
        """


def text_of(path: Path) -> str:
    """A path as UTF-8 text: bytes that are not UTF-8 are written as backslash escapes."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
