"""Random correlations and the entries that they are about: few values and times, so that windows are full."""

from __future__ import annotations

import random

from soc.detect.correlation.rule import Correlation
from soc.detect.correlation.windows import Entry

SPAN = 10
KINDS = (
    *("event_count", "value_count", "temporal", "temporal_ordered", "temporal_expression"),
    *("value_sum", "value_avg", "value_percentile", "value_median"),
)
OPS = ("gte", "gte", "gt", "lt", "lte", "eq", "neq")
EXPRESSIONS = (
    ("and", (("rule", "a"), ("or", (("rule", "b"), ("rule", "c"))))),
    ("and", (("rule", "a"), ("not", ("rule", "b")))),
    ("or", (("and", (("rule", "a"), ("rule", "b"))), ("rule", "c"))),
)
VALUES = (0, 1, 2, 3, -2, 2.5, "1", "x", None, "NaN")


def correlation(chance: random.Random, kind: str | None = None) -> Correlation:
    """One of any kind over the rules a, b and c."""
    kind = kind or chance.choice(KINDS)
    expression = chance.choice(EXPRESSIONS) if kind == "temporal_expression" else None
    rules = tuple(chance.sample("abc", chance.randint(1, 3)))
    if kind == "temporal_ordered" and chance.random() < 0.3:
        rules = (*rules, rules[0])
    return Correlation(
        id="up",
        kind="temporal" if expression else kind,
        rules=("a", "b", "c") if expression else rules,
        span_us=SPAN,
        group_by=("user.name",),
        op="gte" if expression else chance.choice(OPS),
        threshold=chance.randint(1, 4),
        fields=("v",) if kind.startswith("value") else (),
        percentile=50 if kind == "value_median" else chance.choice((1, 25, 50, 90, 100)),
        expression=expression,
    )


def entries(chance: random.Random, rule: Correlation, count: int, reach: int = 60) -> list[Entry]:
    """Matches of the rule's rules, several at one time."""
    numbers = rule.kind not in ("value_count",)
    return [
        Entry(
            at=chance.randrange(reach),
            key=f"{number:04}",
            rule=chance.choice(rule.rules),
            value=chance.choice(VALUES) if numbers else str(chance.randrange(4)),
        )
        for number in range(count)
    ]
