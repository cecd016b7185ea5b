"""The rules of a playbook run, over plain values: what may begin, what a result must hold, when all is done.

A run keeps the playbook as it was when the run began, so a changed file never changes a run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from soc.errors import Conflict, PlaybookError
from soc.model.case import StepState
from soc.records.cases import PlaybookStepRow
from soc.respond.playbook_conditions import holds, steps_named
from soc.respond.playbook_shapes import OF_THE_PLATFORM

ENDED = frozenset({StepState.DONE, StepState.SKIPPED})
SHORTEST_LEASE = timedelta(minutes=30)
YES_NO: Mapping[Any, bool] = {"yes": True, "no": False, "true": True, "false": False}
PlainStep = Mapping[str, Any]


def _asked(
    name: str, label: str, label_vi: str, kind: str, choices: Sequence[Mapping[str, Any]] = ()
) -> Mapping[str, Any]:
    return {
        "id": name,
        "label": label,
        "label_vi": label_vi,
        "kind": kind,
        "required": True,
        "choices": choices,
        "fact": None,
    }


QUESTIONS = (  # NĐ 331/2026 art. 31.2.d; "unknown" is an answer, and the stricter clock runs
    _asked("serious", "Serious incident?", "Sự cố có nghiêm trọng không?", "yes_no_unknown"),
    _asked(
        "national_security",
        "Signs of harm to national security or public order?",
        "Có dấu hiệu ảnh hưởng an ninh quốc gia, trật tự, an toàn xã hội không?",
        "yes_no_unknown",
    ),
    _asked(
        "serious_disruption",
        "Is the system seriously disrupted?",
        "Hệ thống có gián đoạn nghiêm trọng không?",
        "yes_no_unknown",
    ),
    _asked("reason", "Reason", "Lý do", "text"),
)


def step_of(playbook: Mapping[str, Any], step_id: str) -> PlainStep:
    for step in playbook["steps"]:
        if step["id"] == step_id:
            found: PlainStep = step
            return found
    raise PlaybookError(f"the playbook {playbook['id']} has no step {step_id!r}")


def lease(step: PlainStep) -> timedelta:
    """How long a begun step is held; then it returns to waiting."""
    return max(SHORTEST_LEASE, 2 * timedelta(minutes=step["minutes"]))


def waits_for(playbook: Mapping[str, Any], step_id: str) -> tuple[str, ...]:
    """The steps that must be over before this one may begin, by id."""
    step = step_of(playbook, step_id)
    handled = handled_by(playbook, step_id)
    if step["after"] is None and handled is not None:
        wanted = list(waits_for(playbook, handled["id"]))
    elif step["after"] is None:
        ids = [other["id"] for other in playbook["steps"]]
        earlier = playbook["steps"][: ids.index(step_id)]
        wanted = [other["id"] for other in earlier if other["required"]]
    else:
        wanted = list(step["after"])
    conditions = [
        step["when"],
        step.get("until"),
        *(one["when"] for one in step.get("answers", ())),
    ]
    for condition in conditions:
        wanted += steps_named(condition)
    if step.get("undoes"):
        wanted.append(step["undoes"])
    return tuple(name for name in dict.fromkeys(wanted) if handled is None or name != handled["id"])


def handled_by(playbook: Mapping[str, Any], step_id: str) -> PlainStep | None:
    """The step whose failure this one is for."""
    for other in playbook["steps"]:
        if other.get("on_failure") == step_id:
            found: PlainStep = other
            return found
    return None


def is_over(playbook: Mapping[str, Any], step_id: str, states: Mapping[str, str]) -> bool:
    """Whether others need not wait for it: ended, or failed and what was for that has ended."""
    if states[step_id] in ENDED:
        return True
    handler = step_of(playbook, step_id).get("on_failure")
    return handler is not None and states[step_id] == "failed" and states[handler] in ENDED


def in_the_way(
    playbook: Mapping[str, Any], step_id: str, states: Mapping[str, str]
) -> tuple[str, ...]:
    """What a step still waits for, by id; of a step for a failure the one that has not failed."""
    wanted = [name for name in waits_for(playbook, step_id) if not is_over(playbook, name, states)]
    handled = handled_by(playbook, step_id)
    if handled is not None and states[handled["id"]] != StepState.FAILED:
        wanted.append(handled["id"])
    return tuple(wanted)


def depending_on(playbook: Mapping[str, Any], step_id: str) -> tuple[str, ...]:
    """The step and all that come after it because of it, in order."""
    found = [step_id]
    for step in playbook["steps"]:
        name = step["id"]
        handled = handled_by(playbook, name)
        if name not in found and (
            set(waits_for(playbook, name)) & set(found)
            or (handled is not None and handled["id"] in found)
        ):
            found.append(name)
    return tuple(found)


def loop_body(playbook: Mapping[str, Any], loop: PlainStep) -> tuple[str, ...]:
    """The steps that a loop does again, by id, without the loop itself."""
    ids = [other["id"] for other in playbook["steps"]]
    return tuple(ids[ids.index(loop["back_to"]) : ids.index(loop["id"])])


def results_of(
    playbook: Mapping[str, Any], rows: Sequence[PlaybookStepRow]
) -> dict[str, Mapping[str, Any] | None]:
    """What the steps that are over left behind, for conditions."""
    states = {row.step_id: row.state for row in rows}
    return {
        row.step_id: row.result if row.state == StepState.DONE else None
        for row in rows
        if is_over(playbook, row.step_id, states)
    }


def not_applicable(
    playbook: Mapping[str, Any], rows: Sequence[PlaybookStepRow]
) -> list[PlaybookStepRow]:
    """The waiting steps that what has ended rules out."""
    results, out = results_of(playbook, rows), []
    for row in rows:
        if row.state != StepState.WAITING:
            continue
        when, handled = step_of(playbook, row.step_id)["when"], handled_by(playbook, row.step_id)
        not_needed = handled is not None and handled["id"] in results
        if not_needed or (when and holds(when, results) is False):
            out.append(row)
    return out


def done_by_platform(step: PlainStep) -> bool:
    """Whether no person begins or ends the step."""
    return bool(step.get("auto")) or step["kind"] in OF_THE_PLATFORM


def answer_of(step: PlainStep, results: Mapping[str, Mapping[str, Any] | None]) -> str | None:
    """What a decision answers by itself; None: a person decides."""
    for one in step.get("answers", ()):
        found = holds(one["when"], results)
        if found is not False:
            return str(one["answer"]) if found else None
    return None


def again(row: PlaybookStepRow) -> None:
    """Make a step ready for another round; what it left behind is kept."""
    left = {
        "round": row.round,
        "state": row.state,
        "actor": row.actor,
        "finished_at": row.finished_at.isoformat() if row.finished_at else None,
        "result": row.result,
        "note": row.note,
    }
    row.earlier = [*row.earlier, left]
    row.state, row.round, row.result, row.note = StepState.WAITING, row.round + 1, {}, ""
    row.started_at = row.finished_at = row.lease_until = row.due_at = None
    row.actor, row.approved_by = "", []


def check_may_begin(
    playbook: Mapping[str, Any], row: PlaybookStepRow, rows: Sequence[PlaybookStepRow]
) -> None:
    """Raises PlaybookError when steps are in the way, Conflict when it is running, over or not a person's."""
    kind = step_of(playbook, row.step_id)["kind"]
    if kind in OF_THE_PLATFORM:
        raise Conflict(f"step {row.step_id} is a {kind}: the platform begins and ends it")
    if row.state not in {StepState.WAITING, StepState.FAILED}:
        raise Conflict(f"step {row.step_id} is {row.state} and cannot begin")
    states = {other.step_id: other.state for other in rows}
    if blocking := in_the_way(playbook, row.step_id, states):
        titles = "; ".join(step_of(playbook, name)["title_vi"] for name in blocking)
        raise PlaybookError(f"step {row.step_id} must wait; first finish: {titles}")


