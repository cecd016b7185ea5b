"""``soc case``: look at cases."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from soc.records.cases import ObligationRow
    from soc.records.database import Database
    from soc.respond.case_desk import CaseDesk, CaseSummary
    from soc.settings import Settings

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)
Json = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]


@app.command("list")
def list_cases(
    status: Annotated[
        list[str] | None, typer.Option(help="Only these states; may be repeated.")
    ] = None,
    as_json: Json = False,
) -> None:
    """List cases, the newest first, with the next report that is due.

    Example: soc case list --status contain
    """
    from soc.model.scope import Scope

    with open_database() as (settings, database):
        desk, offset = case_desk(settings, database), 0
        while True:
            found, total = desk.cases(
                Scope.province("command line"), status=status or (), offset=offset, size=200
            )
            for summary in found:
                print_line(_plain(summary), _text(summary), as_json=as_json)
            offset += len(found)
            if not found or offset >= total:
                return


@app.command("show")
def show_case(
    case_id: Annotated[str, typer.Argument(help="SC-2026-0001")], as_json: Json = False
) -> None:
    """Show one case: its clocks, alerts, playbook steps and log.

    Example: soc case show SC-2026-0001
    """
    from soc.errors import NotFound
    from soc.model.scope import Scope

    with open_database() as (settings, database):
        now = datetime.now(UTC)
        view = case_desk(settings, database).find(Scope.province("command line"), case_id, now=now)
    if view is None:
        raise NotFound("case", case_id)
    clocks = [_obligation(row, now) for row in view.obligations]
    steps = [(step.step_id, step.state) for run in view.runs for step in run.steps]
    if as_json:
        whole = {
            **_plain(view.summary),
            "obligations": clocks,
            "alert_ids": [alert.row.id for alert in view.alerts],
            "steps": [{"step": name, "state": state} for name, state in steps],
            "documents": [{"id": row.id, "number": row.number} for row in view.documents],
            "form_problems": list(view.form_problems),
        }
        print_line(whole, "", as_json=True)
        return
    print(_text(view.summary))
    for clock in clocks:
        print(f"  {clock['kind']:<15} due {clock['due']}  {clock['state']}")
    for alert in view.alerts:
        print(f"  {alert.row.id}  {alert.row.host}  {alert.row.title}")
    for name, state in steps:
        print(f"  step {name:<20} {state}")
    for row in reversed(view.log):
        print(f"  {row.at:%Y-%m-%d %H:%M}  {row.actor}: {row.kind} {row.text}")


@contextmanager
def open_database() -> Iterator[tuple[Settings, Database]]:
    """The settings and the database of the site.

    Raises:
        SettingsError: there is no site yet in SOC_HOME.
    """
    from soc.errors import SettingsError
    from soc.records.database import Database
    from soc.site import load_settings

    settings = load_settings()
    path = settings.database_url.removeprefix("sqlite:///")
    if path != settings.database_url and not settings.home.joinpath("soc.sqlite").is_file():
        raise SettingsError(f"no site in {settings.home}: start one with `soc up`, or set SOC_HOME")
    database = Database(settings.database_url)
    try:
        yield settings, database
    finally:
        database.close()


def case_desk(settings: Settings, database: Database) -> CaseDesk:
    """The desk with the site's playbooks and forms; refused playbooks are named on stderr."""
    from soc.receive.command_key import command_signer
    from soc.report.case_reports import CaseReports
    from soc.report.form_files import Forms
    from soc.respond.case_desk import CaseDesk
    from soc.respond.playbook_files import load_playbooks, plain
    from soc.respond.response_desk import ResponseDesk
    from soc.site import playbook_folder

    playbooks, refused = load_playbooks(playbook_folder(settings))
    for error in refused:
        print(f"soc: {error}", file=sys.stderr)
    reports = CaseReports(Forms(), zone=settings.zone)
    responses = ResponseDesk(
        database,
        sign=command_signer(settings.keys_home),
        two_people=settings.response_two_people,
    )
    return CaseDesk(database, playbooks=plain(playbooks), reports=reports, responses=responses)


def print_line(plain: dict[str, Any], text: str, *, as_json: bool) -> None:
    import orjson

    print(orjson.dumps(plain).decode() if as_json else text)


def _plain(summary: CaseSummary) -> dict[str, Any]:
    row, due = summary.row, summary.next_due
    return {
        "id": row.id,
        "title": row.title,
        "status": row.status,
        "severity": row.severity,
        "agency": summary.agency_name,
        "system": summary.system_name,
        "alerts": summary.alerts,
        "detected_at": row.detected_at,
        "opened_at": row.opened_at,
        "next_due": due.due_at if due else None,
        "next_due_kind": due.kind if due else None,
    }


def _text(summary: CaseSummary) -> str:
    row, due = summary.row, summary.next_due
    owed = f"  {due.kind} due {due.due_at:%Y-%m-%d %H:%MZ}" if due else ""
    return (
        f"{row.id}  {row.status:<9} {row.severity:<8} {summary.alerts:>3} alerts  {row.title}{owed}"
    )


def _obligation(row: ObligationRow, now: datetime) -> dict[str, Any]:
    if row.done_at is not None:
        state = f"done {row.done_at.isoformat()}"
    elif row.waived_at is not None:
        state = f"waived: {row.waived_reason}"
    else:
        state = "overdue" if now > row.due_at else "owed"
    return {"kind": row.kind, "due": row.due_at.isoformat(), "state": state}
