"""``soc rules score``: recall on labelled attacks, and alarms where nothing happened."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from soc.detect.packs import Pack
    from soc.detect.score import Match, Score

LABELS = "labels.jsonl"


def command(
    sets: Annotated[
        list[Path],
        typer.Argument(
            metavar="SET...", help="Folders of events; labels.jsonl in one says what is expected."
        ),
    ],
    rules: Annotated[
        list[Path] | None,
        typer.Option("--rules", help="Rule files or folders; default: the site's rules."),
    ] = None,
    mapping: Annotated[str, typer.Option(help="Field names of the events: ecs or native.")] = "ecs",
    source: Annotated[str, typer.Option(help="The reader of .log files.")] = "auto",
    labels: Annotated[
        Path | None, typer.Option(help="A file of labels for all sets, instead of their own.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Keep the score in this file.")] = None,
    against: Annotated[
        Path | None, typer.Option(help="An earlier score: exit code 1 if a detection is lost.")
    ] = None,
) -> None:
    """Say which share of labelled attacks each rule finds, and its alarms per 100,000 events.

    `soc simulate FOLDER --attack all` makes such a set, and without --attack a quiet one.

    Example: soc rules score thu-nghiem --rules rules/ --against rules/score.json
    """
    import orjson

    from soc.detect.packs import compile_pack, user_cache
    from soc.detect.score import Score, read_labels
    from soc.site import load_settings, rule_folders

    pack = compile_pack(rules or rule_folders(load_settings()), mapping=mapping, cache=user_cache())
    score = Score()
    for folder in sets:
        path = labels or folder / LABELS
        known = read_labels(path) if labels or path.exists() else []
        events, matches = _scanned(pack, folder, source)
        score.add(events, known, matches)
    _say(score, pack)
    if out is not None:
        out.write_bytes(orjson.dumps(score.plain(), option=orjson.OPT_INDENT_2) + b"\n")
    lost = score.lost(orjson.loads(against.read_bytes())) if against else []
    for rule_id, before, now in lost:
        facts = pack.rules.get(rule_id) or pack.correlation_facts.get(rule_id)
        title = facts.title if facts else "a rule that is not there any more"
        typer.echo(f"lost: {rule_id} {title}: found {before} before, {now} now", err=True)
    if lost:
        raise typer.Exit(1)


def _scanned(pack: Pack, folder: Path, source: str) -> tuple[int, list[Match]]:
    """How many events a set has, and the matches of the rules."""
    import orjson

    from soc.cli.scan import Scan
    from soc.detect.score import LABEL_FILES

    class Collecting(Scan):
        """A scan that keeps what it would print."""

        def _write(self, line: bytes) -> None:
            rows.append(orjson.loads(line))

    rows: list[dict[str, Any]] = []
    scan = Collecting(pack, source=source, table=False)
    inputs = [folder]
    if folder.is_dir():
        inputs = [path for path in sorted(folder.iterdir()) if path.name not in LABEL_FILES]
    scan.run(inputs)
    return scan.events, [_match(row) for row in rows]


def _match(row: dict[str, Any]) -> Match:
    from datetime import UTC, datetime

    from soc.detect.score import Match

    try:
        time = datetime.fromisoformat(str(row["time"]))
        time = time if time.tzinfo else time.replace(tzinfo=UTC)
    except ValueError:
        time = None
    return Match(row["rule_id"], row["file"], int(row["record"]), time)


def _say(score: Score, pack: Pack) -> None:
    for key in sorted(score.expected.keys() | {one for one, n in score.alarms.items() if n}):
        facts = pack.rules.get(key) or pack.correlation_facts.get(key)
        found = f"{score.found[key]} of {score.expected[key]}" if score.expected[key] else "-"
        typer.echo(
            f"{key}  found {found:>9}  alarms {score.alarms_per(key):8.2f}  "
            f"{facts.title if facts else 'no such rule'}"
        )
    typer.echo(
        f"{score.events} events: recall {score.recall:.1%}, "
        f"{score.alarms_per():.1f} alarms per 100,000 events",
        err=True,
    )
