"""``soc events``: read files to events without a server, and the records that were set aside."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from soc.model.event import Event, RawRecord
    from soc.records.batches import SetAsideRow
    from soc.settings import Settings

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)
aside = typer.Typer(no_args_is_help=True, help="Records that could not be read, with their bytes.")
app.add_typer(aside, name="set-aside")
Json = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
Source = Annotated[str, typer.Option(help="Only records of this source.")]


@app.command()
def read(
    files: Annotated[list[Path], typer.Argument(help="EVTX files, or files of lines.")],
    source: Annotated[str, typer.Option(help="The reader's name, or auto.")] = "auto",
) -> None:
    """Read files to ECS events, one JSON object a line; nothing is stored. Unreadable records go to stderr as JSON.

    Exit code 1 when a record could not be read, 2 when a file could not.

    Example: soc events read --source syslog /var/log/auth.log
    """
    from soc.collect.discovery import readers
    from soc.errors import NotFound

    if source != "auto" and source not in readers():
        raise NotFound("source", f"{source} (known: auto, {', '.join(sorted(readers()))})")
    unread = 0
    for path in files:
        try:
            for record in records_of(path, source, datetime.now(UTC)):
                unread += _print_events(record, path)
        except OSError as error:
            typer.echo(f"soc: {path}: {error.strerror or error}", err=True)
            raise typer.Exit(2) from error
    if unread:
        raise typer.Exit(1)


def _print_events(record: RawRecord, path: Path) -> int:
    from soc.collect import discovery
    from soc.errors import RecordError

    try:
        for event in discovery.read(record):
            sys.stdout.write(json.dumps(plain_event(event), ensure_ascii=False) + "\n")
    except RecordError as error:
        reason = {"file": str(path), "record": record.sequence, "source": error.source}
        reason |= {"reason": error.reason, "raw": record.raw.decode("utf-8", "backslashreplace")}
        sys.stderr.write(json.dumps(reason, ensure_ascii=False) + "\n")
        return 1
    return 0


def records_of(path: Path, source: str, now: datetime) -> Iterator[RawRecord]:
    """The records of a file as an agent would ship them: an EVTX file's XML, else lines."""
    from collectors.agent.inputs.column_names import may_name_columns, with_names
    from soc.model.event import RawRecord

    if path.suffix.lower() == ".evtx":
        for number, xml in _evtx_records(path):
            yield RawRecord(xml, "windows_xml", now, stream=f"evtx:{path}", sequence=number)
        return
    names = b""
    with path.open("rb") as file:
        is_w3c = may_name_columns(file.fileno())
        for number, line in enumerate(file, 1):
            raw = line.rstrip(b"\r\n")
            if is_w3c:
                names, (raw,) = with_names(names, [raw])
            yield RawRecord(raw, source, now, stream=f"file:{path}", sequence=number)


def _evtx_records(path: Path) -> Iterator[tuple[int, bytes]]:
    """Record ids with the XML of each; what the file's headers promise and do not hold goes to stderr.

    Raises:
        OSError: not an EVTX file.
    """
    from evtx import PyEvtxParser

    from collectors.agent.inputs.evtx_files import outline_of

    outline = outline_of(path)
    if outline.problem:
        sys.stderr.write(json.dumps({"file": str(path), "reason": outline.problem}) + "\n")
    if not outline.present_chunks:
        raise OSError(outline.problem or "the file holds no records")
    records = PyEvtxParser(str(path), number_of_threads=1).records()
    while True:
        try:
            record: dict[str, Any] | None = next(records, None)
        except RuntimeError as error:
            sys.stderr.write(json.dumps({"file": str(path), "reason": str(error)}) + "\n")
            continue
        if record is None:
            return
        yield record["event_record_id"], record["data"].encode()


def plain_event(event: Event) -> dict[str, Any]:
    return {"@timestamp": event.observed_at.isoformat(), **event.fields}


