"""What a response action is: it looks, acts, undoes, and knows after a kill how far it came.

Every step that changes something is announced by ``work.step`` first, in which a test kills the agent. What an action
needs to know after a kill it keeps in ``work.folder`` before the step.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from collectors.agent.errors import AgentError
from collectors.agent.segments import write_durably

DONE, FAILED, UNCHANGED = "done", "failed", "unchanged"


class ActionRefused(AgentError):
    """The action cannot or must not be done here; nothing was changed. The text goes to the platform."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """``state``: done; failed (something may have changed: ``found`` says what); unchanged (nothing did)."""

    state: str
    reason: str = ""
    found: Mapping[str, Any] = field(default_factory=dict)  # JSON
    bundle: Path | None = None  # to be sent along as evidence


@dataclass(slots=True)
class Work:
    """One command at work: what it may use and where it keeps its notes."""

    command_id: str
    parameters: Mapping[str, Any]
    folder: Path  # of the measure, readable by its owner only; an undo works in the folder of what it undoes
    platform: tuple[str, int]  # host and port that must stay reachable
    custody: Mapping[str, Any] = field(
        default_factory=dict
    )  # who asked and approved, for which case
    deadline: float = 0.0  # time.monotonic(); 0 is none
    step: Callable[[str], None] = lambda name: None

    def note(self, name: str, facts: Mapping[str, Any]) -> None:
        """Keep facts durably before acting on them."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_durably(self.folder / f"{name}.json", json.dumps(facts, ensure_ascii=False).encode())

    def noted(self, name: str) -> dict[str, Any] | None:
        """The facts kept under a name; None where there are none."""
        try:
            found = json.loads((self.folder / f"{name}.json").read_bytes())
        except FileNotFoundError:
            return None
        return dict(found)

    def seconds_left(self) -> float:
        """Until the action must end, at least a tenth.

        Raises:
            TimeoutError: it is over.
        """
        if not self.deadline:
            return 3600.0
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the action took longer than it may")
        return max(left, 0.1)


class Action(Protocol):
    """One file in this folder. Methods raise ActionRefused when nothing was changed."""

    @property
    def name(self) -> str: ...

    @property
    def timeout_seconds(self) -> float: ...

    @property
    def is_measure(self) -> bool:
        """Whether it stays in force until it is undone or runs out."""
        ...

    def dry_run(self, work: Work) -> Outcome:
        """What ``run`` would do, with nothing changed."""
        ...

    def run(self, work: Work) -> Outcome: ...

    def undo(self, work: Work) -> Outcome:
        """Take back what ``run`` did in this folder."""
        ...

    def after_kill(self, work: Work, verb: str) -> Outcome:
        """The truth about a ``run`` or ``undo`` in which the agent was killed; it acts no second time."""
        ...

    def is_in_force(self, work: Work) -> bool:
        """Whether the measure still holds on this machine."""
        ...


def text_of(work: Work, key: str, *, longest: int = 4096) -> str:
    """A parameter that must be text without control characters."""
    value = work.parameters.get(key)
    if not isinstance(value, str) or not 0 < len(value) <= longest:
        raise ActionRefused(f"parameter {key}: expected text of 1 to {longest} characters")
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in value):
        raise ActionRefused(f"parameter {key}: control characters are not allowed")
    return value


def whole_of(work: Work, key: str, least: int, most: int) -> int:
    """A parameter that must be a whole number within bounds."""
    value = work.parameters.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ActionRefused(f"parameter {key}: expected a whole number from {least} to {most}")
    return value


def only(work: Work, *known: str) -> None:
    """Refuse parameters that the action does not know: they may have been meant as a limit."""
    if unknown := sorted(set(work.parameters).difference(known)):
        raise ActionRefused(
            f"unknown parameter {unknown[0]!r}; known: {', '.join(known) or 'none'}"
        )


def needs_root(what: str) -> None:
    """Raises ActionRefused unless the agent runs as root; ``what`` is what it cannot do otherwise."""
    if os.geteuid() != 0:
        raise ActionRefused(f"without root the agent cannot {what}; run soc-agent as root")
