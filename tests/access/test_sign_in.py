"""Signing in: right, wrong, too often, and what a one-time password permits."""

from __future__ import annotations

from datetime import timedelta

import pyotp
import pytest
from sqlalchemy import select

from soc.access.attempts import AttemptLimits, Attempts
from soc.access.desk import AccessDesk, Visitor
from soc.access.sessions import IDLE, LONGEST, NOTED_EVERY
from soc.errors import Conflict, FormError, NotAuthenticated, Overloaded
from soc.records.accounts import AccountRow, AuditRow, SessionRow
from tests.access.conftest import EVERYBODY, HERE, NOW, PASSWORD, settled_account


def actions(access: AccessDesk) -> list[str]:
    with access.database.session(EVERYBODY) as session:
        return list(session.scalars(select(AuditRow.action).order_by(AuditRow.number)))


def test_the_first_administrator_is_made_once(access: AccessDesk):
    """A second start makes none."""
    name, password = access.accounts.first_administrator(now=NOW) or ("", "")
    assert (name, len(password)) == ("admin", 19)
    assert access.accounts.first_administrator(now=NOW) is None


def test_the_one_time_password_is_kept_only_as_argon2id(access: AccessDesk):
    """Neither the row nor the audit log knows it."""
    _, password = access.accounts.first_administrator(now=NOW) or ("", "")
    with access.database.session(EVERYBODY) as session:
        row = session.get(AccountRow, "admin")
        assert row.password_hash.startswith("$argon2id$")
        told = [
            str((each.text, each.detail, each.key)) for each in session.scalars(select(AuditRow))
        ]
    assert not any(password in text for text in told)


def test_a_one_time_password_owes_a_new_one(access: AccessDesk):
    """The session can be used for nothing else."""
    one_time = access.accounts.add(EVERYBODY, "lan", role="analyst", agency_ids=None, now=NOW)
    made = access.sign_in("lan", one_time, visitor=HERE, now=NOW)
    assert made.must_change
    assert access.find(made.token, kind="browser", now=NOW).owes == "password"


def test_after_the_change_the_one_time_password_is_worth_nothing(access: AccessDesk):
    """It was for one time."""
    one_time = access.accounts.add(EVERYBODY, "lan", role="analyst", agency_ids=None, now=NOW)
    made = access.sign_in("lan", one_time, visitor=HERE, now=NOW)
    access.change_password(
        access.find(made.token, kind="browser", now=NOW), one_time, PASSWORD, now=NOW
    )
    assert access.find(made.token, kind="browser", now=NOW).owes == ""
    with pytest.raises(NotAuthenticated):
        access.sign_in("lan", one_time, visitor=HERE, now=NOW)


def test_every_refusal_reads_the_same(access: AccessDesk):
    """Unknown account, wrong password, disabled account: nobody learns which."""
    settled_account(access, "thuha")
    settled_account(access, "gone")
    access.accounts.disable(EVERYBODY, "gone", now=NOW)
    texts = set()
    for name, password in (("nobody", PASSWORD), ("thuha", "wrong"), ("gone", PASSWORD)):
        with pytest.raises(NotAuthenticated) as refused:
            access.sign_in(name, password, visitor=HERE, now=NOW)
        texts.add(str(refused.value))
    assert len(texts) == 1


def test_sign_in_out_and_failures_are_audited(access: AccessDesk):
    """Who came, who left, who tried."""
    settled_account(access)
    with pytest.raises(NotAuthenticated):
        access.sign_in("thuha", "wrong", visitor=HERE, now=NOW)
    assert actions(access) == [
        "account.add",
        "sign_in",
        "account.password",
        "sign_out",
        "sign_in.failed",
    ]


def test_after_five_failures_even_the_right_password_waits(access: AccessDesk):
    """From this address; the answer says how long."""
    settled_account(access)
    for _ in range(5):
        with pytest.raises(NotAuthenticated):
            access.sign_in("thuha", "wrong", visitor=HERE, now=NOW)
    with pytest.raises(Overloaded) as refused:
        access.sign_in("thuha", PASSWORD, visitor=HERE, now=NOW)
    assert 0 < refused.value.retry_after_seconds <= 15 * 60


