"""The same actions on Windows: the means are named, and each says plainly that it does not act there yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from collectors.agent.actions.contract import Action, ActionRefused, Outcome, Work

MEANS = {
    "isolate_host": "Windows Filtering Platform filters of a dynamic session (gone when the agent ends)",
    "stop_process": "a handle by pid and creation time, then TerminateProcess over the tree",
    "quarantine_file": "a move into a folder whose ACL admits SYSTEM only",
    "disable_account": "NetUserSetInfo with UF_ACCOUNTDISABLE",
    "collect_triage": "the same bundle from WMI, the registry's run keys and the event log",
    "query_state": "the toolhelp snapshot, GetExtendedTcpTable and the registry's run keys",
}


@dataclass(frozen=True, slots=True)
class NotHere:
    """An action that this system does not have yet."""

    name: str
    means: str
    timeout_seconds: float = 1.0
    is_measure: bool = False

    def dry_run(self, work: Work) -> Outcome:
        raise self._refusal()

    def run(self, work: Work) -> Outcome:
        raise self._refusal()

    def undo(self, work: Work) -> Outcome:
        raise self._refusal()

    def after_kill(self, work: Work, verb: str) -> Outcome:
        return Outcome("unchanged", str(self._refusal()))

    def is_in_force(self, work: Work) -> bool:
        return False

    def _refusal(self) -> ActionRefused:
        return ActionRefused(f"{self.name}: not on this system yet; planned by {self.means}")


WINDOWS: Mapping[str, Action] = MappingProxyType(
    {name: NotHere(name, means) for name, means in MEANS.items()}
)
