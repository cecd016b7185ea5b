"""The access desk: sign in and out, who is behind a token, one's own password and preferences."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from soc.access.accounts import Accounts, get_account
from soc.access.attempts import Attempts
from soc.access.passwords import Passwords, check_new_password
from soc.access.roles import Roles, shipped_roles
from soc.access.scope import scope_of
from soc.access.second_factor import matching_step, new_secret
from soc.access.sessions import (
    NOTED_EVERY,
    NewSession,
    end_sessions,
    find_session,
    forget_old_sessions,
    open_session,
    sessions_of,
)
from soc.errors import FormError, NotAuthenticated
from soc.model.scope import Scope
from soc.records.accounts import AccountRow, SessionRow
from soc.records.audit import audit
from soc.records.database import Database

SYSTEM = Scope.province()
LANGUAGES = frozenset({"vi", "en"})
THEMES = frozenset({"light", "dark", ""})  # "": as the browser says


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is behind a live session, and what is still asked of them before they may do anything else."""

    account: str
    full_name: str
    role: str
    permissions: frozenset[str]
    scope: Scope
    language: str
    theme: str
    single_keys: bool
    csrf: str
    session: str  # digest of the token
    owes: str  # "password": change the one-time password; "second_factor": set up the app; ""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Where a request comes from."""

    address: str = ""
    user_agent: str = ""


