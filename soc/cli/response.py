"""``soc response``: act on machines through their agents; ask, approve, follow, undo."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from soc.model.response import ResponseAction

if TYPE_CHECKING:
    from soc.records.responses import ResponseCommandRow
    from soc.respond.response_desk import ResponseDesk

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)
Json = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
Id = Annotated[str, typer.Argument(metavar="COMMAND", help="Such as rc-0123456789abcdef01234567.")]
Reason = Annotated[str, typer.Option(help="Why; it stands in the command, the case and the log.")]


@contextmanager
def _desk() -> Iterator[ResponseDesk]:
    from soc.cli.opening import site_database
    from soc.receive.command_key import command_signer
    from soc.respond.response_desk import ResponseDesk
    from soc.site import load_settings

    settings, database = load_settings(), site_database()
    try:
        yield ResponseDesk(
            database,
            sign=command_signer(settings.keys_home),
            two_people=settings.response_two_people,
        )
    finally:
        database.close()


@app.command()
def ask(
    action: Annotated[ResponseAction, typer.Argument(help="What to do.")],
    agent: Annotated[list[str], typer.Option(help="The agent's id; may be repeated.")],
    reason: Reason,
    parameters: Annotated[
        str, typer.Option(help="JSON object; docs/response.md lists them by action.")
    ] = "{}",
    case: Annotated[str, typer.Option(help="The case that it is for.")] = "",
    hours: Annotated[
        float, typer.Option(min=0.01, max=720, help="After that no agent begins it.")
    ] = 24,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would do.")] = False,
    key: Annotated[str, typer.Option(help="Idempotency key: the same key asks once.")] = "",
    as_json: Json = False,
) -> None:
    """Ask agents for an action; dangerous ones wait for another person's approval.

    Example: soc response ask isolate_host --agent ag-1f2e --parameters '{"seconds": 14400}' --reason "ransomware"
    """
    from soc.cli.opening import operator

    now = datetime.now(UTC)
    with _desk() as desk:
        asked = desk.ask(
            operator(),
            agent,
            action,
            _read_parameters(parameters),
            reason=reason,
            now=now,
            case_id=case,
            within=timedelta(hours=hours),
            dry_run=dry_run,
            idempotency_key=key,
        )
        rows = [desk.find(operator(), one) for one in asked.command_ids]
    for row in rows:
        if row is not None:
            _print(row, now, as_json=as_json)


@app.command()
def approve(command: Id) -> None:
    """Approve what another person has asked: from here on the agent may fetch it.

    Example: soc response approve rc-0123456789abcdef01234567
    """
    from soc.cli.opening import operator

    with _desk() as desk:
        desk.approve(operator(), command, datetime.now(UTC))
    typer.echo(f"{command} waits for its agent")


@app.command()
def cancel(command: Id, reason: Reason) -> None:
    """Take back a command that no agent has fetched.

    Example: soc response cancel rc-0123456789abcdef01234567 --reason "wrong host"
    """
    from soc.cli.opening import operator

    with _desk() as desk:
        desk.cancel(operator(), command, reason, datetime.now(UTC))
    typer.echo(f"{command} is cancelled")


@app.command()
def undo(command: Id, reason: Reason, as_json: Json = False) -> None:
    """Ask the agent to lift a measure that is in force; one person is enough.

    Example: soc response undo rc-0123456789abcdef01234567 --reason "clean again"
    """
    from soc.cli.opening import operator

    now = datetime.now(UTC)
    with _desk() as desk:
        row = desk.find(operator(), desk.undo(operator(), command, reason, now))
    if row is not None:
        _print(row, now, as_json=as_json)


@app.command("list")
def list_commands(
    case: Annotated[str, typer.Option(help="Only those for this case.")] = "",
    agent: Annotated[str, typer.Option(help="Only those to this agent.")] = "",
    request: Annotated[str, typer.Option(help="Only those of this asking.")] = "",
    as_json: Json = False,
) -> None:
    """List commands, the newest first.

    Example: soc response list --case SC-2026-0001
    """
    from soc.cli.opening import operator

    with _desk() as desk:
        rows = desk.all(operator(), case_id=case, agent_id=agent, request_id=request)
    for row in rows:
        _print(row, datetime.now(UTC), as_json=as_json)


@app.command()
def show(
    command: Id,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the answers and bundle, byte for byte.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show a command and its answers; the answers are evidence, kept as they came.

    Example: soc response show rc-0123456789abcdef01234567 --out evidence
    """
    from soc.cli.case import print_line
    from soc.cli.opening import operator
    from soc.errors import NotFound
    from soc.site import load_settings

    with _desk() as desk:
        row = desk.find(operator(), command)
        if row is None:
            raise NotFound("command", command)
        results = desk.results(operator(), command)
    _print(row, datetime.now(UTC), as_json=as_json)
    for one in results:
        plain = {
            "command": command,
            "agent": one.agent_id,
            "state": one.state,
            "reason": one.reason,
            "received_at": one.received_at,
            "sha256": one.sha256,
        }
        text = f"  {one.received_at:%Y-%m-%d %H:%M:%SZ}  {one.agent_id}  {one.state}  {one.sha256}"
        print_line(plain, f"{text}  {one.reason}", as_json=as_json)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        for one in results:
            (out / f"{command}.{one.sha256[:12]}.json").write_bytes(one.raw)
        if row.evidence_sha256:
            bundle = load_settings().evidence_home / row.evidence_sha256
            (out / f"{command}.tar.zst").write_bytes(bundle.read_bytes())


@app.command()
def measures(as_json: Json = False) -> None:
    """List the measures in force: by whom, for which case, until when.

    Example: soc response measures --json
    """
    from soc.cli.opening import operator

    now = datetime.now(UTC)
    with _desk() as desk:
        for row in desk.measures(operator(), now):
            _print(row, now, as_json=as_json)


def _read_parameters(text: str) -> dict[str, Any]:
    import json

    from soc.errors import FormError

    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FormError("--parameters", [f"no JSON: {error}"]) from error
    if not isinstance(found, dict):
        raise FormError("--parameters", ['expected an object, such as {"seconds": 600}'])
    return found


def _print(row: ResponseCommandRow, now: datetime, *, as_json: bool) -> None:
    from soc.cli.case import print_line
    from soc.respond.response_states import plain_of

    plain = plain_of(row, now)
    text = (
        f"{row.id}  {plain['state']:<9}  {row.action} {row.verb:<7}  {row.host}  by {row.asked_by}"
        + (f", approved by {row.approved_by}" if row.approved_by else "")
        + (f"  until {row.until:%Y-%m-%d %H:%MZ}" if row.until else "")
        + (f"  {row.answer}" if row.answer else "")
    )
    print_line(plain, text, as_json=as_json)
