"""Roles and scope: what an account may do, and for whom."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from soc.access import audit_log
from soc.access.desk import AccessDesk
from soc.access.roles import Roles, shipped_roles
from soc.errors import FormError, NotAllowed
from soc.model.scope import Scope
from soc.records.audit import last_digest
from tests.access.conftest import EVERYBODY, HERE, NOW, PASSWORD, settled_account


def scope_of(access: AccessDesk, name: str) -> Scope:
    made = access.sign_in(name, PASSWORD, visitor=HERE, now=NOW)
    return access.find(made.token, kind="browser", now=NOW).scope


def test_an_officers_scope_holds_the_agencies_that_were_merged_into_theirs(access: AccessDesk):
    """Old alerts of Sở Giao thông vận tải are now Sở Xây dựng's to see."""
    settled_account(access, "officer", "agency_officer", ["sxd"])
    assert scope_of(access, "officer") == Scope.of("sxd", "sgtvt", actor="officer")


def test_an_account_without_agencies_named_sees_the_whole_province(access: AccessDesk):
    """That is what the shift's accounts are."""
    settled_account(access, "thuha")
    assert scope_of(access, "thuha") == Scope.province("thuha")


def test_an_agency_officer_must_name_an_agency(access: AccessDesk):
    """An officer of the whole province would be a mistake nobody sees."""
    with pytest.raises(FormError, match="needs at least one agency"):
        access.accounts.add(EVERYBODY, "x1", role="agency_officer", agency_ids=None, now=NOW)


def test_an_account_of_an_unknown_agency_is_refused(access: AccessDesk):
    """A slip of the pen would give an account that sees nothing."""
    with pytest.raises(FormError, match="no agency 'sdx'"):
        access.accounts.add(EVERYBODY, "x1", role="analyst", agency_ids=["sdx"], now=NOW)


def test_only_the_administrator_manages_users():
    """Nor does the SOC manager."""
    roles = shipped_roles()
    assert {n for n in roles.names() if "users.manage" in roles.get(n).permissions} == {
        "administrator"
    }


@pytest.mark.parametrize("role", ["auditor", "agency_officer"])
def test_who_only_looks_on_permits_no_act(role: str):
    """Auditors and agency officers change nothing."""
    acts = {"alerts.act", "cases.act", "reports.send", "users.manage", "settings.manage"}
    assert not acts & shipped_roles().get(role).permissions


def test_a_role_with_a_misspelt_permission_is_refused():
    """It would permit nothing, silently."""
    with pytest.raises(ValueError, match=r"alerts\.raed"):
        Roles.model_validate(
            {
                "permissions": ["alerts.read"],
                "roles": {"x": {"title": "X", "title_vi": "X", "permissions": ["alerts.raed"]}},
            }
        )


def test_the_untouched_audit_log_holds(access: AccessDesk):
    """Every act of the builders is in it."""
    settled_account(access)
    verified = audit_log.verify(access.database, EVERYBODY)
    assert (verified.rows, verified.problem) == (4, "")


def test_a_changed_audit_row_is_named(access: AccessDesk):
    """Somebody with the database file rewrote who it was."""
    settled_account(access)
    with access.database.write(EVERYBODY) as session:
        session.connection().execute(text("UPDATE audit SET actor='x' WHERE number=2"))
    assert audit_log.verify(access.database, EVERYBODY).number == 2


def test_a_seal_shows_that_the_end_was_cut_off(access: AccessDesk):
    """The rest of the chain holds by itself; the digest kept elsewhere is gone."""
    settled_account(access)
    with access.database.session(EVERYBODY) as session:
        seal = last_digest(session)
    assert audit_log.verify(access.database, EVERYBODY, seal=seal).problem == ""
    with access.database.write(EVERYBODY) as session:
        session.connection().execute(text("DELETE FROM audit WHERE number=4"))
    assert audit_log.verify(access.database, EVERYBODY).problem == ""
    assert audit_log.verify(access.database, EVERYBODY, seal=seal).problem


def test_a_part_of_the_audit_log_proves_nothing(access: AccessDesk):
    """Verification needs the whole province."""
    with pytest.raises(NotAllowed):
        audit_log.verify(access.database, Scope.of("sxd"))
