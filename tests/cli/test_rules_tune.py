"""``soc rules tune``: what it suggests hides nothing that was confirmed, however old and by whatever field."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from soc.alert.join import Joiner
from soc.detect.kept_matches import NEWEST
from soc.model.event import Event, Signal, signal_id
from soc.model.scope import Scope
from soc.receive.rows import insert_signals
from soc.records.alerts import AlertRow
from soc.records.database import Database
from soc.settings import Settings
from soc.site.events import open_store
from tests.cli.test_rules_import import run, site  # noqa: F401 (a fixture for every test)

RULE = "5f0c2b1e-7b1d-4f0a-9f3e-2d8a4f4b6c10"
PROVINCE = Scope.province("test")


def happened(number: int, ago: timedelta, **fields: str) -> Event:
    at = datetime.now(UTC) - ago
    named = {name.replace("__", "."): value for name, value in fields.items()}
    return Event("t", at, named, b"", f"{number:032x}", at, None, None, 0, "may01")


def signal(one: Event, **matched: str) -> Signal:
    named = {name.replace("__", "."): value for name, value in matched.items()}
    return Signal(
        signal_id(RULE, one.id), RULE, "Rule", "high", one.id, one.observed_at, one.received_at,
        None, None, 0, one.host, f"host:{one.host}", named,
    )  # fmt: skip


def suggested() -> list[list[list[str]]]:
    code, lines = run("tune", RULE, "--json")
    assert code == 0
    return [json.loads(line)["where"] for line in lines if line.startswith("{")]


def test_no_suggestion_hides_an_old_confirmed_alert(tmp_path):
    """It lies behind more newer matches than are looked at, and differs in a field that few exceptions name."""
    run("list")  # the site's database is made by the first command
    settings = Settings()
    database, store = Database(settings.database_url), open_store(settings, writable=True)
    shared = {"process__command_line": "backup.exe /all", "process__hash__md5": "d4" * 16}
    old = happened(1, timedelta(days=20), **shared, user__name="ke-gian")
    newer = [
        happened(number, timedelta(hours=1), **shared, user__name="svc-backup")
        for number in range(2, NEWEST + 3)
    ]
    store.append(PROVINCE, [old, *newer[-50:]])
    store.close()
    matched = {"process__hash__md5": "d4" * 16}
    with database.write(PROVINCE) as session:
        insert_signals(session, [signal(old, **matched)])
    Joiner(database).join(datetime.now(UTC))
    with database.write(PROVINCE) as session:
        alert = session.scalars(select(AlertRow)).one()
        alert.status, alert.disposition = "closed", "true_positive"
        insert_signals(session, [signal(one, **matched) for one in newer])
    database.close()
    found = suggested()
    assert [["user.name", "svc-backup"]] in found
    assert not [one for one in found if one[0][0] != "user.name"]
