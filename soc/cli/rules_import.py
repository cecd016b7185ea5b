"""``soc rules import``: bring in a release of rules; what was edited here survives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypeVar

import typer

if TYPE_CHECKING:
    from soc.detect.cases import Outcome
    from soc.detect.facts import CannotMatch, Refused
    from soc.detect.imports import Imported
    from soc.detect.packs import Pack
    from soc.detect.releases import Release

T = TypeVar("T", "Refused", "CannotMatch")
KINDS = ("added", "updated", "merged", "moved", "removed", "kept", "conflict")


def import_rules(
    release: Annotated[Path, typer.Argument(help="A folder of Sigma rules, or a release's zip.")],
    name: Annotated[str, typer.Option(help="What the set is called here.")] = "sigmahq",
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Import a release of Sigma rules, or a newer one over it; each change is a line, then the sum.

    Rules come in testing (see `soc rules state`). Yours are below SOC_HOME/rule-sets/NAME/local: edit them there; the
    next import keeps your changes, and names each place that the release has changed too.

    Exit code 1 if a rule was refused, a change of yours stands against the release's, or a case beside a rule fails.

    Example: soc rules import sigma_all_rules.zip
    """
    import orjson

    from soc.cli.opening import operator, site_database
    from soc.detect.imports import RuleSets
    from soc.detect.packs import compile_pack, user_cache
    from soc.detect.releases import read_release
    from soc.detect.rule_states import RuleDecisions, RuleState
    from soc.records.audit import audit
    from soc.site import load_settings, rule_folders

    settings, who, now = load_settings(), operator(), datetime.now(UTC)
    taken = read_release(release)
    database = site_database()

    @contextmanager
    def recorded(done: Imported) -> Iterator[None]:
        with database.write(who) as session:
            audit(session, who, "rules.import", "rules", name, _sum(done, taken), now=now)
            yield

    try:
        decided = RuleDecisions(database).states().decided
        done = RuleSets(settings.rule_sets_home).take(
            name,
            taken,
            now=now,
            actor=who.actor,
            is_active=lambda rule_id: decided.get(rule_id) is RuleState.ACTIVE,
            recorded=recorded,
        )
    finally:
        database.close()
    pack = compile_pack(rule_folders(settings), cache=user_cache())
    refused = [*taken.refused, *_of(done, pack.refused)]
    failing = _failing(done, pack)
    for line in _lines(done, refused, failing):
        print(orjson.dumps(line.plain).decode() if json else line.text)
    idle = len(_of(done, pack.cannot_match))
    total = f"{_sum(done, taken)}; {len(refused)} refused, {idle} cannot match"
    total += f", {len(failing)} cases fail" if failing else ""
    counts = _counts(done) | {
        "refused": len(refused),
        "cannot_match": idle,
        "failing": len(failing),
    }
    about = {"release": taken.name, "rules": done.rules, "licences": taken.licences}
    print(orjson.dumps({"summary": counts | about}).decode() if json else total)
    if refused or failing or _counts(done)["conflict"]:
        raise typer.Exit(1)


class _Line(NamedTuple):
    text: str
    plain: dict[str, Any]


def _lines(
    done: Imported, refused: Sequence[Refused], failing: Sequence[Outcome]
) -> Iterator[_Line]:
    for change in done.plan.changes:
        plain = asdict(change)
        yield _Line(f"{change.kind:8}  {change.place}" + _after(change.text), plain)
    for one in refused:
        hint = f" ({one.hint})" if one.hint else ""
        plain = {"kind": "refused"} | asdict(one)
        yield _Line(f"{'refused':8}  {one.place}{_after(one.reason)}{hint}", plain)
    for outcome in failing:
        case, title = outcome.case, outcome.rule.title
        place = {"path": str(case.path), "line": case.line}
        plain = {"kind": "failing", **place, "text": case.why, "rule": outcome.rule.id}
        said = f"{case.path}:{case.line}: expected {case.expect} of {title!r}: {case.why}"
        yield _Line(f"{'failing':8}  {said}", plain)


def _failing(done: Imported, pack: Pack) -> list[Outcome]:
    """The cases of this set's rules, yours among them, that the rules now fail."""
    from soc.detect.cases import run_cases
    from soc.detect.matcher import Matcher

    if not any(done.folder.rglob("*.cases.jsonl")):
        return []
    outcomes = [one for one in run_cases(Matcher(pack)) if not one.right]
    return [one for one in outcomes if one.case.path.is_relative_to(done.folder)]


def _after(text: str) -> str:
    return f": {text}" if text else ""


def _of(done: Imported, found: Iterable[T]) -> list[T]:
    """What was said of the files of this set."""
    return [one for one in found if Path(one.path).is_relative_to(done.folder)]


def _counts(done: Imported) -> dict[str, int]:
    said = Counter(change.kind for change in done.plan.changes)
    return {kind: said[kind] for kind in KINDS}


def _sum(done: Imported, taken: Release) -> str:
    said = ", ".join(f"{number} {kind}" for kind, number in _counts(done).items() if number)
    licence = ", ".join(taken.licences) or "no licence file: see each rule's own"
    left = f", {taken.left_out} other files left out" if taken.left_out else ""
    return f"{taken.name}: {done.rules} rules in {done.folder} ({said or 'nothing new'}{left}; {licence})"
