"""``soc rules ledger``: how far each rule has been evaluated, on the command line."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from soc.detect.current import publish
from soc.detect.packs import compile_pack
from soc.model.event import EPOCH
from soc.model.scope import Scope
from soc.records.correlations import CorrelationCursorRow, CorrelationOwedRow
from soc.records.database import Database
from soc.settings import Settings
from soc.shipped import folder
from tests.cli.test_rules_import import run, site  # noqa: F401 (a fixture for every test)

NOON = datetime(2026, 11, 26, 5, tzinfo=UTC)


def test_the_ledger_names_what_is_owed_and_why_a_window_failed(tmp_path: Path):
    run("list")  # the site's database is made by the first command
    settings = Settings()
    pack = compile_pack([folder("rules") / "web"])
    publish(pack, settings.packs_home)
    assert run("ledger")[1][0].startswith("nothing came yet  ")
    one, other, *_ = sorted(pack.correlations)
    at = (NOON - timedelta(hours=2) - EPOCH) // timedelta(microseconds=1)
    database = Database(settings.database_url)
    with database.write(Scope.province("test")) as session:
        session.add(CorrelationCursorRow(id=1, number=5, evaluated_at=NOON))
        for rule, state, error in ((one, "failed", "ValueError: x"), (other, "owed", "")):
            session.add(
                CorrelationOwedRow(
                    correlation_id=rule, group_key="g", start=at, end=at, due_at=NOON,
                    state=state, attempts=0, error=error,
                )
            )  # fmt: skip
    database.close()
    code, said = run("ledger")
    assert code == 1
    text = "\n".join(said)
    title = pack.correlation_facts[one].title
    assert (
        f"up to 2026-11-26 03:00:00Z, 1 failed and tried again: ValueError: x  {title}  {one}"
        in text
    )
    assert (
        f"up to 2026-11-26 05:00:00Z, 1 windows owed  {pack.correlation_facts[other].title}" in text
    )
    rows = [json.loads(line) for line in run("ledger", "--all", "--json")[1]]
    assert len(rows) == len(pack.correlations) + 2
