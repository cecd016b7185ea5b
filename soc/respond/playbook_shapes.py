"""The shape of a playbook: what a file may say (docs/how-to-add/a-playbook.md).

The fields follow CACAO 2.0 where it has a word for the thing (manual and automatic actions, decisions, sub-playbooks,
loops, ``on_failure``); ``soc.respond.cacao`` gives a playbook as CACAO and takes one.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from soc.model.case import CaseStatus
from soc.model.response import ResponseAction
from soc.respond.playbook_conditions import Condition, Slug, Strict

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Phase = Literal["detect", "preserve", "contain", "analyse", "recover", "trace"]
Kind = Literal["manual", "decision", "action", "wait", "playbook", "loop"]
Action = Literal["decide_serious", "make_report", "send_report", "note", "move", "respond", "undo"]
Who = Literal["it_staff", "analyst", "responder", "manager", "owner"]
MOST_ROUNDS = 20
LONGEST_WAIT = 30 * 24 * 60  # minutes
LONGEST_STEP = 72 * 60
OF_THE_PLATFORM = frozenset({"wait", "playbook", "loop"})  # kinds that no person begins or ends
MAY_BE_AUTO = frozenset({"make_report", "move"})  # the platform may do these without a person
NEEDS_OF_KIND: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"action": ("action",), "playbook": ("playbook",), "loop": ("back_to", "until", "at_most")}
)
NEEDS_OF_ACTION: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "make_report": ("form",),
        "send_report": ("form",),
        "move": ("to",),
        "respond": ("respond",),
        "undo": ("undoes",),
    }
)


class Choice(Strict):
    """One answer of a question."""

    id: Slug
    label: Text
    label_vi: Text


class Input(Strict):
    """What a person must tell to finish a step; ``fact`` also fills that field of the report forms."""

    id: Slug
    label: Text
    label_vi: Text
    kind: Literal["text", "long_text", "number", "choice", "choices", "yes_no", "yes_no_unknown"]
    required: bool = True
    choices: tuple[Choice, ...] = ()
    fact: Slug | None = None

    @model_validator(mode="after")
    def _choices_where_they_belong(self) -> Self:
        if self.kind.startswith("choice") != bool(self.choices):
            raise ValueError("choices belong to the kinds choice and choices, and only to them")
        return self


class Respond(Strict):
    """A response action on machines (docs/response.md), asked of those that the input ``on`` names.

    A parameter is a value, or ``{input: NAME}`` for what a person typed.
    """

    do: ResponseAction
    on: Slug
    parameters: dict[Slug, str | int | list[str] | dict[Literal["input"], Slug]] = Field(
        default_factory=dict
    )
    within_minutes: int = Field(default=24 * 60, ge=5, le=LONGEST_WAIT)


class Answer(Strict):
    """The answer that a decision takes by itself when a condition holds."""

    answer: Slug
    when: Condition


class Step(Strict):
    """One thing to do. ``minutes`` is the usual time, of a wait its length.

    A step that a person began is leased for twice its minutes, at least 30.
    """

    id: Slug
    phase: Phase  # the six activities of NĐ 333/2026 art. 9
    kind: Kind
    title: Text
    title_vi: Text
    text: Text
    text_vi: Text
    who: Who
    minutes: int = Field(ge=1, le=LONGEST_WAIT)
    required: bool = True
    inputs: tuple[Input, ...] = ()
    options: tuple[Choice, ...] = ()  # of a decision
    answers: tuple[Answer, ...] = ()  # of a decision: the first whose condition holds
    action: Action | None = None
    form: Slug | None = None  # of make_report and send_report
    to: CaseStatus | None = None  # of move
    respond: Respond | None = None
    undoes: Slug | None = None  # of undo: the step whose measures it lifts
    auto: bool = False  # an action that the platform does by itself
    approvals: int = Field(default=0, ge=0, le=2)  # of other persons, before the step counts
    playbook: Slug | None = None  # another one, run within the case
    back_to: Slug | None = None  # of a loop: its first step
    until: Condition | None = None
    at_most: int | None = Field(default=None, ge=1, le=MOST_ROUNDS)
    when: Condition | None = None
    after: tuple[Slug, ...] | None = None  # None: after every required step above
    on_failure: Slug | None = None  # the step that is open when this one failed

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.kind == "decision") != (len(self.options) >= 2):
            raise ValueError("a decision has at least two options, and nothing else has any")
        self._fields_of(NEEDS_OF_KIND, self.kind, "kind")
        self._fields_of(NEEDS_OF_ACTION, self.action or "", "action")
        if self.kind != "wait" and self.minutes > LONGEST_STEP:
            raise ValueError(f"minutes: at most {LONGEST_STEP}, but for a wait")
        if self.answers and self.kind != "decision":
            raise ValueError("answers belong to a decision")
        if unknown := {one.answer for one in self.answers} - {one.id for one in self.options}:
            raise ValueError(f"answers: no option {', '.join(sorted(unknown))}")
        if self.auto and self.action not in MAY_BE_AUTO:
            raise ValueError(f"auto is for {' and '.join(sorted(MAY_BE_AUTO))}")
        if self.inputs and (self.auto or self.kind in OF_THE_PLATFORM):
            raise ValueError("a step that the platform does by itself has no inputs")
        if self.approvals and (self.auto or self.kind not in {"manual", "decision", "action"}):
            raise ValueError("approvals belong to steps that a person finishes")
        if self.respond is not None:
            self._check_respond(self.respond)
        return self

    def _fields_of(self, table: Mapping[str, tuple[str, ...]], have: str, word: str) -> None:
        for names in table.values():
            for name in names:
                if (getattr(self, name) is not None) != (name in table.get(have, ())):
                    owners = [one for one, fields in table.items() if name in fields]
                    raise ValueError(
                        f"{name} belongs to the {word} {' and '.join(owners)}, and to it always"
                    )

    def _check_respond(self, respond: Respond) -> None:
        if self.approvals:
            raise ValueError(
                "approvals of a response are asked where responses are (response_two_people)"
            )
        used = {respond.on} | {
            value["input"] for value in respond.parameters.values() if isinstance(value, dict)
        }
        required = {one.id for one in self.inputs if one.required}
        if missing := used - required:
            raise ValueError(f"respond: no required input {', '.join(sorted(missing))}")


class Playbook(Strict):
    """What to do in one situation, step by step."""

    id: Slug
    version: Text
    title: Text
    title_vi: Text
    description: Text
    description_vi: Text
    basis: tuple[Text, ...] = Field(min_length=1)
    steps: tuple[Step, ...] = Field(min_length=1, max_length=200)

    @model_validator(mode="after")
    def _steps_fit_together(self) -> Self:
        position = {step.id: index for index, step in enumerate(self.steps)}
        if len(position) != len(self.steps):
            ids = [step.id for step in self.steps]
            twice = next(one for one in ids if ids.count(one) > 1)
            raise ValueError(f"two steps have the id {twice!r}")
        earlier: dict[str, Step] = {}
        for step in self.steps:
            _check_order(step, earlier)
            _check_conditions(step, earlier)
            _check_handler(step, position, self.steps)
            earlier[step.id] = step
        _check_loops(self.steps, position)
        return self


def _check_order(step: Step, earlier: Mapping[str, Step]) -> None:
    for name in step.after or ():
        if name not in earlier:
            raise ValueError(f"step {step.id!r} is after {name!r}, which is no earlier step")
    if step.undoes is not None:
        undone = earlier.get(step.undoes)
        if undone is None or undone.action != "respond":
            raise ValueError(
                f"step {step.id!r} undoes {step.undoes!r}, which is no earlier respond step"
            )


def _check_conditions(step: Step, earlier: Mapping[str, Step]) -> None:
    wanted: list[tuple[Condition, Mapping[str, Step]]] = []
    wanted += [(step.when, earlier)] if step.when else []
    wanted += [(one.when, earlier) for one in step.answers]
    wanted += [(step.until, earlier)] if step.until else []
    for condition, steps in wanted:
        for leaf in condition.leaves:
            _check_leaf(step, leaf, steps.get(leaf.step or ""))


def _check_leaf(step: Step, leaf: Condition, named: Step | None) -> None:
    if leaf.answer is not None:
        if named is None or leaf.answer not in {option.id for option in named.options}:
            raise ValueError(
                f"step {step.id!r} depends on {leaf.step!r} = {leaf.answer!r}, "
                "which no earlier decision offers"
            )
    elif named is None or leaf.input not in {one.id for one in named.inputs}:
        raise ValueError(
            f"step {step.id!r} depends on the input {leaf.input!r} of {leaf.step!r}, "
            "which no earlier step asks for"
        )


def _check_handler(step: Step, position: Mapping[str, int], steps: tuple[Step, ...]) -> None:
    if step.on_failure is None:
        return
    if position.get(step.on_failure, -1) <= position[step.id]:
        raise ValueError(f"step {step.id!r}: on_failure names {step.on_failure!r}, no later step")
    if len([one for one in steps if one.on_failure == step.on_failure]) > 1:
        raise ValueError(f"two steps have {step.on_failure!r} as on_failure")


def _check_loops(steps: tuple[Step, ...], position: Mapping[str, int]) -> None:
    inside: dict[str, str] = {}
    for step in steps:
        if step.kind != "loop":
            continue
        first = position.get(step.back_to or "", len(steps))
        if first >= position[step.id]:
            raise ValueError(
                f"loop {step.id!r} goes back to {step.back_to!r}, which is no earlier step"
            )
        for one in steps[first : position[step.id]]:
            if one.kind == "loop" or one.id in inside:
                raise ValueError(f"loop {step.id!r} has step {one.id!r} of another loop inside")
            inside[one.id] = step.id


def plain_of(playbook: Playbook) -> dict[str, Any]:
    """As plain JSON values: what a run keeps."""
    return playbook.model_dump(mode="json")
