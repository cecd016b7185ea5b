"""A playbook as CACAO 2.0 JSON: other tools read and draw it, and ours takes it back without loss.

Steps become manual actions of the group that does them, in an order that keeps every ``after``; a condition becomes an
if-condition around its steps, a loop a while-condition, a sub-playbook a playbook-action. What CACAO has no word for
(Vietnamese texts, inputs, forms, approvals) stands in an extension beside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from soc.respond.cacao_words import (
    ACTIVITY_OF_ACTION,
    ACTIVITY_OF_PHASE,
    EXTENSION,
    EXTENSION_AUTHOR,
    MINUTE,
    SPEC_VERSION,
    identifier,
    variable_of,
)
from soc.respond.playbook_conditions import Condition
from soc.respond.playbook_shapes import Playbook, Step

VARIABLE_TYPES: Mapping[str, str] = {"number": "float", "yes_no": "bool"}
STEP_TYPES: Mapping[str, str] = {"playbook": "playbook-action", "loop": "while-condition"}


def playbook_identifier(playbook_id: str) -> str:
    return identifier("playbook", playbook_id)


def to_cacao(playbook: Playbook, *, at: datetime) -> dict[str, Any]:
    """The playbook as plain JSON values.

    Args:
        at: ``created`` and ``modified``, for a file has no time of its own.
    """
    writer = _Writer(playbook)
    workflow = writer.workflow()
    moment = at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    kinds = {step["type"] for step in workflow.values()}
    made: dict[str, Any] = {
        "type": "playbook",
        "spec_version": SPEC_VERSION,
        "id": playbook_identifier(playbook.id),
        "name": playbook.title,
        "description": playbook.description,
        "playbook_types": ["notification", "detection", "investigation", "mitigation"],
        "playbook_activities": writer.activities(),
        "playbook_processing_summary": {
            "manual_playbook": True,
            "external_playbooks": "playbook-action" in kinds,
            "if_logic": "if-condition" in kinds,
            "while_logic": "while-condition" in kinds,
            "extensions": True,
        },
        "created_by": EXTENSION_AUTHOR,
        "created": moment,
        "modified": moment,
        "labels": [playbook.id],
        "external_references": [{"name": one} for one in playbook.basis],
        "workflow_start": writer.start,
        "workflow": workflow,
        "playbook_extensions": {
            EXTENSION: playbook.model_dump(
                mode="json", by_alias=True, exclude={"steps", "title", "description"}
            )
            | {"steps": [writer.ids[step.id] for step in playbook.steps]}
        },
        "agent_definitions": writer.agents(),
        "extension_definitions": {
            EXTENSION: {
                "type": "extension-definition",
                "name": "SOC playbook",
                "description": "What a playbook of this platform says beyond CACAO 2.0.",
                "created_by": EXTENSION_AUTHOR,
                "schema": "The fields of a playbook file and of its steps.",
                "version": "1.0.0",
            }
        },
    }
    if variables := writer.variables():
        made["playbook_variables"] = variables
    return made


class _Writer:
    def __init__(self, playbook: Playbook) -> None:
        self.playbook = playbook
        self.start = identifier("start", playbook.id)
        self.ids = {
            step.id: identifier(STEP_TYPES.get(step.kind, "action"), playbook.id, step.id)
            for step in playbook.steps
        }
        self.handlers = {step.on_failure for step in playbook.steps if step.on_failure}
        self.steps: dict[str, dict[str, Any]] = {}

    def workflow(self) -> dict[str, dict[str, Any]]:
        """Every step by its id; each branch has an end of its own (section 4)."""
        first = self._chain(self.playbook.steps, "main", frozenset())
        self.steps[self.start] = {"type": "start", "on_completion": first}
        return self.steps

    def _chain(self, steps: Sequence[Step], branch: str, known: frozenset[Condition]) -> str:
        """Steps one after the other, from the last to the first; the id of the first.

        ``known`` are the conditions that hold in this branch.
        """
        following = identifier("end", self.playbook.id, branch)
        self.steps[following] = {"type": "end"}
        inside = {one.id: loop for loop in steps if loop.kind == "loop" for one in self._body(loop)}
        left = [step for step in steps if step.id not in self.handlers]
        while left:
            last = left[-1]
            if last.kind == "loop":
                body = [step for step in left if inside.get(step.id) is last]
                del left[len(left) - 1 - len(body) :]
                following = self._loop(last, body, known, following)
            elif last.when is not None and last.when not in known:
                together = [last]
                while len(left) > len(together) and _goes_with(left[-len(together) - 1], last):
                    together.insert(0, left[-len(together) - 1])
                del left[-len(together) :]
                following = self._if(together, last.when, known, following)
            else:
                left.pop()
                following = self._step(last, following)
        return following

    def _body(self, loop: Step) -> Sequence[Step]:
        ids = [step.id for step in self.playbook.steps]
        return self.playbook.steps[ids.index(loop.back_to or "") : ids.index(loop.id)]

    def _if(
        self, steps: Sequence[Step], when: Condition, known: frozenset[Condition], following: str
    ) -> str:
        first = self._chain(steps, f"if {steps[0].id}", known | {when})
        return self._only_if(steps[0], when, first, following)

    def _only_if(self, step: Step, when: Condition, first: str, following: str) -> str:
        name = identifier("if-condition", self.playbook.id, step.id)
        self.steps[name] = {
            "type": "if-condition",
            "condition": pattern_of(when),
            "on_true": first,
            "on_completion": following,
        }
        return name

    def _loop(
        self, loop: Step, body: Sequence[Step], known: frozenset[Condition], following: str
    ) -> str:
        """A loop with a condition of its own stands with its steps in a branch."""
        if loop.when is None or loop.when in known:
            return self._while(loop, body, known, following)
        end = identifier("end", self.playbook.id, f"if {loop.id}")
        self.steps[end] = {"type": "end"}
        first = self._while(loop, body, known | {loop.when}, end)
        return self._only_if(loop, loop.when, first, following)

    def _while(
        self, loop: Step, body: Sequence[Step], known: frozenset[Condition], following: str
    ) -> str:
        name = self.ids[loop.id]
        first = self._chain(body, f"while {loop.id}", known)
        until = pattern_of(loop.until) if loop.until else "true"
        self.steps[name] = {
            **self._words(loop),
            "type": "while-condition",
            "condition": f"NOT ({until})",
            "on_true": first,
            "on_completion": following,
        }
        return name

    def _step(self, step: Step, following: str) -> str:
        name = self.ids[step.id]
        made = self._words(step)
        if step.kind == "playbook":
            made |= {
                "type": "playbook-action",
                "playbook_id": playbook_identifier(step.playbook or ""),
            }
        else:
            made |= self._action(step)
        if step.on_failure:
            handler = next(one for one in self.playbook.steps if one.id == step.on_failure)
            made |= {"on_success": following, "on_failure": self._step(handler, following)}
        else:
            made["on_completion"] = following
        self.steps[name] = made
        return name

    def _words(self, step: Step) -> dict[str, Any]:
        own = step.model_dump(
            mode="json", by_alias=True, exclude={"title", "text"}, exclude_defaults=True
        )
        return {
            "name": step.title,
            "description": step.text,
            "step_extensions": {EXTENSION: own},
        }

    def _action(self, step: Step) -> dict[str, Any]:
        command = {
            "type": "manual",
            "command": step.text,
            "playbook_activity": _activity(step),
        }
        made: dict[str, Any] = {
            "type": "action",
            "commands": [command],
            "agent": identifier("group", step.who),
        }
        if step.kind == "wait":
            made["delay"] = step.minutes * MINUTE
        if step.respond is not None:
            made["timeout"] = step.respond.within_minutes * MINUTE
        if left := list(_variables(step)):
            made["out_args"] = left
        return made

    def activities(self) -> list[str]:
        return sorted({_activity(step) for step in self.playbook.steps})

    def agents(self) -> dict[str, dict[str, str]]:
        groups = sorted({step.who for step in self.playbook.steps})
        return {identifier("group", who): {"type": "group", "name": who} for who in groups}

    def variables(self) -> dict[str, dict[str, str]]:
        return {
            name: said for step in self.playbook.steps for name, said in _variables(step).items()
        }


def pattern_of(condition: Condition) -> str:
    """A condition in the words of section 4.8: comparisons of variables, joined by AND, OR and NOT."""
    for group, word in ((condition.all, " AND "), (condition.any, " OR ")):
        if group:
            return "(" + word.join(pattern_of(one) for one in group) + ")"
    if condition.none:
        return "NOT (" + " OR ".join(pattern_of(one) for one in condition.none) + ")"
    step = condition.step or ""
    if condition.answer is not None:
        return f"{variable_of(step)}:value = '{condition.answer}'"
    name = f"{variable_of(step, condition.input or '')}:value"
    if condition.more_than is not None:
        return f"{name} > {condition.more_than:g}"
    if isinstance(condition.is_, bool):
        return f"{name} = {str(condition.is_).lower()}"
    quoted = str(condition.is_).replace("\\", "\\\\").replace("'", "\\'")
    return f"{name} = '{quoted}'" if isinstance(condition.is_, str) else f"{name} = {condition.is_}"


def _goes_with(step: Step, last: Step) -> bool:
    """Whether a step stands in the same branch as the one after it; a loop has a branch of its own."""
    return step.when == last.when and step.kind != "loop"


def _activity(step: Step) -> str:
    return ACTIVITY_OF_ACTION.get(step.action or "", ACTIVITY_OF_PHASE[step.phase])


def _variables(step: Step) -> dict[str, dict[str, str]]:
    """What a step leaves behind, by variable."""
    made = {
        variable_of(step.id, one.id): {
            "type": VARIABLE_TYPES.get(one.kind, "string"),
            "description": one.label,
        }
        for one in step.inputs
    }
    if step.kind == "decision":
        answers = ", ".join(option.id for option in step.options)
        made[variable_of(step.id)] = {
            "type": "string",
            "description": f"{step.title} ({answers})",
        }
    return made