class AccessDesk:
    """What the console asks about people. ``second_factor``: administrators need one on this site."""

    def __init__(
        self,
        database: Database,
        *,
        second_factor: bool,
        passwords: Passwords | None = None,
        attempts: Attempts | None = None,
        roles: Roles | None = None,
    ) -> None:
        self.database = database
        self.second_factor = second_factor
        self.passwords = passwords or Passwords()
        self.attempts = attempts or Attempts()
        self.roles = roles or shipped_roles()
        self.accounts = Accounts(database, passwords=self.passwords, roles=self.roles)

    def sign_in(
        self,
        name: str,
        password: str,
        *,
        code: str = "",
        kind: str = "browser",
        visitor: Visitor,
        now: datetime,
    ) -> NewSession:
        """Open a session. One text for every refusal, so that it tells nothing about accounts.

        Args:
            code: of the authenticator app, where the account has one.
            kind: browser or api.

        Raises:
            NotAuthenticated: name, password or code is wrong, or the account is disabled.
            Overloaded: too many failures from here or for this account.
        """
        self.attempts.check(name, visitor.address)
        with self.database.session(SYSTEM) as session:
            row = session.get(AccountRow, name)
            kept_hash = row.password_hash if row is not None else None
        right = self.passwords.verify(password, kept_hash)
        with self.database.write(Scope.province(name[:80])) as session:
            account = session.get(AccountRow, name) if right else None
            same = account is not None and account.password_hash == kept_hash
            if account is not None and same and self._may_enter(account, code, now):
                made = self._enter(session, account, password, kind, visitor, now)
                self.attempts.succeeded(name, visitor.address)
                return made
            self._note_failure(session, name, visitor, now)
        self.attempts.failed(name, visitor.address)
        raise NotAuthenticated("the account, the password or the code is not right")

    def sign_out(self, identity: Identity, *, visitor: Visitor, now: datetime) -> None:
        with self.database.write(identity.scope) as session:
            row = session.get(SessionRow, identity.session)
            if row is not None:
                session.delete(row)
            audit(
                session,
                identity.scope,
                "sign_out",
                "account",
                identity.account,
                address=visitor.address,
                now=now,
            )

    def find(self, token: str, *, kind: str, now: datetime) -> Identity | None:
        """Who is behind the token; None when it is no live session of that kind."""
        with self.database.session(SYSTEM) as session:
            row = find_session(session, token, kind=kind, now=now)
            account = session.get(AccountRow, row.account) if row is not None else None
            if row is None or account is None or account.disabled_at is not None:
                return None
            identity = self._identity(session, row, account)
        if now - row.last_used_at >= NOTED_EVERY:
            self._note_use(row.token_sha256, now)
        return identity

    def csrf_of(self, token: str, *, now: datetime) -> str | None:
        """The form token of a browser's live session; None when there is no such session."""
        with self.database.session(SYSTEM) as session:
            row = find_session(session, token, kind="browser", now=now)
            return None if row is None else row.csrf

    def change_password(self, identity: Identity, old: str, new: str, *, now: datetime) -> None:
        """Replace one's own password; every other session of the account ends.

        Raises:
            NotAuthenticated: the old password is wrong.
            FormError: the new one is too weak, or the same.
        """
        self.attempts.check(identity.account, "change")
        with self.database.session(SYSTEM) as session:
            kept_hash = get_account(session, identity.account).password_hash
        if not self.passwords.verify(old, kept_hash):
            self.attempts.failed(identity.account, "change")
            raise NotAuthenticated("the old password is not right")
        check_new_password(new, account=identity.account)
        if new == old:
            raise FormError("password", ["the new password is the old one"])
        new_hash = self.passwords.hash(new)
        with self.database.write(identity.scope) as session:
            row = get_account(session, identity.account)
            row.password_hash, row.must_change = new_hash, False
            end_sessions(session, identity.account, but=identity.session)
            audit(session, identity.scope, "account.password", "account", identity.account, now=now)

    def propose_second_factor(self) -> str:
        """A new secret for an authenticator app; it counts only when a code of it was shown."""
        return new_secret()

    def keep_second_factor(
        self, identity: Identity, secret: str, code: str, *, now: datetime
    ) -> None:
        """Keep the secret of an authenticator app whose code is right.

        Raises:
            FormError: the code is not of this secret and time, or there is an authenticator already.
        """
        step = matching_step(secret, code, after_step=0, now=now)
        with self.database.write(identity.scope) as session:
            row = get_account(session, identity.account)
            if row.totp_secret:
                raise FormError("code", ["the account has an authenticator; ask for a reset first"])
            if step is None:
                raise FormError("code", ["the code is not right; is the telephone's clock?"])
            row.totp_secret, row.totp_last_step = secret, step
            audit(
                session,
                identity.scope,
                "account.second_factor",
                "account",
                identity.account,
                now=now,
            )

    def prefer(
        self,
        identity: Identity,
        *,
        language: str | None = None,
        theme: str | None = None,
        single_keys: bool | None = None,
    ) -> None:
        """Keep what the person likes; unknown values change nothing."""
        with self.database.write(identity.scope) as session:
            row = get_account(session, identity.account)
            if language in LANGUAGES:
                row.language = str(language)
            if theme in THEMES:
                row.theme = str(theme)
            if single_keys is not None:
                row.single_keys = single_keys

    def note_denied(
        self, identity: Identity, permission: str, place: str, *, visitor: Visitor, now: datetime
    ) -> None:
        """Audit an act that was refused for want of a permission."""
        with self.database.write(identity.scope) as session:
            audit(
                session,
                identity.scope,
                "denied",
                "permission",
                permission,
                place[:200],
                address=visitor.address,
                now=now,
            )

    def sessions(self, scope: Scope, account: str, *, now: datetime) -> list[SessionRow]:
        with self.database.session(scope) as session:
            return sessions_of(session, account, now=now)

    def revoke_sessions(self, scope: Scope, account: str, *, now: datetime) -> int:
        """End every session of an account; returns how many."""
        with self.database.write(scope) as session:
            get_account(session, account)
            ended = end_sessions(session, account)
            audit(
                session,
                scope,
                "account.sign_out",
                "account",
                account,
                detail={"sessions": ended},
                now=now,
            )
        return ended

    def _may_enter(self, account: AccountRow, code: str, now: datetime) -> bool:
        if account.disabled_at is not None:
            return False
        if not account.totp_secret:
            return True  # where one is required, the session owes it and may do nothing else
        step = matching_step(account.totp_secret, code, after_step=account.totp_last_step, now=now)
        if step is None:
            return False
        account.totp_last_step = step
        return True

    def _enter(
        self,
        session: Session,
        account: AccountRow,
        password: str,
        kind: str,
        visitor: Visitor,
        now: datetime,
    ) -> NewSession:
        if self.passwords.outdated(account.password_hash):
            account.password_hash = self.passwords.hash(password)
        account.failed_sign_ins, account.last_sign_in_at = 0, now
        forget_old_sessions(session, now=now)
        made = open_session(
            session,
            account,
            kind=kind,
            address=visitor.address,
            user_agent=visitor.user_agent,
            now=now,
        )
        audit(
            session,
            Scope.province(account.name),
            "sign_in",
            "account",
            account.name,
            detail={"kind": kind},
            address=visitor.address,
            now=now,
        )
        return made

    @staticmethod
    def _note_failure(session: Session, name: str, visitor: Visitor, now: datetime) -> None:
        account = session.get(AccountRow, name)
        if account is not None:
            account.failed_sign_ins += 1
        audit(
            session,
            Scope.province("nobody"),
            "sign_in.failed",
            "account",
            name[:120],
            address=visitor.address,
            now=now,
        )

    def _note_use(self, token_sha256: str, now: datetime) -> None:
        with self.database.write(SYSTEM) as session:
            row = session.get(SessionRow, token_sha256)
            if row is not None:
                row.last_used_at = now

    def _identity(self, session: Session, row: SessionRow, account: AccountRow) -> Identity:
        role = self.roles.get(account.role)
        owes = "password" if account.must_change else ""
        if not owes and self.second_factor and role.needs_second_factor and not account.totp_secret:
            owes = "second_factor"
        return Identity(
            account=account.name,
            full_name=account.full_name or account.name,
            role=account.role,
            permissions=role.permissions,
            scope=scope_of(session, account),
            language=account.language,
            theme=account.theme,
            single_keys=account.single_keys,
            csrf=row.csrf,
            session=row.token_sha256,
            owes=owes,
        )
