"""What people want to know of a rule, and why a rule was left out."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class RuleFacts:
    """A loaded rule. ``entity`` names the field that its alerts are about ("" means the default)."""

    id: str
    title: str
    title_vi: str
    meaning_vi: str
    level: str  # informational low medium high critical
    status: str
    description: str
    author: str
    references: tuple[str, ...]
    tags: tuple[str, ...]
    falsepositives: tuple[str, ...]
    logsource: dict[str, str]  # product, category, service: those that are given
    condition: str
    entity: str
    path: str
    source: str  # the document's YAML text
    false_alarm_vi: str = ""  # these three from ``custom``; empty: the table of guidance says it
    checks: tuple[str, ...] = ()  # names in the table of guidance
    playbook: str = ""

    @property
    def techniques(self) -> tuple[str, ...]:
        """ATT&CK technique ids, e.g. T1059.004."""
        return tuple(
            tag.removeprefix("attack.").upper()
            for tag in self.tags
            if tag.startswith("attack.t") and tag[8:9].isdigit()
        )


@dataclass(frozen=True, slots=True)
class Refused:
    """A rule, or a whole file, that cannot be used."""

    path: str
    reason: str
    line: int | None = None
    column: int | None = None
    hint: str = ""
    title: str = ""

    @property
    def place(self) -> str:
        """``path:line:column`` as far as known."""
        return ":".join(str(part) for part in (self.path, self.line, self.column) if part)


@dataclass(frozen=True, slots=True)
class CannotMatch:
    """A sound rule that no event can satisfy: a field that no event has, or a log source that nothing delivers."""

    id: str
    title: str
    path: str
    reason: str
    fields: tuple[str, ...] = field(default=())
