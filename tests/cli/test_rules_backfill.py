"""``soc rules backfill``: asked for on the command line, done by the worker, seen in the ledger."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from soc.detect.current import publish
from soc.detect.packs import compile_pack
from soc.errors import NotFound
from soc.model.event import Event
from soc.model.scope import Scope
from soc.records.audit import AuditRow
from soc.records.batches import SignalRow
from soc.records.database import Database
from soc.settings import Settings
from soc.site.events import open_store
from soc.site.work import backfill_of
from tests.cli.test_rules_import import run, site  # noqa: F401 (a fixture for every test)
from tests.detect.builders import ID, rule, write_rules

PROVINCE = Scope.province("test")


def test_a_rule_judges_what_is_stored(tmp_path):
    run("list")  # the site's database is made by the first command
    settings = Settings()
    detection = {"s": {"user.name": "an"}, "condition": "s"}
    pack = compile_pack([write_rules(tmp_path / "drafts", [rule(1, detection)])])
    publish(pack, settings.packs_home)
    store = open_store(settings, writable=True)
    at = datetime.now(UTC) - timedelta(days=3)
    fields = {"event.dataset": "test.unit", "user.name": "an"}
    store.append(PROVINCE, [Event("t", at, fields, b"", "7" * 32, at, None, None, 0, "may01")])
    store.close()

    with pytest.raises(NotFound):
        run("backfill", ID.format(3))
    code, said = run("backfill", ID.format(1), "--days", "5")
    assert (code, said[0]) == (0, "5 windows of a day are owed; see `soc rules ledger`")
    assert any("5 windows owed  history: Rule 1" in line for line in run("ledger")[1])

    database, store = Database(settings.database_url), open_store(settings, writable=False)
    backfill_of(settings, database, store).work(datetime.now(UTC))
    store.close()
    with database.session(PROVINCE) as session:
        assert [row.event_id for row in session.scalars(select(SignalRow))] == ["7" * 32]
        acts = list(session.scalars(select(AuditRow.action)))
    database.close()
    assert "rule.backfill" in acts
    assert not any("history: " in line for line in run("ledger")[1])
