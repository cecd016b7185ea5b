"""``soc playbooks``: what playbooks there are; as CACAO 2.0 and from it; a dry run on a recorded alert."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from soc.respond.playbook_shapes import Playbook

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)
Name = Annotated[str, typer.Argument(metavar="PLAYBOOK", help="Its id, as `list` shows it.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]


@app.command("list")
def show(as_json: Json = False) -> None:
    """The playbooks of the site, a line each."""
    for name, book in sorted(_shelf().items()):
        facts = {
            "id": name,
            "version": book.version,
            "steps": len(book.steps),
            "title": book.title_vi,
        }
        print(
            json.dumps(facts, ensure_ascii=False)
            if as_json
            else f"{name:45} {len(book.steps):3}  {book.title_vi}"
        )


@app.command()
def check(
    files: Annotated[
        list[Path], typer.Argument(help="Playbook files, .yml; or .json in CACAO 2.0.")
    ],
) -> None:
    """Say of each file whether it can be used, and if not why."""
    from soc.errors import PlaybookError
    from soc.respond.cacao_import import from_cacao
    from soc.respond.playbook_files import load_playbook

    bad = 0
    for path in files:
        try:
            book = from_cacao(path.read_bytes()) if path.suffix == ".json" else load_playbook(path)
            print(f"{path}: {book.id}, {len(book.steps)} steps")
        except (PlaybookError, OSError) as error:
            bad += 1
            print(f"{path}: {error}", file=sys.stderr)
    raise typer.Exit(1 if bad else 0)


@app.command()
def export(
    playbook: Name,
    out: Annotated[Path | None, typer.Option(help="A file; default: standard output.")] = None,
) -> None:
    """Give a playbook as CACAO 2.0 JSON.

    Example: soc playbooks export ransomware-on-server --out ransomware.json
    """
    from soc.respond.cacao_export import to_cacao

    content = to_cacao(_of(playbook), at=datetime.now(UTC))
    text = json.dumps(content, ensure_ascii=False, indent=2) + "\n"
    if out is None:
        print(text, end="")
    else:
        out.write_text(text, "utf-8")


@app.command("import")
def take(
    file: Annotated[Path, typer.Argument(help="CACAO 2.0 JSON.", exists=True, dir_okay=False)],
    folder: Annotated[
        Path | None, typer.Option(help="Where the .yml goes; default: the site's SOC_PLAYBOOKS.")
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Write over one of that id.")] = False,
) -> None:
    """Make a playbook file of CACAO 2.0 JSON. Commands of other tools become text for people, and never run."""
    import yaml

    from soc.errors import Conflict
    from soc.respond.cacao_import import from_cacao
    from soc.site import load_settings, playbook_folder

    book = from_cacao(file.read_bytes())
    place = (folder or playbook_folder(load_settings())) / f"{book.id}.yml"
    if place.exists() and not replace:
        raise Conflict(f"{place} is there already; --replace writes over it")
    plain = book.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    place.write_text(yaml.safe_dump(plain, allow_unicode=True, sort_keys=False, width=120), "utf-8")
    print(f"{place}: {book.id}, {len(book.steps)} steps")


@app.command()
def rehearse(
    playbook: Name,
    alert: Annotated[str, typer.Option(help="A recorded alert, such as CB-000001.")],
    answer: Annotated[
        list[str] | None,
        typer.Option(help="STEP=OPTION for a decision; the others take their first option."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Run a playbook dry on a recorded alert, in a throw-away copy: who does what when, and what would fail.

    Example: soc playbooks rehearse ransomware-on-server --alert CB-000001
    """
    from dataclasses import asdict

    from soc.cli.opening import site_database
    from soc.report.case_reports import CaseReports
    from soc.report.form_files import Forms
    from soc.respond.playbook_files import plain
    from soc.respond.rehearsal import rehearse as play
    from soc.site import load_settings

    book, chosen = _of(playbook), dict(one.partition("=")[::2] for one in answer or ())
    for step, option in chosen.items():
        _check_answer(book, step, option)
    settings, database = load_settings(), site_database()
    try:
        steps = play(
            database,
            plain(_shelf()),
            CaseReports(Forms(), zone=settings.zone),
            playbook_id=playbook,
            alert_id=alert,
            answer=lambda step: chosen.get(step["id"], step["options"][0]["id"]),
            now=datetime.now(UTC),
        )
    finally:
        database.close()
    for one in steps:
        said = f"+{one.at:>5} min  {one.state:8} {one.who:10} {one.step_id}: {one.title}"
        line = f"{said} ({one.note})" if one.note else said
        print(json.dumps(asdict(one), ensure_ascii=False) if as_json else line)
    raise typer.Exit(0 if all(one.state in {"done", "skipped"} for one in steps) else 1)


def _check_answer(book: Playbook, step_id: str, option: str) -> None:
    from soc.errors import NotFound

    step = next((one for one in book.steps if one.id == step_id and one.kind == "decision"), None)
    if step is None:
        raise NotFound("decision", step_id)
    if option not in {one.id for one in step.options}:
        raise NotFound(f"option of {step_id}", option)


def _of(name: str) -> Playbook:
    from soc.errors import NotFound

    found = _shelf().get(name)
    if found is None:
        raise NotFound("playbook (see `soc playbooks list`)", name)
    return found


def _shelf() -> dict[str, Playbook]:
    from soc.respond.playbook_files import load_playbooks
    from soc.site import load_settings, playbook_folder

    playbooks, refused = load_playbooks(playbook_folder(load_settings()))
    for error in refused:
        print(f"soc: {error}", file=sys.stderr)
    return playbooks