def test_failures_from_elsewhere_do_not_lock_the_owner_out_at_once(access: AccessDesk):
    """Five failures of a stranger's address leave the owner's address open."""
    settled_account(access)
    for _ in range(5):
        with pytest.raises(NotAuthenticated):
            access.sign_in("thuha", "wrong", visitor=Visitor("203.0.113.9"), now=NOW)
    assert access.sign_in("thuha", PASSWORD, visitor=HERE, now=NOW).token


def test_one_address_may_not_try_many_accounts(access: AccessDesk):
    """Password spraying stops at the address's own limit."""
    access.attempts = Attempts(AttemptLimits(per_address=3))
    for name in ("a1", "b2", "c3"):
        with pytest.raises(NotAuthenticated):
            access.sign_in(name, "Summer2026", visitor=HERE, now=NOW)
    with pytest.raises(Overloaded):
        access.sign_in("d4", "Summer2026", visitor=HERE, now=NOW)


def test_a_success_forgets_this_addresss_failures(access: AccessDesk):
    """A person who mistyped four times starts afresh."""
    settled_account(access)
    for _ in range(4):
        with pytest.raises(NotAuthenticated):
            access.sign_in("thuha", "wrong", visitor=HERE, now=NOW)
    access.sign_in("thuha", PASSWORD, visitor=HERE, now=NOW)
    assert access.attempts.left("thuha", HERE.address) == 5


@pytest.mark.parametrize(
    "bad", ["short", "aaaaaaaaaaaaaaaa", "xx-thuha-2026-xx", "x" * 201], ids=lambda text: text[:12]
)
def test_a_weak_new_password_is_refused(access: AccessDesk, bad: str):
    """Too short, one letter only, with the account's name, endless."""
    settled_account(access)
    made = access.sign_in("thuha", PASSWORD, visitor=HERE, now=NOW)
    identity = access.find(made.token, kind="browser", now=NOW)
    with pytest.raises(FormError):
        access.change_password(identity, PASSWORD, bad, now=NOW)


def test_a_new_password_ends_the_other_sessions_and_keeps_this_one(access: AccessDesk):
    """A stolen session does not outlive the change."""
    settled_account(access)
    stolen = access.sign_in("thuha", PASSWORD, visitor=HERE, now=NOW)
    mine = access.sign_in("thuha", PASSWORD, visitor=HERE, now=NOW)
    identity = access.find(mine.token, kind="browser", now=NOW)
    access.change_password(identity, PASSWORD, "một mật khẩu khác 2026", now=NOW)
    assert access.find(stolen.token, kind="browser", now=NOW) is None
    assert access.find(mine.token, kind="browser", now=NOW) is not None


def test_the_row_keeps_the_digest_and_not_the_token(access: AccessDesk):
    """A copy of the database opens no session."""
    settled_account(access)
    made = access.sign_in("thuha", PASSWORD, visitor=HERE, now=NOW)
    with access.database.session(EVERYBODY) as session:
        kept = [row.token_sha256 for row in session.scalars(select(SessionRow))]
    assert len(kept[0]) == 64
    assert made.token not in kept


def test_a_session_ends_after_an_hour_without_use(access: AccessDesk):
    """The instant itself is too late."""
    settled_account(access)
    made = access.sign_in("thuha", PASSWORD, visitor=HERE, now=NOW)
    assert access.find(made.token, kind="browser", now=NOW + IDLE) is None


def test_use_keeps_a_session_alive_but_not_beyond_eight_hours(access: AccessDesk):
    """Idle time starts anew with each use; the absolute end does not move."""
    settled_account(access)
    made = access.sign_in("thuha", PASSWORD, visitor=HERE, now=NOW)
    step = IDLE - NOTED_EVERY
    now = NOW
    while now + step < NOW + LONGEST:
        now += step
        assert access.find(made.token, kind="browser", now=now) is not None
    assert access.find(made.token, kind="browser", now=NOW + LONGEST) is None


def test_a_browsers_token_is_no_bearer_token(access: AccessDesk):
    """A cookie that leaked into a header is worth nothing there."""
    settled_account(access)
    made = access.sign_in("thuha", PASSWORD, visitor=HERE, now=NOW)
    assert access.find(made.token, kind="api", now=NOW) is None


