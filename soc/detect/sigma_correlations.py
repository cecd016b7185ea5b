"""Correlation documents as pySigma reads them, in plain values."""

from __future__ import annotations

from typing import Any

from sigma.correlations import (
    CorrelationConditionAND,
    CorrelationConditionNOT,
    SigmaCorrelationRule,
    SigmaExtendedCorrelationCondition,
    SigmaRuleReference,
)

from soc.detect.correlation.loading import Parsed
from soc.detect.facts import RuleFacts
from soc.detect.rule_text import Document


def parsed_correlation(document: Document, facts: RuleFacts) -> Parsed:
    """A correlation document as pySigma reads it, in plain values.

    Raises:
        SigmaError: pySigma refuses it.
    """
    rule = SigmaCorrelationRule.from_dict(dict(document.content))
    condition = rule.condition
    expression: Any = None
    op, threshold, percentile = "gte", 1, 50
    fields: tuple[str, ...] = ()
    if isinstance(condition, SigmaExtendedCorrelationCondition):
        expression = _expression(condition.parsed)
        references = tuple(one.reference for one in rule.rules or ()) or tuple(
            condition.get_referenced_rules()
        )
    else:
        references = tuple(one.reference for one in rule.rules or ())
        op, threshold = condition.op.name.lower(), condition.count
        named = condition.fieldref or ()
        fields = (named,) if isinstance(named, str) else tuple(named)
        if rule.type.name == "VALUE_PERCENTILE":
            percentile = condition.percentile or 0
    custom = document.content.get("custom")
    return Parsed(
        document=document,
        facts=facts,
        kind=rule.type.name.lower(),
        references=references,
        span_seconds=rule.timespan.seconds,
        group_by=tuple(rule.group_by or ()),
        aliases={
            one.alias: {ref.reference: name for ref, name in one.mapping.items()}
            for one in rule.aliases
        },
        op=op,
        threshold=threshold,
        fields=fields,
        percentile=percentile,
        expression=expression,
        whole_province=isinstance(custom, dict) and custom.get("groups") == "province",
        time=str(custom.get("time", "corrected")) if isinstance(custom, dict) else "corrected",
    )


def _expression(node: Any) -> Any:
    """pySigma's tree as ``Correlation.expression``."""
    if isinstance(node, SigmaRuleReference):
        return ("rule", node.reference)
    if isinstance(node, CorrelationConditionNOT):
        return ("not", _expression(node.args[0]))
    kind = "and" if isinstance(node, CorrelationConditionAND) else "or"
    return (kind, tuple(map(_expression, node.args)))
