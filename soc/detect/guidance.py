"""Guidance for every rule: what the rule itself says, and the table for the rest.

The table is looked up by ATT&CK technique (a sub-technique, else its parent, else the tactic) and by the kind of log
source, which fills the checks up to three.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from soc.detect.correlation.rule import Correlation
from soc.detect.facts import RuleFacts
from soc.detect.guidance_file import ANY, CHECKS, NAME, Kind, Row, Table, read_table
from soc.errors import RuleError
from soc.model.guidance import Check, Guidance

DEEPEST = 10  # correlations over correlations


class GuidanceTable:
    """The table, ready to be asked."""

    def __init__(self, table: Table) -> None:
        self.checks: dict[str, Check] = {
            name: Check(name, one.vi, one.en, one.query, one.before, one.after, one.own)
            for name, one in table.checks.items()
        }
        self.rows: dict[str, Row] = {tag: row for row in table.rows for tag in row.of}
        self._rank = {tag: rank for rank, row in enumerate(table.rows) for tag in row.of}
        self._kinds = {kind.name: kind for kind in table.kinds}
        self._kind_by_category = {one: kind for kind in table.kinds for one in kind.categories}
        self._kind_by_service = {one: kind for kind in table.kinds for one in kind.services}

    def of(self, rule: RuleFacts, logsource: Mapping[str, str] | None = None) -> Guidance:
        """``logsource``: that of the events, for a correlation, which has none of its own."""
        found = self.row(self.tag_of(rule.tags), logsource or rule.logsource, rule.checks)
        said = rule.false_alarm_vi
        return replace(
            found,
            means_vi=rule.meaning_vi.strip() or found.means_vi,
            means_en=rule.description or found.means_en,
            false_alarm_vi=said or found.false_alarm_vi,
            false_alarm_en=("; ".join(rule.falsepositives) if said else "") or found.false_alarm_en,
            playbook=rule.playbook or found.playbook,
        )

    def row(
        self, tag: str, logsource: Mapping[str, str], first_checks: Sequence[str] = ()
    ) -> Guidance:
        """What one row says; three checks: those named first, the row's, the kind's."""
        row, kind = self.rows.get(tag) or self.rows[ANY], self.kind_of(logsource)
        wanted = (*first_checks, *row.checks_of.get(kind.name, row.checks), *kind.checks)
        known = [name for name in dict.fromkeys(wanted) if name in self.checks]
        return Guidance(
            means_vi=row.vi,
            means_en=row.en,
            checks=tuple(self.checks[name] for name in known[:CHECKS]),
            false_alarm_vi=row.false_alarm.vi,
            false_alarm_en=row.false_alarm.en,
            playbook=row.playbook,
            row=tag if tag in self.rows else ANY,
        )

    def tag_of(self, tags: Sequence[str]) -> str:
        """The row for a rule's tags: a technique's before a tactic's, and of several the first in the table.

        >>> from soc.shipped import folder
        >>> load_guidance([folder("rules")]).tag_of(["attack.execution", "attack.t1059.001", "attack.t1486"])
        't1486'
        """
        names = [tag.removeprefix("attack.").lower() for tag in tags if tag.startswith("attack.")]
        techniques = [name for name in names if name[:1] == "t" and name[1:5].isdigit()]
        tactics = [name for name in names if name not in techniques]
        for wanted in (map(self._nearest, techniques), tactics):
            found = [name for name in wanted if name in self.rows]
            if found:
                return min(found, key=lambda name: self._rank[name])
        return ANY

    def _nearest(self, technique: str) -> str:
        return technique if technique in self.rows else technique.partition(".")[0]

    def kind_of(self, logsource: Mapping[str, str]) -> Kind:
        """The kind of a log source, by its category and else its service."""
        category, service = logsource.get("category", ""), logsource.get("service", "")
        found = self._kind_by_category.get(category) or self._kind_by_service.get(service)
        return found or self._kinds[ANY]

    def faults(self, rule: RuleFacts, playbooks: Collection[str]) -> Iterator[str]:
        """What a rule says of itself and nobody can follow; the table's row stands in for it."""
        for name in rule.checks:
            if name not in self.checks:
                yield f"custom.checks: no check is named {name!r} in {NAME}"
        if rule.playbook and rule.playbook not in playbooks:
            yield f"custom.playbook: there is no playbook {rule.playbook!r}"


def load_guidance(folders: Sequence[Path]) -> GuidanceTable:
    """The table of the first rule folder that has one.

    Raises:
        RuleError: no folder has one, or it cannot be used; with line and what to do.
    """
    for folder in folders:
        if (folder / NAME).is_file():
            return GuidanceTable(read_table(folder / NAME))
    raise RuleError(f"no rule folder has a {NAME}", path=folders[0], hint="copy the shipped one")


def logsource_of(
    rule_id: str, rules: Mapping[str, RuleFacts], correlations: Mapping[str, Correlation]
) -> Mapping[str, str]:
    """The log source of a rule's events; of a correlation, that of the last rule that serves it."""
    for _ in range(DEEPEST):
        if rule_id in rules:
            return rules[rule_id].logsource
        if rule_id not in correlations:
            break
        rule_id = correlations[rule_id].rules[-1]
    return {}
