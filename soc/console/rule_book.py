"""What people may read of the rules in use: facts, state, guidance, and each condition for an event."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from soc.detect.explain import Explanation
from soc.detect.guidance import GuidanceTable, load_guidance, logsource_of
from soc.detect.rule_states import CurrentRuleStates
from soc.errors import RuleError
from soc.model.guidance import Guidance
from soc.model.own_rules import BASELINES, CLOCK_WRONG, SOURCE_SILENT

if TYPE_CHECKING:
    from soc.detect.matcher import Matcher
    from soc.detect.packs import Pack

log = structlog.get_logger("soc.desk")
OWN = {CLOCK_WRONG.id: "clock", SOURCE_SILENT.id: "silence"} | {
    one.id: one.technique for one in BASELINES
}  # their rows of the guidance
SEEN_IN = {
    one.id: {"category": "dns" if one.id.startswith("soc-dns") else "firewall"} for one in BASELINES
}  # what kind of events the questions are asked of
INDICATOR = "ioc-"  # begins the rule id of an indicator's alerts


def guidance_or_none(folders: Iterable[Path]) -> GuidanceTable | None:
    """The table; without a usable one the pages go without, and the log says why."""
    try:
        return load_guidance(list(folders))
    except RuleError as error:
        log.warning("the guidance for alerts cannot be used", reason=str(error))
        return None


class RecordedStates:
    """What people decided of each rule: active, testing or off. Imported rules begin in testing."""

    def __init__(self, current: CurrentRuleStates, rules_home: Path) -> None:
        self._current, self._below = current, f"{rules_home}/"

    def __call__(self, rules: Iterable[tuple[str, str]]) -> list[str]:
        """The states now of rules given by id and path."""
        self._current.refresh()
        held = self._current.held
        return [
            str(held.of(rule_id, imported=path.startswith(self._below))) for rule_id, path in rules
        ]


class RuleBook:
    """The rules in use, loaded again when the worker publishes others."""

    def __init__(
        self, packs_home: Path, states: RecordedStates, guidance: GuidanceTable | None
    ) -> None:
        self._home, self._states, self._guidance = packs_home, states, guidance
        self._pack: Pack | None = None
        self._matcher: Matcher | None = None
        self._loading = threading.Lock()

    def facts(self, rule_id: str) -> Mapping[str, Any] | None:
        """One rule as plain values with its recorded state; None when it is not in use."""
        found = self.all().get(rule_id)
        if found is None:
            return None
        (state,) = self._states([(found.id, found.path)])
        return asdict(found) | {"state": state}

    def all(self) -> Mapping[str, Any]:
        pack = self._current()
        return pack.rules | pack.correlation_facts if pack else {}

    def guide(self, rule_id: str) -> Guidance | None:
        """What people need to know of a rule's or an indicator's alerts; None without a usable table."""
        if self._guidance is None:
            return None
        if rule_id.startswith(INDICATOR):
            return self._guidance.row("indicator", {})
        if rule_id in OWN:
            return self._guidance.row(OWN[rule_id], SEEN_IN.get(rule_id, {}))
        pack, found = self._current(), self.all().get(rule_id)
        if pack is None or found is None:
            return self._guidance.row("", {})
        return self._guidance.of(found, logsource_of(rule_id, pack.rules, pack.correlations))

    def explain(self, rule_id: str, fields: Mapping[str, Any]) -> Explanation | None:
        """The rule's condition for an event, each part true or false; None when the rule is not in use."""
        pack = self._current()
        if pack is None or rule_id not in pack.rules:
            return None
        with self._loading:
            if self._matcher is None:
                from soc.detect.matcher import Matcher  # compiles automata: only when asked

                self._matcher = Matcher(pack)
            return self._matcher.explain(rule_id, fields)

    def _current(self) -> Pack | None:
        from soc.detect.current import current_digest, load_current

        with self._loading:
            digest = current_digest(self._home)
            if digest is not None and (self._pack is None or self._pack.digest != digest):
                try:
                    self._pack, self._matcher = load_current(self._home), None
                except RuleError as error:
                    log.warning("the rules in use cannot be read", reason=str(error))
            return self._pack
