"""The playbook runs of an incident: begin, finish, approve and skip steps; pause a run, do it again from a step."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse

from soc.console import toasts
from soc.console.deps import SignedIn, require
from soc.console.forms import Sent, values_of
from soc.console.parts import ConsoleParts, Parts
from soc.console.steps import step_to_finish
from soc.errors import NotFound
from soc.model.case import StepState
from soc.respond.case_views import CaseView, RunView
from soc.respond.playbook_run import ENDED, done_by_platform, in_the_way, inputs_of, step_of

router = APIRouter(include_in_schema=False)
STEP = "step."  # prefix of a step's own fields, so that they cannot be taken for ours

Actor = Annotated[SignedIn, Depends(require("cases.act"))]
Reason = Annotated[str, Form(min_length=1, max_length=4000)]


@router.post("/cases/{case_id}/playbooks", name="case_playbook")
def start_playbook(
    parts: Parts, who: Actor, case_id: str, playbook_id: Annotated[str, Form(max_length=80)]
) -> RedirectResponse:
    parts.cases.start_playbook(who.scope, case_id, playbook_id, now=parts.clock())
    return toasts.back_to(f"/cases/{case_id}#run", toasts.Toast("started"))


@router.post("/cases/{case_id}/runs/{run_id}/pause", name="run_pause")
def pause_run(
    parts: Parts, who: Actor, case_id: str, run_id: str, reason: Reason
) -> RedirectResponse:
    _run(parts, who, case_id, run_id)
    parts.cases.runs.pause(who.scope, run_id, reason=reason, now=parts.clock())
    return toasts.back_to(f"/cases/{case_id}#run", toasts.Toast("step"))


@router.post("/cases/{case_id}/runs/{run_id}/resume", name="run_resume")
def resume_run(parts: Parts, who: Actor, case_id: str, run_id: str) -> RedirectResponse:
    _run(parts, who, case_id, run_id)
    parts.cases.runs.resume(who.scope, run_id, now=parts.clock())
    return toasts.back_to(f"/cases/{case_id}#run", toasts.Toast("step"))


@router.post("/cases/{case_id}/runs/{run_id}/{step_id}/begin", name="step_begin")
def begin_step(
    parts: Parts, who: Actor, case_id: str, run_id: str, step_id: str
) -> RedirectResponse:
    _run(parts, who, case_id, run_id)
    parts.cases.begin_step(who.scope, run_id, step_id, now=parts.clock())
    return _back(case_id, step_id)


@router.post("/cases/{case_id}/runs/{run_id}/{step_id}/finish", name="step_finish")
def finish_step(
    request: Request,
    parts: Parts,
    who: Actor,
    case_id: str,
    run_id: str,
    step_id: str,
    sent: Sent,
    note: Annotated[str, Form(max_length=8000)] = "",
) -> RedirectResponse:
    """Finish a step with what its inputs ask for; its automatic action runs."""
    step = step_to_finish(request, who, _case(parts, who, case_id), run_id, step_id)
    kinds = {one["id"]: one["kind"] for one in inputs_of(step)}
    result = values_of(sent, kinds, prefix=STEP)
    parts.cases.finish_step(
        who.scope, run_id, step_id, result=result, note=note.strip(), now=parts.clock()
    )
    return _back(case_id, step_id)


@router.post("/cases/{case_id}/runs/{run_id}/{step_id}/approve", name="step_approve")
def approve_step(
    request: Request, parts: Parts, who: Actor, case_id: str, run_id: str, step_id: str
) -> RedirectResponse:
    """Agree as another person; needs the right that the step's action itself needs."""
    step_to_finish(request, who, _case(parts, who, case_id), run_id, step_id)
    parts.cases.runs.approve(who.scope, run_id, step_id, now=parts.clock())
    return _back(case_id, step_id)


@router.post("/cases/{case_id}/runs/{run_id}/{step_id}/reject", name="step_reject")
def reject_step(
    parts: Parts, who: Actor, case_id: str, run_id: str, step_id: str, reason: Reason
) -> RedirectResponse:
    _run(parts, who, case_id, run_id)
    parts.cases.runs.reject(who.scope, run_id, step_id, reason=reason, now=parts.clock())
    return _back(case_id, step_id)


@router.post("/cases/{case_id}/runs/{run_id}/{step_id}/skip", name="step_skip")
def skip_step(
    parts: Parts, who: Actor, case_id: str, run_id: str, step_id: str, reason: Reason
) -> RedirectResponse:
    _run(parts, who, case_id, run_id)
    parts.cases.skip_step(who.scope, run_id, step_id, reason=reason, now=parts.clock())
    return _back(case_id, step_id)


@router.post("/cases/{case_id}/runs/{run_id}/{step_id}/give-up", name="step_give_up")
def give_up_step(
    parts: Parts, who: Actor, case_id: str, run_id: str, step_id: str, reason: Reason
) -> RedirectResponse:
    """It could not be done; what the playbook has for that opens."""
    _run(parts, who, case_id, run_id)
    parts.cases.runs.give_up(who.scope, run_id, step_id, reason=reason, now=parts.clock())
    return _back(case_id, step_id)


@router.post("/cases/{case_id}/runs/{run_id}/{step_id}/again", name="step_again")
def step_again(
    parts: Parts, who: Actor, case_id: str, run_id: str, step_id: str, reason: Reason
) -> RedirectResponse:
    """Do the run anew from here."""
    _run(parts, who, case_id, run_id)
    parts.cases.runs.again(who.scope, run_id, step_id, reason=reason, now=parts.clock())
    return _back(case_id, step_id)


def steps_of(run: RunView) -> list[dict[str, Any]]:
    """Each step with its texts, its inputs, what stands in its way and what may be done with it."""
    states = {row.step_id: row.state for row in run.steps}
    shown = []
    for row in run.steps:
        step = step_of(run.row.playbook, row.step_id)
        blocking = in_the_way(run.row.playbook, row.step_id, states)
        wanted = step.get("approvals", 0) if row.state == StepState.PENDING else 0
        shown.append(
            {
                "row": row,
                "step": step,
                "inputs": inputs_of(step),
                "waits_for": [step_of(run.row.playbook, name) for name in blocking],
                "ended": row.state in ENDED,
                "by_itself": done_by_platform(step),
                "approvals_left": wanted - len(row.approved_by) if wanted else 0,
                "again": not blocking and row.state in {*ENDED, StepState.FAILED},
            }
        )
    return shown


def _case(parts: ConsoleParts, who: SignedIn, case_id: str) -> CaseView:
    view = parts.cases.find(who.scope, case_id)
    if view is None:
        raise NotFound("case", case_id)
    return view


def _run(parts: ConsoleParts, who: SignedIn, case_id: str, run_id: str) -> None:
    """Raises NotFound unless the run is one of that case, in the caller's scope."""
    if all(run.row.id != run_id for run in _case(parts, who, case_id).runs):
        raise NotFound("playbook run", run_id)


def _back(case_id: str, step_id: str) -> RedirectResponse:
    return toasts.back_to(f"/cases/{case_id}#step-{step_id}", toasts.Toast("step"))
