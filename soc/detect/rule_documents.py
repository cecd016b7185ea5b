"""What a rule document says apart from its detection: facts for people, and actions over several documents."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from soc.detect.facts import RuleFacts
from soc.detect.rule_text import Document
from soc.errors import RuleError

KEYS_AND_HINT = {  # where an error of pySigma points to, and what to do
    "SigmaConditionError": (
        ("detection", "condition"),
        "the condition names the selections of this rule, joined by and, or, not, 1 of, all of",
    ),
    "SigmaModifierError": (("detection",), "the Sigma specification lists the modifiers"),
    "SigmaRegularExpressionError": (
        ("detection",),
        "test the expression by itself; a backslash is written once",
    ),
    "SigmaDetectionError": (("detection",), ""),
    "SigmaTypeError": (("detection",), "the modifier does not suit this kind of value"),
    "SigmaValueError": (("detection",), ""),
    "SigmaCorrelationRuleError": (
        ("correlation",),
        "type, rules, timespan and condition say when it fires",
    ),
    "SigmaCorrelationTypeError": (
        ("correlation", "type"),
        "event_count, value_count, temporal, temporal_ordered, value_sum, value_avg or value_percentile",
    ),
    "SigmaCorrelationConditionError": (
        ("correlation", "condition"),
        "one of gt, gte, lt, lte, eq, neq with a number; chain two correlations for a range",
    ),
    "SigmaTimespanError": (("correlation", "timespan"), "a number and s, m, h or d, as 10m"),
    "SigmaLogsourceError": (
        ("logsource",),
        "give at least one of product, category and service",
    ),
    "SigmaLevelError": (("level",), "one of informational, low, medium, high, critical"),
    "SigmaStatusError": (
        ("status",),
        "one of stable, test, experimental, deprecated, unsupported",
    ),
    "SigmaIdentifierError": (("id",), "a random UUID"),
    "SigmaTitleError": (("title",), "a title of at most 256 characters"),
    "SigmaTagError": (("tags",), ""),
    "SigmaDateError": (("date",), "as 2026-11-22"),
}
OWN_NAMES = uuid.UUID("8a4d1f9e-53c7-4f0a-9b53-0c7f5d0b8e11")  # for rules that carry no id


def with_actions(found: list[Document]) -> Iterator[Document]:
    """The documents with ``action: global``, ``reset`` and ``repeat`` carried out."""
    shared: dict[str, Any] = {}
    before: dict[str, Any] = {}
    for document in found:
        content = dict(document.content)
        action = content.pop("action", None)
        if action == "global":
            shared = before = content
        elif action == "reset":
            shared = {}
        elif action in (None, "repeat"):
            before = _merged(before if action else shared, content)
            yield Document(document.path, before, document.node, document.text)
        else:
            raise document.error(
                f"unknown action {action!r}", "action", hint="global, reset or repeat"
            )


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        merged[key] = _merged(old, value) if both else value  # type: ignore[arg-type]
    return merged


def facts_of(document: Document) -> RuleFacts:
    """What people want to know of a rule. The shapes are checked by pySigma afterwards."""
    content = document.content
    custom, logsource = _mapping(content, "custom"), _mapping(content, "logsource")
    title = str(content.get("title") or "")
    return RuleFacts(
        id=str(content.get("id") or uuid.uuid5(OWN_NAMES, f"{document.path.name}\n{title}")),
        title=title,
        title_vi=str(custom.get("title_vi") or title),
        meaning_vi=str(custom.get("meaning_vi") or ""),
        level=str(content.get("level") or "medium"),
        status=str(content.get("status") or ""),
        description=str(content.get("description") or "").strip(),
        author=str(content.get("author") or ""),
        references=_texts(content.get("references")),
        tags=_texts(content.get("tags")),
        falsepositives=_texts(content.get("falsepositives")),
        logsource={
            key: str(logsource[key])
            for key in ("product", "category", "service")
            if logsource.get(key)
        },
        condition="\n".join(_texts(_mapping(content, "detection").get("condition"))),
        entity=str(custom.get("entity") or ""),
        path=str(document.path),
        source=document.text,
        false_alarm_vi=str(custom.get("false_alarm_vi") or "").strip(),
        checks=_texts(custom.get("checks")),
        playbook=str(custom.get("playbook") or ""),
    )


def _texts(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    return tuple(str(one) for one in (value if isinstance(value, list) else [value]))


def _mapping(content: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """The mapping under a key; an empty one if there is something else."""
    found = content.get(key)
    return found if isinstance(found, dict) else {}


def error_at(document: Document, kinds: Sequence[str], reason: str) -> RuleError:
    """An error of pySigma with its place in the file. ``kinds``: its class and the classes above it, by name."""
    kind = next((kind for kind in kinds if kind in KEYS_AND_HINT), None)
    if kind is None:
        return document.error(reason)
    keys, hint = KEYS_AND_HINT[kind]
    if kind == "SigmaModifierError":
        keys = (*keys, *_with_modifier(document, reason))
    return document.error(reason, *keys, hint=hint)


def _with_modifier(document: Document, reason: str) -> tuple[str, ...]:
    """The keys that lead to the item with an unknown modifier."""
    named = reason.split("'")[1] if reason.count("'") >= 2 else ""
    for selection, items in _mapping(document.content, "detection").items():
        for key in items if isinstance(items, dict) else ():
            if named and named in str(key).split("|")[1:]:
                return selection, str(key)
    return ()
