"""Small playbooks for tests, and a desk with an engine that run them."""

from __future__ import annotations

from typing import Any

from soc.records.database import Database
from soc.report.case_reports import CaseReports
from soc.respond.case_desk import CaseDesk
from soc.respond.playbook_engine import PlaybookEngine
from soc.respond.playbook_files import plain
from soc.respond.playbook_shapes import Playbook
from soc.respond.response_desk import ResponseDesk
from tests.respond.builders import PROVINCE, T, forms, open_case, with_alerts

YES_NO = [
    {"id": "good", "label": "Good", "label_vi": "Tốt"},
    {"id": "bad", "label": "Bad", "label_vi": "Xấu"},
]


def step(name: str, kind: str = "manual", **more: Any) -> dict[str, Any]:
    texts = {"title": name, "title_vi": f"Bước {name}", "text": "Do it.", "text_vi": "Làm."}
    options = {"options": YES_NO} if kind == "decision" else {}
    base = {"id": name, "phase": "detect", "kind": kind, "who": "analyst", "minutes": 10}
    return {**base, **texts, **options, **more}


def asks(name: str, kind: str = "text") -> dict[str, Any]:
    return {"id": name, "label": name, "label_vi": name, "kind": kind}


def playbook(*steps: dict[str, Any], name: str = "small-one") -> Playbook:
    words = {"title": name, "title_vi": "Thử", "description": "x", "description_vi": "x"}
    return Playbook.model_validate(
        {"id": name, "version": "1", "basis": ["NĐ 333/2026"], "steps": steps, **words}
    )


class Table:
    """A case with a run of the first playbook; people and the platform at one table."""

    def __init__(
        self, database: Database, *playbooks: Playbook, responses: ResponseDesk | None = None
    ) -> None:
        self.database, self.reports = database, CaseReports(forms())
        shelf = plain({one.id: one for one in playbooks})
        self.desk = CaseDesk(
            with_alerts(database), playbooks=shelf, reports=self.reports, responses=responses
        )
        self.runs = self.desk.runs
        self.engine = PlaybookEngine(database, reports=self.reports, responses=responses)
        self.case_id = open_case(self.desk)
        self.run_id = self.desk.start_playbook(PROVINCE, self.case_id, playbooks[0].id, now=T)

    def do(self, name: str, result: dict[str, Any] | None = None, *, now=T, scope=PROVINCE) -> None:
        self.runs.begin(scope, self.run_id, name, now=now)
        self.runs.finish(scope, self.run_id, name, result=result or {}, note="", now=now)

    def views(self):
        return self.desk.find(PROVINCE, self.case_id).runs

    def run(self):
        return next(one for one in self.views() if one.row.id == self.run_id)

    def row(self, name: str):
        return next(row for row in self.run().steps if row.step_id == name)

    def states(self) -> dict[str, str]:
        return {row.step_id: row.state for row in self.run().steps}