def release_if_expired(row: PlaybookStepRow, now: datetime) -> bool:
    """Give a step back whose lease ran out; says whether it did."""
    if row.state != StepState.RUNNING or row.lease_until is None or row.lease_until > now:
        return False
    row.state, row.lease_until = StepState.WAITING, None
    return True


def clean_result(step: PlainStep, result: Mapping[str, Any]) -> dict[str, Any]:
    """The result with the types that the step's inputs say; texts of web forms are read.

    Raises:
        PlaybookError: names every input that is missing, unknown or not allowed (by its Vietnamese label).
    """
    inputs = {one["id"]: one for one in inputs_of(step)}
    problems = [f"không có mục {name!r}" for name in result if name not in inputs]
    clean: dict[str, Any] = {}
    for name, one in inputs.items():
        value = result.get(name)
        if value is None or value in ("", []):
            if one["kind"] == "yes_no_unknown":
                clean[name] = None
            elif one["required"]:
                problems.append(f"thiếu: {one['label_vi']}")
            continue
        try:
            clean[name] = _read(one, value)
        except ValueError as error:
            problems.append(f"{one['label_vi']}: {error}")
    if problems:
        raise PlaybookError(f"{step['title_vi']}: " + "; ".join(problems))
    return clean


def facts_of(step: PlainStep, clean: Mapping[str, Any]) -> dict[str, Any]:
    """What of a result also fills the report forms."""
    return {
        one["fact"]: clean[one["id"]]
        for one in step["inputs"]
        if one["fact"] and one["id"] in clean
    }


def inputs_of(step: PlainStep) -> list[Mapping[str, Any]]:
    """The inputs of the file, then those that the kind of step itself asks for: what a page must show."""
    inputs: list[Mapping[str, Any]] = list(step["inputs"])
    if step["kind"] == "decision":
        inputs.append(_asked("answer", "Decision", "Quyết định", "choice", step["options"]))
    if step["action"] == "decide_serious":
        inputs += QUESTIONS
    if step["action"] == "note":
        inputs.append(_asked("text", "Note", "Nội dung", "long_text"))
    return inputs


def _read(one: Mapping[str, Any], value: Any) -> Any:
    kind = one["kind"]
    if kind in {"yes_no", "yes_no_unknown"}:
        return _yes_no(value, unknown=kind == "yes_no_unknown")
    if kind == "number":
        return float(value) if isinstance(value, float) or "." in str(value) else int(value)
    allowed = {choice["id"] for choice in one["choices"]}
    if kind == "choices":
        values = [value] if isinstance(value, str) else list(value)
        if unknown := [str(item) for item in values if item not in allowed]:
            raise ValueError(f"không có lựa chọn {', '.join(unknown)}")
        return values
    if kind == "choice" and value not in allowed:
        raise ValueError(f"không có lựa chọn {value}")
    return str(value).strip()


def _yes_no(value: Any, *, unknown: bool) -> bool | None:
    if isinstance(value, bool):
        return value
    if unknown and str(value).lower() == "unknown":
        return None
    try:
        return YES_NO[str(value).lower()]
    except KeyError:
        raise ValueError("trả lời yes hoặc no") from None
