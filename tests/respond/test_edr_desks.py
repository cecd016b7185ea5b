"""Who is not protected, and where else a file is: within the caller's agencies, and with few questions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from soc.errors import QueryError
from soc.model.event import Event, event_id
from soc.model.scope import Scope
from soc.records.agents import AgentRow
from soc.records.database import Database
from soc.records.edr import EdrMachineRow
from soc.records.register import AgencyRow, AssetRow
from soc.respond.edr_desk import EdrDesk
from soc.respond.spread_desk import SpreadDesk, query_of
from soc.settings import Settings
from soc.store.embedded import EmbeddedStore
from tests.respond.builders import keep

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
PROVINCE, MINE = Scope.province("tests"), Scope.of("sxd", actor="officer")
DIGEST = "ab" * 32


def machine(
    name: str,
    agency: str = "sxd",
    *,
    product: str = "ESET",
    on: str = "on",
    signature: int = 0,
    contact: int = 0,
) -> EdrMachineRow:
    return EdrMachineRow(
        id=f"{agency}{name}{product}",
        key=name.casefold(),
        machine=name,
        product=product,
        protection=on,
        agency_id=agency,
        signature_date=NOW - timedelta(days=signature),
        last_contact=NOW - timedelta(days=contact),
    )


def event(number: int, agency: str, host: str, **fields: object) -> Event:
    return Event(
        source="edr",
        observed_at=NOW - timedelta(hours=number),
        received_at=NOW,
        raw=b"x",
        agency_id=agency,
        host=host,
        id=event_id("a", "0", "s", number, 0),
        fields={"host.name": host, "soc.agency_id": agency, **fields},
    )


class CountingStore(EmbeddedStore):
    asked = 0

    def aggregate(self, *given, **how):
        self.asked += 1
        return super().aggregate(*given, **how)


@pytest.fixture
def agencies(database: Database) -> Database:
    keep(
        database,
        *(AgencyRow(id=key, code=key, name=key.upper()) for key in ("sxd", "syt", "stc", "stp")),
    )
    return database


@pytest.fixture
def store(tmp_path: Path):
    made = CountingStore(
        tmp_path / "events", months=Settings(home=tmp_path).retention_months, writable=True
    )
    yield made
    made.close()


def problems(database: Database, scope: Scope = PROVINCE) -> dict[str, tuple[str, ...]]:
    return {one.machine: one.problems for one in EdrDesk(database).machines(scope, now=NOW)}


def test_each_machine_is_named_with_what_is_wrong(agencies):
    keep(
        agencies,
        machine("PC-1"),
        machine("PC-2", on="off"),
        machine("PC-3", signature=16),
        machine("PC-4", contact=8),
        machine("PC-5", signature=15, contact=7),
        AssetRow(id="x", name="pc-1.sxd.example", kind="workstation", agency_id="sxd"),
        AssetRow(id="y", name="PC-6", kind="workstation", agency_id="sxd"),
        AssetRow(id="z", name="SW-1", kind="switch", agency_id="sxd"),
        AgentRow(id="a", name="SRV-1", public_key=b"k", agency_id="sxd", enrolled_at=NOW),
        AgentRow(
            id="b", name="SRV-2", public_key=b"k", agency_id="sxd", enrolled_at=NOW, revoked_at=NOW
        ),
    )
    assert problems(agencies) == {
        "PC-1": (),
        "PC-2": ("off",),
        "PC-3": ("stale",),
        "PC-4": ("away",),
        "PC-5": (),
        "PC-6": ("missing",),
        "SRV-1": ("missing",),
    }
    (figures,) = EdrDesk(agencies).status(PROVINCE, now=NOW)
    assert (
        figures.machines,
        figures.on,
        figures.off,
        figures.stale,
        figures.away,
        figures.missing,
    ) == (5, 4, 1, 1, 1, 2)


def test_a_machine_with_two_products_is_protected_where_one_of_them_is_on(agencies):
    keep(agencies, machine("PC-1", on="off", signature=40), machine("PC-1", product="Defender"))
    assert problems(agencies) == {"PC-1": ()}


def test_a_machine_of_the_same_name_at_another_agency_is_another_one(agencies):
    keep(
        agencies,
        machine("PC-1"),
        AssetRow(id="x", name="PC-1", kind="workstation", agency_id="syt"),
    )
    assert [one.problems for one in EdrDesk(agencies).machines(PROVINCE, now=NOW)] == [
        (),
        ("missing",),
    ]


def test_an_officer_sees_the_own_agency_only(agencies, store):
    keep(
        agencies,
        machine("PC-1"),
        machine("PC-9", "syt"),
        AssetRow(id="x", name="PC-8", kind="server", agency_id="syt"),
    )
    store.append(
        PROVINCE, [event(1, "syt", "PC-9", **{"event.module": "edr", "file.hash.sha256": DIGEST})]
    )
    assert set(problems(agencies, MINE)) == {"PC-1"}
    assert EdrDesk(agencies).machines(MINE, now=NOW, agency="syt") == []
    (answer,) = SpreadDesk(agencies, store).spread(MINE, DIGEST, now=NOW).answers
    assert (answer.agency_id, answer.answer) == ("sxd", "silent")


def test_every_agency_answers_seen_not_seen_or_silent(agencies, store):
    keep(
        agencies,
        AgentRow(
            id="a", name="S", public_key=b"k", agency_id="stc", enrolled_at=NOW, last_seen_at=NOW
        ),
    )
    store.append(
        PROVINCE,
        [
            event(1, "sxd", "PC-1", **{"event.module": "edr", "file.hash.sha256": DIGEST}),
            event(2, "sxd", "PC-2", **{"process.hash.sha256": DIGEST}),
            event(3, "syt", "PC-3", **{"event.module": "edr", "event.kind": "state"}),
        ],
    )
    found = SpreadDesk(agencies, store).spread(PROVINCE, DIGEST.upper(), now=NOW)
    assert {one.agency_id: one.answer for one in found.answers} == {
        "sxd": "seen",
        "syt": "not_seen",
        "stc": "not_seen",
        "stp": "silent",
    }
    seen = found.answers[0]
    assert (seen.machines, seen.hosts) == (2, ("pc-1", "pc-2"))
    assert (seen.first, seen.last) == (NOW - timedelta(hours=2), NOW - timedelta(hours=1))
    assert store.asked == 2


@pytest.mark.parametrize(
    ("value", "fields"),
    [
        ("C:\\Users\\a b\\x.exe", {"file.path": "C:\\Users\\a b\\x.exe"}),
        ("/srv/x", {"process.executable": "/srv/x"}),
        ("Win32/Agent.X", {"rule.name": "Win32/Agent.X"}),
        ('Tro"jan * OR a', {"rule.name": 'Tro"jan * OR a'}),
        ("d" * 32, {"file.hash.md5": "d" * 32}),
        ("hóa đơn.exe", {"file.name": "hóa đơn.exe"}),
    ],
)
def test_a_path_a_name_and_a_hash_are_found_and_nothing_else(agencies, store, value, fields):
    store.append(
        PROVINCE,
        [event(1, "sxd", "PC-1", **fields), event(2, "syt", "PC-2", **{"rule.name": "Other"})],
    )
    found = SpreadDesk(agencies, store).spread(PROVINCE, value, now=NOW)
    assert [one.agency_id for one in found.of("seen")] == ["sxd"]


@pytest.mark.parametrize("value", ["", "  ", "x" * 1_001])
def test_nothing_is_not_looked_for(value):
    with pytest.raises(QueryError):
        query_of(value)
