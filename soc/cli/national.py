"""``soc national``: the link to the national centre."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)


@app.command("status")
def status(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """List the messages to the national centre; exit code 1 when one could not be delivered at all.

    Example: soc national status --json
    """
    from sqlalchemy import select

    from soc.cli.case import open_database, print_line
    from soc.model.scope import Scope
    from soc.records.outbox import OutboxRow

    with (
        open_database() as (_, database),
        database.session(Scope.province("command line")) as session,
    ):
        rows = session.scalars(select(OutboxRow).order_by(OutboxRow.created_at.desc())).all()
    for row in rows:
        plain = {
            "id": row.id,
            "case_id": row.case_id,
            "subject": row.subject,
            "state": row.state,
            "attempts": row.attempts,
            "next_try_at": row.next_try_at if row.state in {"waiting", "sending"} else None,
            "sent_at": row.sent_at,
            "receipt": row.receipt,
            "last_error": row.last_error,
        }
        proof = row.receipt.get("receipt_id") or row.last_error
        text = f"{row.id}  {row.state:<8} {row.attempts:>3} tries  {row.subject}  {proof}"
        print_line(plain, text, as_json=as_json)
    if any(row.state == "dead" for row in rows):
        raise typer.Exit(1)


@app.command("revive")
def revive(outbox_id: Annotated[str, typer.Argument(help="A dead message.")]) -> None:
    """Try a dead message again.

    Example: soc national revive nc-0f3c...
    """
    from soc.cli.case import open_database
    from soc.errors import NotFound
    from soc.model.scope import Scope
    from soc.report.national.outbox import Outbox

    scope = Scope.province("command line")
    with open_database() as (_, database):
        if not Outbox(database, []).revive(scope, outbox_id, now=datetime.now(UTC)):
            raise NotFound("dead message", outbox_id)
    print(f"{outbox_id} will be tried again")


@app.command("dead")
def dead() -> None:
    """List the messages that were given up, each with its reason; exit code 1 when there are any.

    Example: soc national dead
    """
    from sqlalchemy import select

    from soc.cli.case import open_database
    from soc.model.scope import Scope
    from soc.records.outbox import OutboxRow

    given_up = select(OutboxRow).where(OutboxRow.state == "dead").order_by(OutboxRow.created_at)
    with (
        open_database() as (_, database),
        database.session(Scope.province("command line")) as session,
    ):
        rows = session.scalars(given_up).all()
    for row in rows:
        print(f"{row.id}  {row.attempts:>3} tries  {row.subject}  {row.last_error}")
    if rows:
        raise typer.Exit(1)


app.command("resend", help="Try a dead message again: the same as `revive`.")(revive)


@app.command("reconcile")
def reconcile_command(
    listed: Annotated[
        Path | None, typer.Option("--list", help="The centre's list, a JSON file.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Lay the outbox beside the centre's list, asked for or from a file; exit code 1 when a row needs a person.

    Example: soc national reconcile --list centre.json
    """
    from collections import Counter

    from soc.cli.case import open_database, print_line
    from soc.errors import SettingsError
    from soc.model.scope import Scope
    from soc.report.national.link import NationalHttp
    from soc.report.national.reconcile import SETTLED, read_peer_list, reconcile, sent_messages
    from soc.site.work import national_url

    with open_database() as (settings, database):
        ours = sent_messages(database, Scope.province("command line"), NationalHttp.name)
        url = national_url(settings)
    if listed is None and not url:
        raise SettingsError("no national centre is set: set SOC_NATIONAL_URL, or give --list FILE")
    body = listed.read_bytes() if listed is not None else NationalHttp(url).peer_list()
    lines = reconcile(ours, read_peer_list(body))
    for line in lines:
        plain = {"key": line.key, "verdict": str(line.verdict)}
        print_line(plain, f"{line.verdict:<14} {line.key}", as_json=as_json)
    if not as_json:
        counted = Counter(line.verdict for line in lines)
        print(", ".join(f"{verdict} {number}" for verdict, number in sorted(counted.items())))
    if any(line.verdict not in SETTLED for line in lines):
        raise typer.Exit(1)


