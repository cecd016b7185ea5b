"""Playbooks as files: one .yml is one situation (docs/how-to-add/a-playbook.md has the format).

The fields follow CACAO 2.0 where it has a word for the thing (steps, manual and automatic actions, conditions); the
file is written for people who read YAML, Vietnamese first. A file that cannot be used is refused with its place; the
others still load.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from soc.errors import PlaybookError
from soc.model.case import CaseStatus
from soc.normalise.yaml_text import refuse_deep

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{1,60}$")]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Phase = Literal["detect", "preserve", "contain", "analyse", "recover", "trace"]
Action = Literal["decide_serious", "make_report", "send_report", "note", "move"]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


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


class Condition(Strict):
    """The step is done only if that decision was answered so; else it is skipped by itself."""

    step: Slug
    answer: Slug


class Step(Strict):
    """One thing to do. ``minutes`` is the usual time; a step begun is leased for twice that, at least 30."""

    id: Slug
    phase: Phase  # the six activities of NĐ 333/2026 art. 9
    kind: Literal["manual", "decision", "action"]
    title: Text
    title_vi: Text
    text: Text
    text_vi: Text
    who: Literal["it_staff", "analyst", "responder", "manager", "owner"]
    minutes: int = Field(ge=1, le=72 * 60)
    required: bool = True
    inputs: tuple[Input, ...] = ()
    options: tuple[Choice, ...] = ()  # of a decision
    action: Action | None = None
    form: Slug | None = None  # of make_report and send_report
    to: CaseStatus | None = None  # of move
    when: Condition | None = None
    after: tuple[Slug, ...] | None = None  # None: after every required step above

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.kind == "decision") != (len(self.options) >= 2):
            raise ValueError("a decision has at least two options, and nothing else has any")
        if (self.kind == "action") != (self.action is not None):
            raise ValueError("kind action names its action, and nothing else does")
        if (self.action in {"make_report", "send_report"}) != (self.form is not None):
            raise ValueError("make_report and send_report name their form, and nothing else does")
        if (self.action == "move") != (self.to is not None):
            raise ValueError("move names the state it goes to, and nothing else does")
        return self


class Playbook(Strict):
    """What to do in one situation, step by step."""

    id: Slug
    version: Text
    title: Text
    title_vi: Text
    description: Text
    description_vi: Text
    basis: tuple[Text, ...] = Field(min_length=1)
    steps: tuple[Step, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _steps_know_only_earlier_steps(self) -> Self:
        seen: dict[str, Step] = {}
        for step in self.steps:
            _check_references(step, seen)
            seen[step.id] = step
        return self


def _check_references(step: Step, earlier: Mapping[str, Step]) -> None:
    if step.id in earlier:
        raise ValueError(f"two steps have the id {step.id!r}")
    for name in step.after or ():
        if name not in earlier:
            raise ValueError(f"step {step.id!r} is after {name!r}, which is no earlier step")
    if step.when is not None:
        decision = earlier.get(step.when.step)
        answers = {option.id for option in decision.options} if decision else set()
        if step.when.answer not in answers:
            raise ValueError(
                f"step {step.id!r} depends on {step.when.step!r} = {step.when.answer!r}, "
                "which no earlier decision offers"
            )


def load_playbook(path: Path) -> Playbook:
    """Read one file.

    Raises:
        PlaybookError: ``file:line: what is wrong``, one line for each mistake.
    """
    try:
        text = path.read_text("utf-8")
        refuse_deep(text)
        loader = yaml.CSafeLoader(text)
        try:
            node = loader.get_single_node()
            content = None if node is None else loader.construct_document(node)
        finally:
            loader.dispose()
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise PlaybookError(f"{path}{_place(error)}: {_problem(error)}") from error
    try:
        return Playbook.model_validate(content)
    except ValidationError as error:
        mistakes = [
            f"{path}:{_line(node, mistake['loc'])}: {_where(mistake['loc'])}{mistake['msg']}"
            for mistake in error.errors()
        ]
        raise PlaybookError("\n".join(mistakes)) from error


def load_playbooks(folder: Path) -> tuple[dict[str, Playbook], list[PlaybookError]]:
    """Every ``*.yml`` of a folder by id, and what could not be used."""
    playbooks: dict[str, Playbook] = {}
    refused: list[PlaybookError] = []
    for path in sorted(folder.glob("*.yml")):
        try:
            playbook = load_playbook(path)
            if playbook.id in playbooks:
                raise PlaybookError(f"{path}:1: another file has the id {playbook.id!r}")
            playbooks[playbook.id] = playbook
        except PlaybookError as error:
            refused.append(error)
    return playbooks, refused


def plain(playbooks: Mapping[str, Playbook]) -> dict[str, dict[str, Any]]:
    """As plain JSON values, which is what CaseDesk takes and a run keeps."""
    return {key: playbook.model_dump(mode="json") for key, playbook in playbooks.items()}


def digest(playbook: Mapping[str, Any]) -> str:
    """SHA-256 of a plain playbook; a run names the version it began with."""
    canonical = json.dumps(playbook, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _place(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    return f":{mark.line + 1}:{mark.column + 1}" if mark else ""


def _problem(error: Exception) -> str:
    return str(getattr(error, "problem", None) or error)


def _where(place: Sequence[int | str]) -> str:
    return "".join(f"{part}: " for part in [".".join(str(part) for part in place)] if part)


def _line(node: Any, place: Sequence[int | str]) -> int:
    """The line of the node at ``place``, or of the deepest one that exists."""
    for part in place:
        inner = _inner(node, part)
        if inner is None:
            break
        node = inner
    return 1 if node is None else int(node.start_mark.line) + 1


def _inner(node: Any, part: int | str) -> Any:
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part]
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == part:
                return value
    return None
