"""A site with a few agencies and people, and hashing that costs nothing."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from argon2 import PasswordHasher

from soc.access.desk import AccessDesk, Visitor
from soc.access.passwords import Passwords
from soc.model.scope import Scope
from soc.records.database import Database
from soc.records.register import AgencyRow

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
HERE = Visitor("10.8.6.50", "a browser")
EVERYBODY = Scope.province("tests")
PASSWORD = "bốn chữ ngẫu nhiên 2026"


@pytest.fixture(scope="session")
def quick_passwords() -> Passwords:
    return Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


@pytest.fixture
def access(database: Database, quick_passwords: Passwords) -> AccessDesk:
    """A desk over three agencies; the old one was merged into Sở Xây dựng."""
    with database.write(EVERYBODY) as session:
        session.add_all(
            [
                AgencyRow(id="sxd", code="H99.08", name="Sở Xây dựng"),
                AgencyRow(id="syt", code="H99.09", name="Sở Y tế"),
                AgencyRow(
                    id="sgtvt",
                    code="H99.35",
                    name="Sở Giao thông vận tải",
                    valid_to=date(2025, 2, 28),
                    successor_id="sxd",
                ),
            ]
        )
    return AccessDesk(database, second_factor=True, passwords=quick_passwords)


def settled_account(
    access: AccessDesk,
    name: str = "thuha",
    role: str = "analyst",
    agencies: list[str] | None = None,
) -> str:
    """An account that has chosen its password; returns the name."""
    one_time = access.accounts.add(EVERYBODY, name, role=role, agency_ids=agencies, now=NOW)
    made = access.sign_in(name, one_time, visitor=HERE, now=NOW)
    identity = access.find(made.token, kind="browser", now=NOW)
    assert identity is not None
    access.change_password(identity, one_time, PASSWORD, now=NOW)
    access.sign_out(identity, visitor=HERE, now=NOW)
    return name