@app.command("malware")
def malware(
    sender: Annotated[str, typer.Option(help="The agency that reports, by its key.")],
    out: Annotated[Path, typer.Option(help="Where the XML goes.")],
    days: Annotated[int, typer.Option(min=1, max=366, help="Findings of so many days.")] = 30,
) -> None:
    """Write the malware report (AVReport) from the EDR feed's records; checked against its schema first.

    Example: soc national malware --sender stttt --out avreport.xml
    """
    from soc.cli.case import open_database
    from soc.errors import NotFound, SettingsError
    from soc.model.scope import Scope
    from soc.records.register import AgencyRow
    from soc.register.identifiers import to_last_order
    from soc.report.national.avreport import to_avreport
    from soc.report.national.fleet_records import fleet_of, sender_of

    now = datetime.now(UTC)
    with (
        open_database() as (_, database),
        database.session(Scope.province("command line")) as session,
    ):
        agency = session.get(AgencyRow, sender)
        if agency is None:
            raise NotFound("agency", sender)
        try:
            code = to_last_order(agency.code)
        except ValueError as error:
            raise SettingsError(f"the identifier of {sender}, {agency.code!r}: {error}") from error
        figures = fleet_of(session, since=now - timedelta(days=days), at=now)
        told = sender_of(session, sender, code)
    out.write_bytes(to_avreport(figures, told, f"Báo cáo mã độc {days} ngày"))
    found = sum(len(one.malware) for one in figures.machines)
    print(
        f"{out}: {len(figures.machines)} machines, {found} findings, {figures.not_updated} not updated"
    )


@app.command("package")
def package(
    outbox_id: Annotated[str, typer.Argument(help="A message of the outbox.")],
    folder: Annotated[Path, typer.Option(help="The medium.")],
    key: Annotated[Path, typer.Option(help="Ed25519 private key, PEM.")],
) -> None:
    """Write a message as a signed package for a closed network.

    Example: soc national package nc-0f3c... --folder /media/usb --key key.pem
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    from soc.cli.case import open_database
    from soc.errors import SettingsError
    from soc.model.scope import Scope
    from soc.report.national.leave_rules import SHIPPED, load_leave_rules
    from soc.report.national.outbox import Outbox

    try:
        signer = load_pem_private_key(key.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise SettingsError(f"{key}: {error}") from error
    if not isinstance(signer, Ed25519PrivateKey):
        raise SettingsError(f"{key} does not hold an Ed25519 key")
    scope = Scope.province("command line")
    with open_database() as (settings, database):
        rules = load_leave_rules(settings.national_rules or SHIPPED)
        outbox = Outbox(database, [], rules=rules)
        print(outbox.package(scope, outbox_id, folder, signer, now=datetime.now(UTC)))


@app.command("verify")
def verify(
    folder: Annotated[Path, typer.Argument(help="One package.")],
    key: Annotated[Path, typer.Option(help="The sender's Ed25519 public key, PEM.")],
) -> None:
    """Check a signed package on the receiving side.

    Example: soc national verify /media/usb/nc-0f3c... --key public.pem
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    from soc.errors import SettingsError
    from soc.report.national.file_drop import read_package

    try:
        signer = load_pem_public_key(key.read_bytes())
    except (OSError, ValueError) as error:
        raise SettingsError(f"{key}: {error}") from error
    if not isinstance(signer, Ed25519PublicKey):
        raise SettingsError(f"{key} does not hold an Ed25519 public key")
    found = read_package(folder, signer)
    print(f"{found.key} holds: {found.file_name} for {found.recipient}, SHA-256 {found.sha256}")


@app.command("fake")
def fake(
    folder: Annotated[Path, typer.Option(help="Where it keeps what it got.")],
    port: Annotated[int, typer.Option(help="On loopback.")] = 8602,
) -> None:
    """Run the fake national centre, for drills and tests.

    Example: soc national fake --folder /tmp/centre
    """
    import uvicorn

    from soc.report.national.fake_centre import fake_centre

    uvicorn.run(fake_centre(folder), host="127.0.0.1", port=port, log_level="warning")
