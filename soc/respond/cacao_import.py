"""CACAO 2.0 JSON as a playbook: our own without loss, another tool's as work for people.

Nothing of a foreign playbook is ever run: a command that is not manual (bash, http-api, openc2-http, ...) becomes a
manual step with the command quoted, for a person to read. Words stand in both languages as they came.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from soc.errors import PlaybookError
from soc.respond.cacao_words import EXTENSION, MINUTE, PHASE_OF_ACTIVITY, SPEC_VERSION
from soc.respond.playbook_shapes import LONGEST_STEP, LONGEST_WAIT, MOST_ROUNDS, Playbook

MOST_BYTES = 4 * 1024 * 1024
MOST_STEPS = 200
GROUPS = frozenset({"it_staff", "analyst", "responder", "manager", "owner"})


def from_cacao(content: bytes) -> Playbook:
    """Read one playbook.

    Raises:
        PlaybookError: what cannot be taken, with the step or field.
    """
    if len(content) > MOST_BYTES:
        raise PlaybookError(
            f"the file has {len(content)} bytes; a playbook has at most {MOST_BYTES}"
        )
    try:
        whole = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise PlaybookError(f"this is no JSON: {error}") from error
    if not isinstance(whole, dict) or whole.get("type") != "playbook":
        raise PlaybookError("this is no CACAO playbook: type is not 'playbook'")
    if whole.get("spec_version") != SPEC_VERSION:
        raise PlaybookError(
            f"spec_version is {whole.get('spec_version')!r}; {SPEC_VERSION} is read"
        )
    workflow = _object(whole, "workflow")
    try:
        own = _object(whole, "playbook_extensions", {}).get(EXTENSION)
        plain = _own(whole, workflow, own) if own is not None else _Foreign(whole, workflow).plain()
        return Playbook.model_validate(plain)
    except RecursionError as error:
        raise PlaybookError("workflow: its branches are nested too deep") from error
    except ValidationError as error:
        found = "; ".join(
            f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()[:20]
        )
        raise PlaybookError(f"the playbook cannot be used: {found}") from error


def _own(whole: Mapping[str, Any], workflow: Mapping[str, Any], own: Any) -> dict[str, Any]:
    """What this platform gave; names and descriptions as they are now, wherever they were edited."""
    if not isinstance(own, dict) or not all(
        isinstance(one, str) for one in _list(own.get("steps"))
    ):
        raise PlaybookError("playbook_extensions: the platform's own part is damaged")
    order = _list(own.get("steps"))
    ours = {
        name
        for name, step in workflow.items()
        if isinstance(step, dict) and EXTENSION in _dict(step.get("step_extensions"))
    }
    if missing := [name for name in order if name not in ours]:
        raise PlaybookError(f"workflow: steps are missing or damaged: {', '.join(missing[:5])}")
    added = [
        name
        for name, step in workflow.items()
        if name not in order
        and isinstance(step, dict)
        and str(step.get("type")) in {"action", "playbook-action", "parallel", "while-condition"}
    ]
    if added:
        raise PlaybookError(
            f"workflow: steps were added elsewhere ({', '.join(added[:5])}); take playbook_extensions "
            "away to import the whole as another tool's playbook"
        )
    steps = []
    for name in order:
        step = workflow[name]
        words = {"title": step.get("name"), "text": step.get("description")}
        steps.append({**_object(step["step_extensions"], EXTENSION), **words})
    head = {"title": whole.get("name"), "description": whole.get("description")}
    return {**own, **head, "steps": steps}


class _Foreign:
    """Another tool's workflow, walked from its start."""

    def __init__(self, whole: Mapping[str, Any], workflow: Mapping[str, Any]) -> None:
        self.whole, self.workflow = whole, workflow
        self.steps: list[dict[str, Any]] = []
        self.seen: set[str] = set()
        self.names: set[str] = set()

    def plain(self) -> dict[str, Any]:
        title = str(self.whole.get("name") or "").strip()
        if not title:
            raise PlaybookError("name: a playbook needs a name")
        self._walk(_name(self.whole.get("workflow_start")), None, None, None)
        description = str(self.whole.get("description") or title)
        references = [
            str(one.get("name"))
            for one in _list(self.whole.get("external_references"))
            if isinstance(one, dict) and one.get("name")
        ]
        return {
            "id": _slug(title, set()),
            "version": str(self.whole.get("modified") or "1"),
            "title": title,
            "title_vi": title,
            "description": description,
            "description_vi": description,
            "basis": references or [f"CACAO 2.0, {self.whole.get('id')}"],
            "steps": self.steps,
        }

    def _walk(
        self,
        name: str | None,
        when: Mapping[str, Any] | None,
        after: list[str] | None,
        until: str | None,
    ) -> str | None:
        """Take a chain of steps up to its end or to ``until``; the id of the last one made."""
        last: str | None = None
        while name and name != until:
            step = self.workflow.get(name)
            if not isinstance(step, dict):
                raise PlaybookError(f"workflow: step {name} is named and not there")
            if name in self.seen:
                raise PlaybookError(
                    f"workflow: step {name} is reached twice; a branch must end by itself"
                )
            self.seen.add(name)
            if len(self.seen) > 4 * MOST_STEPS or len(self.steps) > MOST_STEPS:
                raise PlaybookError(f"workflow: more than {MOST_STEPS} steps")
            kind = step.get("type")
            if kind == "end":
                return last
            follows = _follows(step)
            if kind != "start":
                before = [last] if last and after is not None else after
                last = self._take(str(kind), name, step, when, before) or last
            name = follows
        return last

    def _take(
        self,
        kind: str,
        name: str,
        step: Mapping[str, Any],
        when: Mapping[str, Any] | None,
        after: list[str] | None,
    ) -> str | None:
        if kind in {"action", "playbook-action"}:
            return self._manual(name, step, when, after)
        if kind == "if-condition":
            branches = {"yes": _name(step.get("on_true")), "no": _name(step.get("on_false"))}
            return self._branch(step, str(step.get("condition")), branches, when, after)
        if kind == "switch-condition":
            cases = _object(step, "cases")
            branches = {_slug(str(key), set()): _name(target) for key, target in cases.items()}
            branches.setdefault("none_of_them", None)
            return self._branch(step, str(step.get("switch")), branches, when, after)
        if kind == "while-condition":
            return self._while(step, when, after)
        if kind == "parallel":
            return self._parallel(step, when, after)
        raise PlaybookError(f"workflow: step {name} has the type {kind!r}, which CACAO 2.0 has not")

    def _manual(
        self,
        name: str,
        step: Mapping[str, Any],
        when: Mapping[str, Any] | None,
        after: list[str] | None,
    ) -> str:
        text = str(step.get("description") or "").strip()
        commands = [one for one in _list(step.get("commands")) if isinstance(one, dict)]
        said = [_command(one) for one in commands]
        if step.get("type") == "playbook-action":
            said = [f"Run the playbook {step.get('playbook_id')}."]
        whole = "\n\n".join(part for part in (text, *said) if part) or str(step.get("name") or name)
        activity = next((one.get("playbook_activity") for one in commands), None)
        timeout = step.get("timeout")
        minutes = timeout // MINUTE if isinstance(timeout, int) else 30
        made = self._add(
            str(step.get("name") or name),
            whole,
            when,
            after,
            kind="manual",
            phase=PHASE_OF_ACTIVITY.get(str(activity), "contain"),
            who=self._who(step.get("agent")),
            minutes=min(max(minutes, 1), LONGEST_STEP),
        )
        if isinstance(delay := step.get("delay"), int) and delay >= MINUTE:
            wait = self._add(
                f"Wait before: {step.get('name') or name}", whole, when, after, kind="wait",
                minutes=min(delay // MINUTE, LONGEST_WAIT),
            )  # fmt: skip
            self.steps[-2:] = [self.steps[-1], self.steps[-2]]
            if after is not None:
                self.steps[-1]["after"] = [wait]
        if (handler := _name(step.get("on_failure"))) and handler not in self.seen:
            ours = next(one for one in self.steps if one["id"] == made)
            before = len(self.steps)
            follows = _follows(step)
            self._walk(handler, None, None, follows)
            if len(self.steps) > before:
                ours["on_failure"] = self.steps[before]["id"]
                for other in self.steps[before + 1 :]:
                    other["after"] = [self.steps[before]["id"]]
        return made

    def _branch(
        self,
        step: Mapping[str, Any],
        question: str,
        branches: Mapping[str, str | None],
        when: Mapping[str, Any] | None,
        after: list[str] | None,
    ) -> str:
        options = [{"id": key, "label": key, "label_vi": key} for key in branches]
        title = str(step.get("name") or question)
        text = f"{step.get('description') or ''}\n\n{question}".strip()
        made = self._add(title, text, when, after, kind="decision", options=options, minutes=10)
        follows = _follows(step)
        for answer, target in branches.items():
            if target and target != follows:
                self._walk(target, {"step": made, "answer": answer}, None, follows)
        return made

    def _while(
        self, step: Mapping[str, Any], when: Mapping[str, Any] | None, after: list[str] | None
    ) -> str:
        """Ask first whether it holds; while it does the body is done and the question asked again."""
        question = str(step.get("condition"))
        title = str(step.get("name") or question)
        options = [
            {"id": "yes", "label": "Yes", "label_vi": "Có"},
            {"id": "no", "label": "No", "label_vi": "Không"},
        ]
        asked = self._add(
            title, question, when, after, kind="decision", options=options, minutes=10
        )
        follows = _follows(step)
        self._walk(_name(step.get("on_true")), {"step": asked, "answer": "yes"}, None, follows)
        return self._add(
            f"Again: {title}", question, when, None, kind="loop", minutes=10,
            back_to=asked, until={"step": asked, "answer": "no"}, at_most=MOST_ROUNDS,
        )  # fmt: skip

    def _parallel(
        self, step: Mapping[str, Any], when: Mapping[str, Any] | None, after: list[str] | None
    ) -> str | None:
        before = after if after is not None else [one["id"] for one in self.steps]
        last = None
        for target in map(_name, _list(step.get("next_steps"))):
            last = self._walk(target, when, list(before), _follows(step)) or last
        return last

    def _add(
        self,
        title: str,
        text: str,
        when: Mapping[str, Any] | None,
        after: list[str] | None,
        **more: Any,
    ) -> str:
        name = _slug(title, self.names)
        made = {
            "id": name, "title": title, "title_vi": title, "text": text, "text_vi": text,
            "phase": "contain", "who": "responder", "when": when, "after": after,
        } | more  # fmt: skip
        self.steps.append(made)
        return name

    def _who(self, agent: Any) -> str:
        found = _object(self.whole, "agent_definitions", {}).get(str(agent))
        name = found.get("name") if isinstance(found, dict) else None
        return str(name) if name in GROUPS else "responder"


def _command(command: Mapping[str, Any]) -> str:
    kind = str(command.get("type"))
    text = command.get("command") or ""
    if not text and command.get("command_b64"):
        try:
            text = base64.b64decode(str(command["command_b64"]), validate=True).decode("utf-8")
        except (binascii.Error, UnicodeDecodeError) as error:
            raise PlaybookError(
                f"command_b64 of a {kind} command cannot be read: {error}"
            ) from error
    return str(text) if kind == "manual" else f"[{kind}] {text}"


def _follows(step: Mapping[str, Any]) -> str | None:
    return _name(step.get("on_completion")) or _name(step.get("on_success"))


def _name(value: Any) -> str | None:
    """The id of a step; what is none is no way to go on, and is told as a step that is not there."""
    return None if value is None else str(value)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _object(parent: Mapping[str, Any], name: str, default: Any = None) -> Mapping[str, Any]:
    found = parent.get(name, default)
    if not isinstance(found, dict):
        raise PlaybookError(f"{name}: an object is wanted")
    return found


def _slug(title: str, taken: set[str]) -> str:
    """An id of a title, unlike those taken."""
    plain = re.sub(r"[^a-z0-9]+", "_", title.lower()).strip("_")[:50]
    base = plain if re.match(r"[a-z][a-z0-9_]", plain) else f"step_{plain}".rstrip("_")
    name, count = base, 2
    while name in taken:
        name, count = f"{base}_{count}", count + 1
    taken.add(name)
    return name
