"""``soc doctor``: what is wrong with this site, and what to do."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from soc.settings import Settings

STALE_AFTER = timedelta(seconds=30)


def command() -> None:
    """Check this site's folder, disk, processes and rules. Exit code 1 when something is wrong.

    Example: SOC_HOME=var soc doctor
    """
    from soc.settings import Settings

    settings, now = Settings(), datetime.now(UTC)
    for line in places_told(settings, now):
        print(line)
    problems = list(problems_of(settings, now))
    for problem in problems:
        print(f"- {problem}")
    if problems:
        raise typer.Exit(1)
    print("Nothing is wrong with this site.")


def problems_of(settings: Settings, now: datetime) -> Iterator[str]:
    """Each problem as a sentence with its remedy."""
    if not (settings.home / "soc.sqlite").exists():
        yield f"there is no site in {settings.home}: start one with `soc up`, or set SOC_HOME"
        return
    disk = shutil.disk_usage(settings.home)
    if disk.used / disk.total >= 0.8:
        yield f"the disk of {settings.home} is {disk.used / disk.total:.0%} full: make room, at 95 % the door refuses"
    if not (settings.packs_home / "current").exists():
        yield "no rules are compiled: start the worker (`soc up` does), or look at its log"
    yield from problems_of_places(settings, now)
    yield from problems_in_records(settings, now)


def places_told(settings: Settings, now: datetime) -> Iterator[str]:
    """The build date and age of each .mmdb file that can be read now."""
    from soc.normalise.places import Places

    for path, file in Places(settings.places).files.items():
        if file.built_at is not None:
            yield f"{path}: {file.kind}, built {file.built_at:%d/%m/%Y}, {(now - file.built_at).days} days old"


def problems_of_places(settings: Settings, now: datetime) -> Iterator[str]:
    """Each .mmdb file that cannot be read, or is too old."""
    from soc.normalise.places import TOO_OLD, Places

    for path, file in Places(settings.places).files.items():
        if file.fault:
            yield f"{file.fault}: put a whole file there with `mv`"
        elif file.too_old(now):
            yield f"{path} is older than {TOO_OLD.days} days: addresses may have moved; put a newer file there"


def slow_rules(detail: Mapping[str, Any]) -> Iterator[str]:
    """Each rule with an expression that took too long on some event."""
    for rule_id, times in (detail.get("rules_over_budget") or {}).items():
        yield (
            f"the rule {rule_id} could not judge {times} values in time: mend its expression; "
            f"`soc search 'soc.unjudged_rules:\"{rule_id}\"'` finds the events"
        )


def wrong_clocks(session: Session) -> Iterator[str]:
    """Each clock that is off by ten minutes or more now."""
    from sqlalchemy import select

    from soc.records.agents import AgentRow
    from soc.records.clocks import ClockRow

    wanted = select(ClockRow, AgentRow.name).join(AgentRow, AgentRow.id == ClockRow.agent_id)
    for row, name in session.execute(wanted.where(ClockRow.episode_id != "")):
        host = f"{row.host} (in {row.stream} of {name})" if row.stream else name
        yield f"the clock of {host} is {row.offset_us / 1e6:+.0f} s from ours: set it by NTP"


def problems_in_records(settings: Settings, now: datetime) -> Iterator[str]:
    from sqlalchemy import func, select

    from soc.model.scope import Scope
    from soc.records.batches import SetAsideRow
    from soc.records.database import Database
    from soc.records.jobs import HeartbeatRow, JobRow, RuleStateRow
    from soc.records.outbox import OutboxRow

    database = Database(settings.database_url)
    with database.session(Scope.province("command line")) as session:
        beats = {row.process: row for row in session.scalars(select(HeartbeatRow))}
        counts = {
            "records are set aside: `soc events set-aside list`": select(
                func.count(SetAsideRow.id)
            ).where(SetAsideRow.replayed_at.is_(None)),
            "rules are refused: `soc rules check`": select(func.count(RuleStateRow.rule_id)).where(
                RuleStateRow.state == "refused"
            ),
            "messages could not be delivered: `soc national status`": select(
                func.count(OutboxRow.id)
            ).where(OutboxRow.state == "dead"),
            "jobs have failed: look at the health page": select(func.count(JobRow.id)).where(
                JobRow.state == "failed"
            ),
        }
        for what, statement in counts.items():
            if number := session.scalar(statement):
                yield f"{number} {what}"
        yield from wrong_clocks(session)
    database.close()
    door = beats.get("door")
    yield from slow_rules(door.detail if door else {})
    for process in ("door", "work"):
        beat = beats.get(process)
        if beat is None or now - beat.at > STALE_AFTER:
            last = "never" if beat is None else f"last at {beat.at:%d/%m/%Y %H:%M:%S} UTC"
            yield (
                f"the {process} process does not report ({last}): is `soc up` running? "
                f"Its log is in {settings.home / 'log'}"
            )