def test_signing_out_ends_the_session(access: AccessDesk):
    """At the platform, not only in the browser."""
    settled_account(access)
    made = access.sign_in("thuha", PASSWORD, visitor=HERE, now=NOW)
    access.sign_out(access.find(made.token, kind="browser", now=NOW), visitor=HERE, now=NOW)
    assert access.find(made.token, kind="browser", now=NOW) is None


def test_disabling_an_account_ends_its_sessions_at_once(access: AccessDesk):
    """Whoever leaves is out."""
    settled_account(access)
    made = access.sign_in("thuha", PASSWORD, visitor=HERE, now=NOW)
    access.accounts.disable(EVERYBODY, "thuha", now=NOW)
    assert access.find(made.token, kind="browser", now=NOW) is None


def test_another_role_asks_for_a_new_sign_in(access: AccessDesk):
    """No session outlives the rights it was opened with."""
    settled_account(access)
    made = access.sign_in("thuha", PASSWORD, visitor=HERE, now=NOW)
    access.accounts.change_role(EVERYBODY, "thuha", role="auditor", agency_ids=None, now=NOW)
    assert access.find(made.token, kind="browser", now=NOW) is None


def test_the_last_administrator_cannot_be_disabled(access: AccessDesk):
    """Nobody locks everybody out."""
    access.accounts.first_administrator(now=NOW)
    with pytest.raises(Conflict):
        access.accounts.disable(EVERYBODY, "admin", now=NOW)


def test_an_administrator_owes_a_second_factor_on_a_reachable_site(access: AccessDesk):
    """Before it is set up, the session permits nothing else."""
    settled_account(access, "boss", "administrator")
    made = access.sign_in("boss", PASSWORD, visitor=HERE, now=NOW)
    assert access.find(made.token, kind="browser", now=NOW).owes == "second_factor"


def test_on_loopback_an_administrator_owes_none(access: AccessDesk):
    """Whoever sits at the machine itself."""
    access.second_factor = False
    settled_account(access, "boss", "administrator")
    made = access.sign_in("boss", PASSWORD, visitor=HERE, now=NOW)
    assert access.find(made.token, kind="browser", now=NOW).owes == ""


def with_second_factor(access: AccessDesk) -> pyotp.TOTP:
    """The account boss with an authenticator whose code of NOW has been used."""
    settled_account(access, "boss", "administrator")
    made = access.sign_in("boss", PASSWORD, visitor=HERE, now=NOW)
    identity = access.find(made.token, kind="browser", now=NOW)
    secret = access.propose_second_factor()
    access.keep_second_factor(identity, secret, pyotp.TOTP(secret).at(NOW), now=NOW)
    return pyotp.TOTP(secret)


def test_with_an_authenticator_the_password_alone_is_refused(access: AccessDesk):
    """And the refusal is the same text as for a wrong password."""
    with_second_factor(access)
    later = NOW + timedelta(minutes=2)
    with pytest.raises(NotAuthenticated):
        access.sign_in("boss", PASSWORD, visitor=HERE, now=later)


def test_a_code_is_good_for_one_sign_in(access: AccessDesk):
    """Whoever looked over the shoulder comes too late."""
    totp = with_second_factor(access)
    later = NOW + timedelta(minutes=2)
    assert access.sign_in("boss", PASSWORD, code=totp.at(later), visitor=HERE, now=later).token
    with pytest.raises(NotAuthenticated):
        access.sign_in("boss", PASSWORD, code=totp.at(later), visitor=HERE, now=later)


def test_an_authenticator_is_not_replaced_by_whoever_holds_a_session(access: AccessDesk):
    """Only an administrator's reset takes it away."""
    with_second_factor(access)
    later = NOW + timedelta(minutes=2)
    with access.database.session(EVERYBODY) as session:
        secret = session.get(AccountRow, "boss").totp_secret
    code = pyotp.TOTP(secret).at(later)
    made = access.sign_in("boss", PASSWORD, code=code, visitor=HERE, now=later)
    identity = access.find(made.token, kind="browser", now=later)
    other = access.propose_second_factor()
    with pytest.raises(FormError):
        access.keep_second_factor(identity, other, pyotp.TOTP(other).at(later), now=later)
