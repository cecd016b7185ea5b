"""``soc rules state``: which rules are active, in testing or off, and who decided it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from soc.detect.facts import RuleFacts

if TYPE_CHECKING:
    from soc.detect.cases import Outcome
    from soc.detect.packs import Pack
    from soc.records.database import Database


def set_state(
    rule: Annotated[
        str, typer.Argument(help="Id of the rule or correlation; SET/ for all of an imported set.")
    ],
    state: Annotated[str, typer.Argument(help="active, testing or off.")],
    reason: Annotated[str, typer.Option(help="Why; kept with your name and the time.")],
    level: Annotated[
        list[str] | None, typer.Option(help="Of a set, only rules of this level; again for more.")
    ] = None,
) -> None:
    """Make a rule active, put it in testing, or switch it off; it counts within two seconds.

    In testing only a rule of level critical makes alerts; the matches of the others are kept. Before a rule becomes
    active its cases are run, and if one fails it does not. A rule without cases may become active, and is untested.

    Example: soc rules state 5f0c2b1e-7b1d-4f0a-9f3e-2d8a4f4b6c10 active --reason "hai tuần thử, không báo nhầm"
    """
    from soc.cli.opening import site_database
    from soc.detect.packs import compile_pack, user_cache
    from soc.detect.rule_states import RuleState
    from soc.errors import RuleError, SettingsError
    from soc.site import load_settings, rule_folders

    if state not in list(RuleState):
        raise SettingsError(f"no state {state!r}: choose {', '.join(RuleState)}")
    settings = load_settings()
    pack = compile_pack(rule_folders(settings), cache=user_cache())
    database = site_database()
    failed = False
    try:
        if not rule.endswith("/"):
            typer.echo(_decided_about(database, pack, _facts(pack, rule), state, reason))
            return
        for facts in _of_set(pack, settings.rule_sets_home / rule.strip("/"), level or ()):
            try:
                typer.echo(_decided_about(database, pack, facts, state, reason))
            except RuleError as error:
                failed = True
                typer.echo(f"soc rules: {error}", err=True)
    finally:
        database.close()
    if failed:
        raise typer.Exit(1)


def _decided_about(
    database: Database, pack: Pack, facts: RuleFacts, state: str, reason: str
) -> str:
    """Record the decision; says what it was."""
    from soc.cli.opening import operator
    from soc.detect.rule_states import RuleDecisions, RuleState

    row = RuleDecisions(database).decide(
        operator(),
        facts,
        RuleState(state),
        reason=reason,
        now=datetime.now(UTC),
        outcomes=_outcomes(pack, facts) if state == RuleState.ACTIVE else (),
    )
    tested = f", {row.cases} cases are right" if row.cases else ", untested: it has no cases"
    return f"{facts.id} is {state}{tested if state == RuleState.ACTIVE else ''}: {facts.title}"


def _of_set(pack: Pack, folder: Path, levels: Collection[str]) -> list[RuleFacts]:
    """The usable rules of an imported set. Raises NotFound if there are none."""
    from soc.errors import NotFound

    every = (*pack.rules.values(), *pack.correlation_facts.values())
    found = [
        one
        for one in every
        if one.path.startswith(f"{folder}/") and (not levels or one.level in levels)
    ]
    if not found:
        raise NotFound("imported rules of that set and level", folder.name)
    return found


def _facts(pack: Pack, rule_id: str) -> RuleFacts:
    """Raises RuleError for a rule that cannot be used, NotFound for one that is not there."""
    from soc.errors import NotFound, RuleError

    found = pack.rules.get(rule_id) or pack.correlation_facts.get(rule_id)
    if found is not None:
        return found
    for one in pack.cannot_match:
        if one.id == rule_id:
            raise RuleError(f"it cannot match: {one.reason}", path=one.path)
    raise NotFound("rule (see `soc rules list`, and `soc rules check` for refused ones)", rule_id)


def _outcomes(pack: Pack, facts: RuleFacts) -> list[Outcome]:
    from soc.detect.cases import cases_path, run_cases
    from soc.detect.matcher import Matcher

    if not cases_path(Path(facts.path)).exists():
        return []
    return list(run_cases(Matcher(pack), only=facts.path))


def site_states() -> Callable[[RuleFacts], dict[str, Any]]:
    """Tells the state of each rule of the site, and whether it has no cases."""
    from soc.detect.cases import cases_path
    from soc.detect.rule_states import RuleStates
    from soc.site import load_settings

    settings = load_settings()
    below = f"{settings.rule_sets_home}/"
    there = settings.home.is_dir() or not settings.database_url.startswith("sqlite:///")
    states = _decided() if there else RuleStates()

    def state_of(rule: RuleFacts) -> dict[str, Any]:
        state = states.of(rule.id, imported=rule.path.startswith(below))
        return {"state": str(state), "untested": not cases_path(Path(rule.path)).exists()}

    return state_of


def _decided() -> Any:
    from soc.cli.opening import site_database
    from soc.detect.rule_states import RuleDecisions

    database = site_database()
    try:
        return RuleDecisions(database).states()
    finally:
        database.close()


def state_text(found: dict[str, Any]) -> str:
    return f"{found['state']:7}  {'untested' if found['untested'] else '':8}"
