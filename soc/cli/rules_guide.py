"""``soc rules guide``: what people who see a rule's alerts are told."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from soc.detect.facts import RuleFacts
    from soc.detect.guidance import GuidanceTable
    from soc.detect.packs import Pack
    from soc.model.guidance import Check, Guidance


def command(
    rule: Annotated[
        str | None, typer.Argument(help="The rule's id, or the path of its file; default: all.")
    ] = None,
    rules: Annotated[
        list[Path] | None,
        typer.Option("--rules", help="A folder of rules or a rule file; default: the site's."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Show what a rule's alerts mean, three checks with their queries, when it is nothing, and the playbook.

    A rule says it itself or gets it from the table by its technique and log source (``row`` says which).

    Example: soc rules guide rules/windows/shadow-copies-deleted.yml
    """
    from soc.detect.guidance import logsource_of
    from soc.detect.packs import compile_pack, user_cache
    from soc.errors import NotFound
    from soc.site import load_settings, rule_folders

    path = Path(rule) if rule and rule.endswith(".yml") else None
    folders = [path] if path else rules or rule_folders(load_settings())
    pack = compile_pack(folders, cache=user_cache())
    table = table_for(folders)
    wanted = [one for one in told(pack) if path or rule in (None, one.id)]
    if rule and not wanted:
        raise NotFound("rule (see `soc rules list`)", rule)
    for facts in wanted:
        guidance = table.of(facts, logsource_of(facts.id, pack.rules, pack.correlations))
        if json:
            _print_json({"id": facts.id, "title": facts.title, **_plain(guidance)})
        else:
            typer.echo("\n".join(_lines(facts, guidance)))


def table_for(folders: Sequence[Path]) -> GuidanceTable:
    """The table of one of the folders, else the shipped one. Raises RuleError."""
    from soc.detect.guidance import load_guidance
    from soc.shipped import folder

    return load_guidance([*folders, folder("rules")])


def told(pack: Pack) -> list[RuleFacts]:
    """The rules that make alerts, by id."""
    every = {**pack.rules, **pack.correlation_facts}
    return [every[rule_id] for rule_id in sorted(every.keys() - set(pack.silent))]


def faults(pack: Pack, folders: Sequence[Path]) -> Iterator[str]:
    """What rules say of themselves that nobody can follow, with their files; and a table that cannot be used."""
    from soc.errors import RuleError
    from soc.respond.playbook_files import load_playbooks
    from soc.site import load_settings, playbook_folder

    try:
        table = table_for(folders)
    except RuleError as error:
        yield str(error)
        return
    playbooks = load_playbooks(playbook_folder(load_settings()))[0]
    for facts in told(pack):
        yield from (f"{facts.path}: {fault}" for fault in table.faults(facts, playbooks))
    for tag, row in table.rows.items():
        if row.playbook not in playbooks:
            yield f"guidance.yaml: the row of {tag} names no playbook there is: {row.playbook!r}"


def _plain(guidance: Guidance) -> dict[str, Any]:
    checks = [
        asdict(check) | {"before": _span(check.before), "after": _span(check.after)}
        for check in guidance.checks
    ]
    return asdict(guidance) | {"checks": checks}


def _lines(facts: RuleFacts, guidance: Guidance) -> Iterator[str]:
    yield f"{facts.id}  {facts.title}"
    yield f"  means        {' '.join(guidance.means_vi.split())}"
    yield f"               {' '.join(guidance.means_en.split())}"
    for number, check in enumerate(guidance.checks, 1):
        yield f"  check {number}      {check.ask_vi}"
        yield f"               {check.ask_en}"
        yield from (f"               {query}" for query in check.queries)
        yield f"               {_window(check)}"
    yield f"  false alarm  {' '.join(guidance.false_alarm_vi.split())}"
    yield f"               {' '.join(guidance.false_alarm_en.split())}"
    yield f"  playbook     {guidance.playbook}"
    yield f"  row          {guidance.row}"


def _window(check: Check) -> str:
    return f"from {_span(check.before)} before to {_span(check.after)} after"


def _span(span: Any) -> str:
    """As the table writes it.

    >>> from datetime import timedelta
    >>> _span(timedelta(days=7)), _span(timedelta(hours=24)), _span(timedelta(minutes=90))
    ('7d', '24h', '90m')
    """
    minutes = int(span.total_seconds() // 60)
    if minutes % 1440 == 0 and minutes > 1440:
        return f"{minutes // 1440}d"
    return f"{minutes // 60}h" if minutes and minutes % 60 == 0 else f"{minutes}m"


def _print_json(value: Any) -> None:
    import orjson

    sys.stdout.buffer.write(orjson.dumps(value, default=str) + b"\n")
