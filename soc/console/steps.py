"""Playbook steps as a page or a route meets them: which one is meant, and what finishing it needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import Request

from soc.console.deps import SignedIn, insist
from soc.errors import NotFound
from soc.respond.case_views import CaseView
from soc.respond.playbook_run import step_of

PERMISSION_OF_ACTION = {  # beside cases.act
    "send_report": "reports.send",
    "respond": "responses.act",
    "undo": "responses.act",
}


def step_to_finish(
    request: Request, who: SignedIn, view: CaseView, run_id: str, step_id: str
) -> Mapping[str, Any]:
    """The step as the run keeps it; its automatic action needs the same right as the act by itself.

    Raises:
        NotFound: no such run on the case.
        NotAllowed: the role may not do what the step does.
    """
    for run in view.runs:
        if run.row.id == run_id:
            step = step_of(run.row.playbook, step_id)
            if permission := PERMISSION_OF_ACTION.get(step["action"] or ""):
                insist(request, who, permission)
            return step
    raise NotFound("playbook run", run_id)