@aside.command("list")
def list_aside(
    source: Source = "",
    replayed: Annotated[bool, typer.Option(help="Also those that were replayed.")] = False,
    size: Annotated[int, typer.Option(min=1, max=10_000)] = 100,
    as_json: Json = False,
) -> None:
    """List set-aside records, the newest first, one a line.

    Example: soc events set-aside list --source syslog
    """
    from soc.cli.case import open_database, print_line
    from soc.collect.set_aside import list_set_aside
    from soc.model.scope import Scope

    with open_database() as (_, database):
        rows = list_set_aside(
            database,
            Scope.province("command line"),
            source=source,
            waiting=not replayed,
            size=size,
        )
    for row in rows:
        print_line(plain(row), text(row), as_json=as_json)


@aside.command()
def show(
    key: Annotated[str, typer.Argument(help="The record's id.")],
    raw: Annotated[bool, typer.Option("--raw", help="Write the bytes as they came.")] = False,
) -> None:
    """Show one set-aside record with its reason and bytes.

    Example: soc events set-aside show 5f0c2b1e7b1d4f0a9f3e2d8a4f4b6c10 --raw > record.bin
    """
    from soc.cli.case import open_database, print_line
    from soc.collect.set_aside import get_set_aside
    from soc.model.scope import Scope

    with open_database() as (_, database):
        row = get_set_aside(database, Scope.province("command line"), key)
    if raw:
        sys.stdout.buffer.write(row.raw)
        return
    facts = plain(row) | {"raw": row.raw.decode("utf-8", "backslashreplace")}
    print_line(
        facts, "\n".join(f"{name:16} {value}" for name, value in facts.items()), as_json=False
    )


@aside.command()
def replay(
    keys: Annotated[list[str] | None, typer.Argument(help="Ids; none means all.")] = None,
    source: Source = "",
    as_json: Json = False,
) -> None:
    """Read set-aside records again, after the reader was mended. The running door does it.

    Exit code 1 when some stay set aside.

    Example: soc events set-aside replay --source syslog
    """
    from soc.cli.case import open_database, print_line
    from soc.collect.set_aside import waiting_for_replay
    from soc.model.scope import Scope

    with open_database() as (settings, database):
        wanted = waiting_for_replay(
            database, Scope.province("command line"), keys=keys or [], source=source
        )
    done = ask_door(settings, wanted)
    for key, reason in done["stay"].items():
        print_line({"id": key, "stays": reason}, f"{key}  stays: {reason}", as_json=as_json)
    stored, stay = len(done["stored"]), len(done["stay"])
    print_line({"stored": stored, "stay": stay}, f"{stored} stored, {stay} stay", as_json=as_json)
    if stay:
        raise typer.Exit(1)


def ask_door(settings: Settings, ids: list[str]) -> dict[str, Any]:
    """Have the door replay these records.

    Raises:
        SettingsError: no door answers.
    """
    import ssl
    import urllib.error
    import urllib.request

    from soc.errors import SettingsError
    from soc.site.door import ADMIN_FILE

    url = f"https://localhost:{settings.door_port}/v1/admin/replay"
    try:
        secret = (settings.keys_home / ADMIN_FILE).read_text(encoding="ascii")
        trust = ssl.create_default_context(cafile=str(settings.keys_home / "ca.pem"))
        request = urllib.request.Request(
            url,
            data=json.dumps({"ids": ids}).encode(),
            headers={"Authorization": f"Bearer {secret}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, context=trust, timeout=600) as reply:  # noqa: S310
            answer: dict[str, Any] = json.load(reply)
            return answer
    except (urllib.error.URLError, OSError) as error:
        raise SettingsError(
            f"the door at {url} does not answer ({error}): start `soc up`"
        ) from error


def plain(row: SetAsideRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "source": row.source,
        "reason": row.reason,
        "reader_version": row.reader_version,
        "agent_id": row.agent_id,
        "host": row.host,
        "stream": row.stream,
        "sequence": row.sequence,
        "bytes": len(row.raw),
        "received_at": row.received_at,
        "replayed_at": row.replayed_at,
    }


def text(row: SetAsideRow) -> str:
    start = row.raw[:60].decode("utf-8", "backslashreplace")
    return f"{row.id}  {row.received_at:%Y-%m-%d %H:%M:%SZ}  {row.source:<14} {row.reason}: {start}"
