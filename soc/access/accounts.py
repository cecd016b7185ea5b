"""Accounts: who may sign in, in which role, for which agencies."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from soc.access.passwords import Passwords, one_time_password
from soc.access.roles import Roles, shipped_roles
from soc.access.sessions import end_sessions
from soc.errors import Conflict, FormError, NotFound
from soc.model.scope import Scope
from soc.records.accounts import AccountRow
from soc.records.audit import audit
from soc.records.database import Database
from soc.records.register import AgencyRow

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}")
FIRST = "admin"


class Accounts:
    """Make, change and disable accounts. Each act is audited in its own transaction."""

    def __init__(
        self, database: Database, *, passwords: Passwords | None = None, roles: Roles | None = None
    ) -> None:
        self.database = database
        self.passwords = passwords or Passwords()
        self.roles = roles or shipped_roles()

    def first_administrator(self, *, now: datetime) -> tuple[str, str] | None:
        """Make the first account on an empty site: (name, one-time password); None where there are accounts."""
        everyone = Scope.province()
        with self.database.session(everyone) as session:
            if session.scalar(select(func.count()).select_from(AccountRow)):
                return None
        password = self.add(everyone, FIRST, role="administrator", agency_ids=None, now=now)
        return FIRST, password

    def add(
        self,
        scope: Scope,
        name: str,
        *,
        role: str,
        agency_ids: Sequence[str] | None,
        full_name: str = "",
        now: datetime,
    ) -> str:
        """Make an account and return its one-time password, which is kept nowhere.

        Args:
            agency_ids: keys of agencies; None is the whole province.

        Raises:
            FormError: a name, role or agency that cannot be.
            Conflict: the name is taken.
        """
        password = one_time_password()
        password_hash = self.passwords.hash(password)
        with self.database.write(scope) as session:
            self._check(session, name, role, agency_ids)
            if session.get(AccountRow, name) is not None:
                raise Conflict(f"there is an account {name!r} already")
            session.add(
                AccountRow(
                    name=name,
                    full_name=full_name,
                    role=role,
                    agency_ids=None if agency_ids is None else sorted(set(agency_ids)),
                    password_hash=password_hash,
                    must_change=True,
                    created_at=now,
                )
            )
            detail = {"role": role, "agency_ids": agency_ids and list(agency_ids)}
            audit(session, scope, "account.add", "account", name, detail=detail, now=now)
        return password

    def all(self, scope: Scope) -> list[AccountRow]:
        with self.database.session(scope) as session:
            return list(session.scalars(select(AccountRow).order_by(AccountRow.name)))

    def change_role(
        self,
        scope: Scope,
        name: str,
        *,
        role: str,
        agency_ids: Sequence[str] | None,
        now: datetime,
    ) -> None:
        """Give another role and agencies; the account's sessions end, so that none outlives its rights."""
        with self.database.write(scope) as session:
            self._check(session, name, role, agency_ids)
            row = get_account(session, name)
            if row.role == "administrator" and role != "administrator":
                self._keep_one_administrator(session, row)
            before = {"role": row.role, "agency_ids": row.agency_ids}
            row.role = role
            row.agency_ids = None if agency_ids is None else sorted(set(agency_ids))
            end_sessions(session, name)
            detail = {"before": before, "role": role, "agency_ids": row.agency_ids}
            audit(session, scope, "account.role", "account", name, detail=detail, now=now)

    def disable(self, scope: Scope, name: str, *, now: datetime) -> None:
        """No more sign-ins; open sessions end at once. The row stays: the audit log names it."""
        with self.database.write(scope) as session:
            row = get_account(session, name)
            self._keep_one_administrator(session, row)
            row.disabled_at = row.disabled_at or now
            end_sessions(session, name)
            audit(session, scope, "account.disable", "account", name, now=now)

    def enable(self, scope: Scope, name: str, *, now: datetime) -> None:
        with self.database.write(scope) as session:
            get_account(session, name).disabled_at = None
            audit(session, scope, "account.enable", "account", name, now=now)

    def reset(self, scope: Scope, name: str, *, second_factor: bool = False, now: datetime) -> str:
        """Give a new one-time password, and forget the authenticator if ``second_factor``; sessions end."""
        password = one_time_password()
        password_hash = self.passwords.hash(password)
        with self.database.write(scope) as session:
            row = get_account(session, name)
            row.password_hash, row.must_change = password_hash, True
            if second_factor:
                row.totp_secret, row.totp_last_step = "", 0
            end_sessions(session, name)
            detail = {"second_factor": second_factor}
            audit(session, scope, "account.reset", "account", name, detail=detail, now=now)
        return password

    def _check(
        self, session: Session, name: str, role: str, agency_ids: Sequence[str] | None
    ) -> None:
        problems = []
        if not NAME.fullmatch(name):
            problems.append("a name has 1-80 of a-z, 0-9, dot, hyphen and underscore")
        if role not in self.roles:
            problems.append(
                f"there is no role {role!r}; the roles are {', '.join(self.roles.names())}"
            )
        elif self.roles.get(role).of_agencies and not agency_ids:
            problems.append(f"the role {role} needs at least one agency")
        known = set(session.scalars(select(AgencyRow.id).where(AgencyRow.id.in_(agency_ids or ()))))
        problems += [f"there is no agency {key!r}" for key in agency_ids or () if key not in known]
        if problems:
            raise FormError("account", problems)

    @staticmethod
    def _keep_one_administrator(session: Session, leaving: AccountRow) -> None:
        if leaving.role != "administrator" or leaving.disabled_at is not None:
            return
        others = select(func.count()).where(
            AccountRow.role == "administrator",
            AccountRow.disabled_at.is_(None),
            AccountRow.name != leaving.name,
        )
        if not session.scalar(others):
            raise Conflict(f"{leaving.name} is the only administrator; make another one first")


def get_account(session: Session, name: str) -> AccountRow:
    """The account's row.

    Raises:
        NotFound: there is none of that name.
    """
    row = session.get(AccountRow, name)
    if row is None:
        raise NotFound("account", name)
    return row
