"""``soc rules``: detection rules, from import and check to forecast, score and the decision about each."""

from __future__ import annotations

import sys
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from soc.cli import (
    rules_backfill,
    rules_baselines,
    rules_convert,
    rules_forecast,
    rules_guide,
    rules_ledger,
    rules_score,
    rules_tune,
)
from soc.cli.rules_import import import_rules
from soc.cli.rules_state import set_state, site_states, state_text

if TYPE_CHECKING:
    from soc.detect.explain import Explanation
    from soc.detect.packs import Pack

app = typer.Typer(no_args_is_help=True, help=__doc__, rich_markup_mode=None)
app.command("backfill")(rules_backfill.command)
app.command("convert")(rules_convert.command)
app.command("forecast")(rules_forecast.command)
app.command("guide")(rules_guide.command)
app.command("baselines")(rules_baselines.command)
app.command("ledger")(rules_ledger.command)
app.command("score")(rules_score.command)
app.command("tune")(rules_tune.command)
app.command("import")(import_rules)
app.command("state")(set_state)


class Names(StrEnum):
    """Field names of the events."""

    native = "native"
    ecs = "ecs"


RulesOption = Annotated[
    list[Path] | None,
    typer.Option("--rules", help="A folder of rules or a rule file; default: the site's rules."),
]
MappingOption = Annotated[
    Names, typer.Option(help="Field names of the events: ECS, or Sigma's own.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]


def _folders(rules: list[Path] | None) -> list[Path]:
    if rules:
        return rules
    from soc.site import load_settings, rule_folders

    return rule_folders(load_settings())


def _pack(rules: list[Path] | None, mapping: Names) -> Pack:
    from soc.detect.packs import compile_pack, user_cache

    return compile_pack(_folders(rules), mapping=mapping.value, cache=user_cache())


def _print_json(value: Any) -> None:
    import orjson

    sys.stdout.buffer.write(orjson.dumps(value, default=str) + b"\n")


@app.command("list")
def list_rules(
    rules: RulesOption = None, mapping: MappingOption = Names.ecs, json: JsonOption = False
) -> None:
    """List the rules and correlations by id, those of the site with their state, and which are untested.

    Example: soc rules list --rules rules/
    """
    pack = _pack(rules, mapping)
    state_of = None if rules else site_states()
    every = (*pack.rules.values(), *pack.correlation_facts.values())
    for rule in sorted(every, key=lambda one: one.id):
        if json:
            plain = {name: value for name, value in asdict(rule).items() if name != "source"}
            _print_json(plain | (state_of(rule) if state_of else {}))
        else:
            said = f"{state_text(state_of(rule))}  " if state_of else ""
            typer.echo(f"{rule.id}  {rule.level:13}  {said}{rule.title}")


@app.command()
def check(
    rules: RulesOption = None, mapping: MappingOption = Names.ecs, json: JsonOption = False
) -> None:
    """Say which rules are refused, with the place and what to do, and which can never match.

    Exit code 1 if a rule was refused, or if its guidance cannot be followed; a rule that cannot match is only named.

    Example: soc rules check --rules rules/
    """
    pack = _pack(rules, mapping)
    for refused in pack.refused:
        if json:
            _print_json({"refused": asdict(refused)})
        else:
            hint = f" ({refused.hint})" if refused.hint else ""
            typer.echo(f"{refused.place}: {refused.reason}{hint}")
    for idle in pack.cannot_match:
        if json:
            _print_json({"cannot_match": asdict(idle)})
        else:
            typer.echo(f"{idle.path}: cannot match: {idle.reason}")
    unguided = list(rules_guide.faults(pack, _folders(rules)))
    for fault in unguided:
        if json:
            _print_json({"guidance": fault})
        else:
            typer.echo(fault)
    typer.echo(
        f"{len(pack.rules)} rules active, {len(pack.refused)} refused, "
        f"{len(pack.cannot_match)} cannot match",
        err=True,
    )
    if pack.refused or unguided:
        raise typer.Exit(1)


@app.command()
def explain(
    rule_id: Annotated[str, typer.Argument(help="The rule's id, or the path of its file.")],
    event: Annotated[Path, typer.Argument(help="A JSON event: one object, or JSON lines.")],
    rules: RulesOption = None,
    mapping: MappingOption = Names.ecs,
    json: JsonOption = False,
) -> None:
    """Show each condition of a rule true or false for each event of a file.

    Example: soc rules explain 5f0c2b1e-7b1d-4f0a-9f3e-2d8a4f4b6c10 event.json --rules rules/
    """
    from soc.detect.event_files import FileProblem, Item, members, records
    from soc.detect.matcher import Matcher
    from soc.detect.native_events import flat, native_fields

    path = Path(rule_id)
    pack = _pack([path] if path.suffix == ".yml" else rules, mapping)
    if path.suffix == ".yml" and pack.rules:
        rule_id = next(iter(pack.rules))
    if rule_id not in pack.rules:
        reasons = [f"{one.place}: {one.reason}" for one in pack.refused]
        reasons += [f"cannot match: {one.reason}" for one in pack.cannot_match if one.id == rule_id]
        typer.echo("soc rules: no active rule " + "; ".join([rule_id, *reasons]), err=True)
        raise typer.Exit(2)
    if not event.exists():
        typer.echo(f"soc rules: {event}: no such file", err=True)
        raise typer.Exit(2)
    matcher = Matcher(pack)
    failed = False
    for member in members(event):
        found = [member] if isinstance(member, FileProblem) else records(*member)
        for item in found:
            if not isinstance(item, Item) or item.event is None:
                typer.echo(f"soc rules: {item}", err=True)
                failed = True
                continue
            fields = flat(item.event) if mapping is Names.ecs else native_fields(item.event)
            tree = matcher.explain(rule_id, fields)
            if json:
                _print_json({"record": item.record, "explanation": tree.as_json()})
            else:
                verdict = "matches" if tree.holds else "does not match"
                typer.echo(f"{item.record}: {matcher.rules[rule_id].title}: {verdict}")
                _print_tree(tree, 1)
    if failed:
        raise typer.Exit(2)


def _print_tree(tree: Explanation, depth: int) -> None:
    sign = "✓" if tree.holds else "✗"
    value = f"    is {tree.value!r}" if tree.kind == "test" and tree.field else ""
    typer.echo("  " * depth + f"{sign} {tree.label}{value}")
    for part in tree.parts:
        _print_tree(part, depth + 1)


@app.command("test")
def run_tests(rules: RulesOption = None, mapping: MappingOption = Names.ecs) -> None:
    """Run the cases files beside the rules; exit code 1 if a case fails or a rule is refused.

    Example: soc rules test --rules rules/
    """
    from soc.detect.cases import run_cases
    from soc.detect.matcher import Matcher

    pack = _pack(rules, mapping)
    for refused in pack.refused:
        typer.echo(f"{refused.place}: {refused.reason}")
    outcomes = list(run_cases(Matcher(pack)))
    wrong = [outcome for outcome in outcomes if not outcome.right]
    for outcome in wrong:
        did = "matches" if outcome.matched else "stays quiet"
        place = f"{outcome.case.path}:{outcome.case.line}"
        typer.echo(f"{place}: the rule {did}, expected {outcome.case.expect}: {outcome.case.why}")
    typer.echo(f"{len(outcomes)} cases, {len(wrong)} wrong", err=True)
    if wrong or pack.refused:
        raise typer.Exit(1)
