"""``soc report``: make and show reports."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from soc.cli.report_calendar import COMMANDS

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)
Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="Where to write the Word document.")
]


@app.command("make")
def make(
    case_id: Annotated[str, typer.Argument(help="SC-2026-0001")],
    form: Annotated[str, typer.Option(help="The form.")] = "mau-03",
    send: Annotated[bool, typer.Option("--send", help="Also put it in the outbox.")] = False,
    output: Output = None,
) -> None:
    """Fill a form from a case and keep the document; what is missing is named.

    Example: soc report make SC-2026-0001 --form mau-03 --send
    """
    from soc.cli.case import case_desk, open_database
    from soc.model.scope import Scope

    scope = Scope.province("command line")
    with open_database() as (settings, database):
        desk, now = case_desk(settings, database), datetime.now(UTC)
        document_id = desk.make_report(scope, case_id, form, now=now)
        row = desk.document(scope, document_id)
        print(f"{document_id}  {row.number}  {row.file_name}  sha256 {row.content_sha256}")
        if output is not None:
            output.write_bytes(row.content)
        if send:
            print(f"in the outbox: {desk.send_report(scope, document_id, now=now)}")


@app.command("show")
def show(
    document_id: Annotated[str, typer.Argument(help="The id that `soc report make` printed.")],
    output: Output = None,
) -> None:
    """Show what a document holds, as JSON; with --output also write the Word file.

    Example: soc report show 0f3c... --output bao-cao.docx
    """
    import orjson

    from soc.cli.case import case_desk, open_database
    from soc.model.scope import Scope

    with open_database() as (settings, database):
        row = case_desk(settings, database).document(Scope.province("command line"), document_id)
    shown = {
        "id": row.id,
        "case_id": row.case_id,
        "number": row.number,
        "form": row.form,
        "form_version": row.form_version,
        "file_name": row.file_name,
        "sha256": row.content_sha256,
        "made_at": row.made_at,
        "made_by": row.made_by,
        "fields": row.fields,
    }
    print(orjson.dumps(shown, option=orjson.OPT_INDENT_2).decode())
    if output is not None:
        output.write_bytes(row.content)


@app.command("yearly")
def yearly(
    year: Annotated[int, typer.Option(min=2026, max=9999, help="The year of the report.")],
    out: Annotated[Path, typer.Option(help="Where to write it: FILE.pdf, .xlsx or .json.")],
) -> None:
    """Make the yearly report, Mẫu 08 of Decree 331/2026, from the register.

    Example: soc report yearly --year 2026 --out mau-08.pdf
    """
    from soc.cli.case import open_database
    from soc.model.scope import Scope
    from soc.report.yearly import to_json, to_pdf, to_xlsx, yearly_report
    from soc.report.yearly_register import dossiers

    write = {".pdf": to_pdf, ".xlsx": to_xlsx, ".json": to_json}.get(out.suffix.lower())
    if write is None:
        raise typer.BadParameter(f"{out.name}: chỉ ghi được .pdf, .xlsx hoặc .json (only these)")
    with open_database() as (_, database), database.session(Scope.province("command line")) as rows:
        report = yearly_report(dossiers(rows), year=year, read_at=datetime.now(UTC))
    out.write_bytes(write(report))
    print(f"{out}: {len(report.rows)} hệ thống thông tin (systems)")


for command in COMMANDS:
    app.command(command.__name__)(command)
