"""``soc report calendar`` and its acts: the periodic reports."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from soc.report.calendar.desk import CalendarDesk

Duty = Annotated[str, typer.Argument(help="monitoring-daily.2026-11-27")]


@contextmanager
def calendar_desk() -> Iterator[CalendarDesk]:
    from soc.cli.opening import site_database
    from soc.report.calendar.desk import CalendarDesk
    from soc.report.periodic.figures import writers

    database = site_database()
    try:
        yield CalendarDesk(database, writers())
    finally:
        database.close()


def calendar() -> None:
    """Plan what comes, and list the periodic reports: due, state, revision, who makes it.

    Example: soc report calendar
    """
    from soc.cli.opening import operator
    from soc.report.periodic.content import shown_time

    now = datetime.now(UTC)
    with calendar_desk() as desk:
        desk.plan(now)
        for one in desk.all(operator(), now):
            row, late = one.row, " OVERDUE" if one.overdue else " late" if one.late else ""
            print(
                f"{shown_time(row.due_at)}  {row.state}{late}  r{row.revision}  {row.id}  "
                f"{row.owner_role} -> {row.recipient}"
            )
        print(f"quá hạn (overdue): {desk.overdue(operator(), now)}")


def draft(duty: Duty) -> None:
    """Make a draft from the records of now. Before the period's end it is a preview.

    Example: soc report draft monitoring-daily.2026-11-27
    """
    from soc.cli.opening import operator

    with calendar_desk() as desk:
        print(f"{duty}  r{desk.draft(operator(), duty, datetime.now(UTC))}")


def approve(duty: Duty) -> None:
    """Freeze the newest draft, which another person made.

    Example: soc report approve monitoring-daily.2026-11-27
    """
    from soc.cli.opening import operator

    with calendar_desk() as desk:
        print(f"{duty}  r{desk.approve(operator(), duty, datetime.now(UTC))} approved")


def send(
    duty: Duty, reference: Annotated[str, typer.Option(help="Document number, receipt.")]
) -> None:
    """Keep that the approved report was sent, and under which number.

    Example: soc report send monitoring-daily.2026-11-27 --reference 12/BC-TTGS
    """
    from soc.cli.opening import operator

    with calendar_desk() as desk:
        print(f"{duty}  r{desk.send(operator(), duty, reference, datetime.now(UTC))} sent")


def revise(duty: Duty, reason: Annotated[str, typer.Option(help="What was wrong.")]) -> None:
    """Begin a correction of what was approved or sent; the old revision stays.

    Example: soc report revise monitoring-daily.2026-11-27 --reason "thiếu một cơ quan"
    """
    from soc.cli.opening import operator

    with calendar_desk() as desk:
        print(f"{duty}  r{desk.revise(operator(), duty, reason, datetime.now(UTC))} drafted")


def export(
    duty: Duty,
    out: Annotated[Path, typer.Option(help="Where to write it: FILE.pdf, .xlsx or .json.")],
    revision: Annotated[int, typer.Option(help="0: the newest.")] = 0,
) -> None:
    """Write a revision as it was made, and say whether today's records still give the same.

    Example: soc report export monitoring-daily.2026-11-27 --out ngay.pdf
    """
    from soc.cli.opening import operator
    from soc.report.periodic.content import differences, from_json, to_pdf, to_xlsx

    ending = out.suffix.lower()
    if ending not in (".pdf", ".xlsx", ".json"):
        raise typer.BadParameter(f"{out.name}: chỉ ghi được .pdf, .xlsx hoặc .json (only these)")
    with calendar_desk() as desk:
        newest = desk.standing(operator(), duty, datetime.now(UTC)).row.revision
        kept, again = desk.again(operator(), duty, revision or newest)
    report = from_json(kept)
    out.write_bytes(
        kept if ending == ".json" else to_pdf(report) if ending == ".pdf" else to_xlsx(report)
    )
    print(f"{out}: r{revision or newest}")
    for line in differences(kept, again) or ["lập lại từ bản ghi hôm nay: giống hệt (same bytes)"]:
        print(line)


COMMANDS = (calendar, draft, approve, send, revise, export)
