"""``soc bulletin``: warnings to agencies, from the draft to the last answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from soc.report.bulletins.desk import BulletinDesk, Standing
    from soc.settings import Settings

app = typer.Typer(no_args_is_help=True, help=__doc__)
Id = Annotated[str, typer.Argument(metavar="BULLETIN", help="Such as BT-2026-0001.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]


@contextmanager
def _desk() -> Iterator[tuple[BulletinDesk, Settings]]:
    from soc.cli.opening import site_database
    from soc.report.bulletins.desk import BulletinDesk
    from soc.site import load_settings

    settings, database = load_settings(), site_database()
    domain = settings.mail_from.rpartition("@")[2] or "soc.invalid"
    try:
        yield BulletinDesk(database, domain=domain), settings
    finally:
        database.close()


@app.command("write")
def write(
    file: Annotated[Path, typer.Argument(help="Markdown with its facts as YAML at the head.")],
    instead_of: Annotated[str, typer.Option(help="A draft that it replaces.")] = "",
) -> None:
    """Keep a file as a draft and print its number; docs/bulletins.md shows what it looks like.

    Example: soc bulletin write vpn.md
    """
    from soc.cli.opening import operator
    from soc.report.bulletins.written import load_bulletin

    bulletin, now = load_bulletin(file), datetime.now(UTC)
    with _desk() as (desk, _):
        if instead_of:
            desk.rewrite(operator(), instead_of, bulletin, now)
        key = instead_of or desk.write(operator(), bulletin, now)
    typer.echo(f"{key} is a draft; soc bulletin preview {key}, then soc bulletin submit {key}")


@app.command("preview")
def preview(
    bulletin: Id,
    out: Annotated[Path, typer.Option(help="Folder for the mail (.eml), letter (.pdf) and CSAF.")],
    agency: Annotated[str, typer.Option(help="Key of the agency that gets it.")] = "",
) -> None:
    """Write the exact mail that an agency will get, its letter and its CSAF document.

    Example: soc bulletin preview BT-2026-0001 --out xem
    """
    from soc.cli.opening import operator
    from soc.model.bulletin import MailKind
    from soc.report.bulletins.mail import mail_of

    with _desk() as (desk, settings):
        standing = desk.standing(operator(), bulletin)
        now = standing.row.approved_at or datetime.now(UTC)
        mail = mail_of(
            standing.bulletin, number=bulletin, agency=agency or "các cơ quan theo danh sách",
            kind=MailKind.FIRST, sender=settings.mail_from or "soc@soc.invalid",
            centre=settings.centre_name, addresses=["dau-moi@co-quan.invalid"],
            message_id=f"<{bulletin.lower()}@preview.invalid>", approved_at=now, sent_at=now,
            portal=settings.portal_url,
        )  # fmt: skip
    out.mkdir(parents=True, exist_ok=True)
    written = [out / f"{bulletin}.eml"]
    written[0].write_bytes(mail.as_bytes())
    for part in mail.iter_attachments():
        path = out / Path(part.get_filename() or "part").name
        path.write_bytes(part.get_content())
        written.append(path)
    typer.echo("\n".join(map(str, written)))


@app.command("submit")
def submit(bulletin: Id) -> None:
    """Ask for another person's approval.

    Example: soc bulletin submit BT-2026-0001
    """
    from soc.cli.opening import operator

    with _desk() as (desk, _):
        desk.submit(operator(), bulletin, datetime.now(UTC))
    typer.echo(f"{bulletin} waits for another person's `soc bulletin approve {bulletin}`")


@app.command("approve")
def approve(bulletin: Id) -> None:
    """Approve what another person has written: it is frozen, and each agency of its audience is owed its mail.

    Example: soc bulletin approve BT-2026-0001
    """
    from soc.cli.opening import operator

    with _desk() as (desk, settings):
        agencies = desk.approve(operator(), bulletin, datetime.now(UTC))
        how = "" if settings.mail_host else "; no mail leaves before SOC_MAIL_HOST is set"
    typer.echo(f"{bulletin} goes to {agencies} agencies{how}")


@app.command("answer")
def answer(
    bulletin: Id,
    agency: Annotated[str, typer.Argument(help="The agency's key.")],
    says: Annotated[
        str, typer.Argument(help="acknowledged, not_affected, fixed or needs_help.")
    ] = "acknowledged",
    note: Annotated[str, typer.Option(help="What they said.")] = "",
) -> None:
    """Note what an agency told you by telephone or paper; the newest answer counts.

    Example: soc bulletin answer BT-2026-0001 sxd fixed --note "đã lên bản 7.4.3"
    """
    from soc.cli.opening import operator
    from soc.errors import SettingsError
    from soc.model.bulletin import Answer

    if says not in ("acknowledged", *Answer):
        raise SettingsError(f"no answer {says!r}: acknowledged, {', '.join(Answer)}")
    said = None if says == "acknowledged" else Answer(says)
    with _desk() as (desk, _):
        desk.answer(operator(), bulletin, agency, said, datetime.now(UTC), note=note)
    typer.echo(f"{agency}: {says}")


@app.command("close")
def close(bulletin: Id, reason: Annotated[str, typer.Option(help="Why; kept.")]) -> None:
    """End the follow-up of a bulletin: no more reminders.

    Example: soc bulletin close BT-2026-0001 --reason "188/188 cơ quan đã xử lý"
    """
    from soc.cli.opening import operator

    with _desk() as (desk, _):
        desk.close(operator(), bulletin, reason, datetime.now(UTC))
    typer.echo(f"{bulletin} is closed")


@app.command("list")
def list_bulletins(as_json: Json = False) -> None:
    """List the bulletins, the newest first, with how many agencies have answered what.

    Example: soc bulletin list
    """
    from soc.cli.opening import operator

    with _desk() as (desk, _):
        for one in desk.all(operator()):
            _say(_summary(one), as_json)


@app.command("show")
def show(bulletin: Id, as_json: Json = False) -> None:
    """Show a bulletin and where each agency stands: mail, acknowledgement, answer.

    Example: soc bulletin show BT-2026-0001
    """
    from soc.cli.opening import operator

    with _desk() as (desk, _):
        standing = desk.standing(operator(), bulletin)
    _say(_summary(standing), as_json)
    for one in standing.recipients:
        if as_json:
            _say(one, as_json)
            continue
        when = f"{one.acknowledged_at:%Y-%m-%d %H:%MZ}" if one.acknowledged_at else "-"
        told = f"  {one.mail_error}" if one.mail_error else ""
        reminded = f", reminded {one.reminders} times" if one.reminders else ""
        typer.echo(
            f"  {one.mail:10} {when:17} {one.answer or '-':12} {one.agency_id}  {one.agency}{reminded}{told}"
        )


def _summary(one: Standing) -> dict[str, Any]:
    row = one.row
    return {
        "id": row.id, "state": row.state, "tlp": one.bulletin.tlp, "title": row.title,
        "due_on": one.bulletin.due_on, "approved_at": row.approved_at, **one.counts,
    }  # fmt: skip


def _say(found: Any, as_json: bool) -> None:
    import orjson

    if as_json:
        typer.echo(orjson.dumps(found).decode())
        return
    counts = f"{found['acknowledged']}/{found['agencies']} acknowledged, {found['fixed']} fixed"
    rest = f"{found['not_affected']} not affected, {found['needs_help']} need help"
    typer.echo(
        f"{found['id']}  {found['state']:8} {found['tlp']}  {found['title']}: {counts}, {rest}"
    )
