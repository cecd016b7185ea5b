"""Conditions of playbooks: data and not a language, so that a file can ask for an answer and run nothing.

A condition is known, or not yet: it stays open while a step that it names has not ended.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{1,60}$")]
MOST_PARTS = 20
Results = Mapping[str, Mapping[str, Any] | None]
"""What each ended step left behind, by step id; None for one that was skipped or failed."""


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Condition(Strict):
    """One test: an answer of a decision, a value that a person gave, or a group of such conditions."""

    step: Slug | None = None
    answer: Slug | None = None  # of that decision
    input: Slug | None = None  # of that step
    is_: str | bool | int | float | None = Field(default=None, alias="is")
    more_than: float | None = None
    all: tuple[Condition, ...] = ()
    any: tuple[Condition, ...] = ()
    none: tuple[Condition, ...] = ()

    @model_validator(mode="after")
    def _one_test(self) -> Self:
        groups = [name for name in ("all", "any", "none") if getattr(self, name)]
        if len(groups) + (self.step is not None) != 1:
            raise ValueError("a condition names a step, or has one of all, any, none")
        if groups:
            if self.tests:
                raise ValueError("a group of conditions has no test of its own")
            if len(getattr(self, groups[0])) > MOST_PARTS:
                raise ValueError(f"a group has at most {MOST_PARTS} conditions")
        elif self.tests not in ({"answer"}, {"input", "is_"}, {"input", "more_than"}):
            raise ValueError("a condition has answer, or input with is or more_than")
        return self

    @property
    def tests(self) -> set[str]:
        names = ("answer", "input", "is_", "more_than")
        return {name for name in names if getattr(self, name) is not None}

    @property
    def leaves(self) -> tuple[Condition, ...]:
        parts = (*self.all, *self.any, *self.none)
        return tuple(leaf for part in parts for leaf in part.leaves) if parts else (self,)


def steps_named(condition: Mapping[str, Any] | None) -> tuple[str, ...]:
    """The steps that a plain condition waits for."""
    if not condition:
        return ()
    parts = _parts(condition)
    own = (condition["step"],) if condition.get("step") else ()
    return tuple(dict.fromkeys((*own, *(name for one in parts for name in steps_named(one)))))


def holds(condition: Mapping[str, Any], results: Results) -> bool | None:
    """Whether a plain condition holds; None while it is not known.

    >>> holds({"step": "is_it", "answer": "yes"}, {"is_it": {"answer": "no"}})
    False
    >>> holds({"step": "is_it", "answer": "yes"}, {}) is None
    True
    """
    if condition.get("all"):
        return _every([holds(one, results) for one in condition["all"]])
    if condition.get("any"):
        return _some([holds(one, results) for one in condition["any"]])
    if condition.get("none"):
        found = _some([holds(one, results) for one in condition["none"]])
        return None if found is None else not found
    if condition["step"] not in results:
        return None
    result = results[condition["step"]]
    return False if result is None else _test(condition, result)


def _test(condition: Mapping[str, Any], result: Mapping[str, Any]) -> bool:
    if condition.get("answer") is not None:
        return bool(result.get("answer") == condition["answer"])
    value = result.get(condition["input"])
    if condition.get("more_than") is not None:
        return _is_number(value) and value > condition["more_than"]
    wanted = condition["is_"] if "is_" in condition else condition["is"]
    if isinstance(value, list):
        return wanted in value
    if isinstance(value, bool) or isinstance(wanted, bool):
        return value is wanted
    return bool(value == wanted)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _every(values: list[bool | None]) -> bool | None:
    if False in values:
        return False
    return None if None in values else True


def _some(values: list[bool | None]) -> bool | None:
    if True in values:
        return True
    return None if None in values else False


def _parts(condition: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    return tuple(one for group in ("all", "any", "none") for one in condition.get(group) or ())
