"""The desk of bulletins: written by one person, approved by another, sent, answered, closed.

An approved bulletin is frozen. Approval makes one row for each agency of its audience and owes each its mail; agencies
answer for themselves only, and an answer makes every reminder that has not gone out needless.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from soc.errors import Conflict, NotAllowed, NotFound
from soc.model.bulletin import Answer, Audience, Bulletin, BulletinState, MailKind, MailState
from soc.model.scope import Scope
from soc.records.audit import audit
from soc.records.bulletins import BulletinMailRow, BulletinRecipientRow, BulletinRow
from soc.records.database import Database
from soc.records.register import AgencyRow, ContactRow, SystemRow
from soc.report.bulletins.written import digest, from_plain, to_plain

CONTACT_ROLES = ("monitoring", "response")
REMINDER_AFTER = timedelta(hours=2)
ESCALATION_AFTER = timedelta(hours=24)
LOCAL = timedelta(hours=7)


@dataclass(frozen=True, slots=True)
class Recipient:
    """An agency's row: how its first mail stands, and what it answered."""

    agency_id: str
    agency: str
    mail: MailState
    mail_error: str
    reminders: int  # that were sent
    acknowledged_at: datetime | None
    answer: str
    note: str
    answered_at: datetime | None


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a bulletin stands."""

    row: BulletinRow
    bulletin: Bulletin
    recipients: tuple[Recipient, ...] = field(default=())

    @property
    def counts(self) -> dict[str, int]:
        """Agencies by what they answered: ``acknowledged`` includes those that answered."""
        answers = Counter(one.answer for one in self.recipients if one.answer)
        return {
            "agencies": len(self.recipients),
            "acknowledged": sum(one.acknowledged_at is not None for one in self.recipients),
            **{answer.value: answers[answer] for answer in Answer},
        }


class BulletinDesk:
    """``domain`` is the right side of the mails' Message-ID."""

    def __init__(self, database: Database, *, domain: str = "soc.invalid") -> None:
        self._database, self._domain = database, domain

    def write(self, scope: Scope, bulletin: Bulletin, now: datetime) -> str:
        """Keep a draft under the next number of the year; its id."""
        _of_the_centre(scope)
        year = (now + LOCAL).year
        with self._database.write(scope) as session:
            _agencies(session, bulletin.audience, now)
            last = select(func.max(BulletinRow.number)).where(BulletinRow.year == year)
            number = (session.scalar(last) or 0) + 1
            plain = to_plain(bulletin)
            row = BulletinRow(
                id=f"BT-{year}-{number:04}", year=year, number=number, title=bulletin.title,
                written=plain, sha256=digest(plain), author=scope.actor, created_at=now,
            )  # fmt: skip
            session.add(row)
            _audit(session, scope, "write", row, now)
            return row.id

    def rewrite(self, scope: Scope, bulletin_id: str, bulletin: Bulletin, now: datetime) -> None:
        """Change a draft, or one that waits: it is a draft again.

        Raises:
            Conflict: it was approved. Write a new one that refers to it.
        """
        _of_the_centre(scope)
        with self._database.write(scope) as session:
            row = _row(session, bulletin_id)
            if row.state not in (BulletinState.DRAFT, BulletinState.WAITING):
                raise Conflict(f"{bulletin_id} was sent: a correction is a new bulletin")
            _agencies(session, bulletin.audience, now)
            plain = to_plain(bulletin)
            row.written, row.sha256, row.title = plain, digest(plain), bulletin.title
            row.state, row.submitted_by, row.version = BulletinState.DRAFT, "", row.version + 1
            _audit(session, scope, "rewrite", row, now)

    def submit(self, scope: Scope, bulletin_id: str, now: datetime) -> None:
        """Ask for another person's approval."""
        _of_the_centre(scope)
        with self._database.write(scope) as session:
            row = _row(session, bulletin_id)
            _in_state(row, BulletinState.DRAFT)
            row.state, row.submitted_by = BulletinState.WAITING, scope.actor
            _audit(session, scope, "submit", row, now)

    def approve(self, scope: Scope, bulletin_id: str, now: datetime) -> int:
        """Freeze the bulletin and owe each agency its mail; how many agencies.

        Raises:
            NotAllowed: by who wrote or submitted it.
            Conflict: it does not wait for approval, or its audience is empty.
        """
        _of_the_centre(scope)
        with self._database.write(scope) as session:
            row = _row(session, bulletin_id)
            _in_state(row, BulletinState.WAITING)
            if scope.actor in (row.author, row.submitted_by):
                raise NotAllowed(
                    f"{bulletin_id} needs the approval of a person who has not written it"
                )
            agencies = _agencies(session, from_plain(row.written).audience, now)
            if not agencies:
                raise Conflict(f"no agency is in the audience of {bulletin_id}")
            row.state, row.approved_by, row.approved_at = BulletinState.SENT, scope.actor, now
            addresses = _addresses(session, [agency.id for agency in agencies])
            for agency in agencies:
                session.add(BulletinRecipientRow(bulletin_id=row.id, agency_id=agency.id))
                session.add(
                    self._mail(row.id, agency.id, MailKind.FIRST, addresses[agency.id], now)
                )
            _audit(session, scope, "approve", row, now, agencies=len(agencies), sha256=row.sha256)
            return len(agencies)

    def _mail(
        self,
        bulletin_id: str,
        agency_id: str,
        kind: MailKind,
        addresses: Sequence[str],
        now: datetime,
    ) -> BulletinMailRow:
        return BulletinMailRow(
            bulletin_id=bulletin_id, agency_id=agency_id, kind=kind, addresses=list(addresses),
            state=MailState.WAITING if addresses else MailState.NO_ADDRESS, due_at=now,
            message_id=f"<{bulletin_id}.{agency_id}.{kind}@{self._domain}>".lower(),
            last_error="" if addresses else "the register has no mail address of this agency",
        )  # fmt: skip

    def answer(
        self,
        scope: Scope,
        bulletin_id: str,
        agency_id: str,
        answer: Answer | None,
        now: datetime,
        *,
        note: str = "",
    ) -> None:
        """An agency's acknowledgement (``answer`` None), or what it says of itself; the newest answer counts.

        Raises:
            NotFound: no such bulletin went to an agency of the scope.
        """
        with self._database.write(scope) as session:
            wanted = select(BulletinRecipientRow).where(
                BulletinRecipientRow.bulletin_id == bulletin_id,
                BulletinRecipientRow.agency_id == agency_id,
            )
            row = session.scalar(wanted)
            if row is None:
                raise NotFound("bulletin for this agency", bulletin_id)
            if row.acknowledged_at is None:
                row.acknowledged_at, row.acknowledged_by = now, scope.actor
            if answer is not None:
                row.answer, row.note = answer, note.strip()[:2_000]
                row.answered_at, row.answered_by = now, scope.actor
            session.execute(
                update(BulletinMailRow)
                .where(
                    BulletinMailRow.bulletin_id == bulletin_id,
                    BulletinMailRow.agency_id == agency_id,
                    BulletinMailRow.kind != MailKind.FIRST,
                    BulletinMailRow.state == MailState.WAITING,
                )
                .values(state=MailState.NOT_NEEDED)
            )
            audit(
                session, scope, "bulletin.answer", "bulletin", bulletin_id, answer or "acknowledged",
                {"agency": agency_id}, now=now, agency_id=agency_id,
            )  # fmt: skip

    def remind(self, now: datetime) -> int:
        """Owe a reminder to who has been silent for two hours, and after a day another that goes to the head too."""
        scope = Scope.province("bulletins")
        owed = 0
        with self._database.write(scope) as session:
            for after, kind in (
                (ESCALATION_AFTER, MailKind.ESCALATION),
                (REMINDER_AFTER, MailKind.REMINDER),
            ):
                for recipient in _silent(session, now - after, kind):
                    agency_id = recipient.agency_id or ""
                    addresses = _addresses(
                        session, [agency_id], with_agency=kind is MailKind.ESCALATION
                    )[agency_id]
                    session.add(self._mail(recipient.bulletin_id, agency_id, kind, addresses, now))
                    owed += 1
        return owed

    def close(self, scope: Scope, bulletin_id: str, reason: str, now: datetime) -> None:
        """End the follow-up: no more reminders. Raises Conflict without a reason, or if it is not sent."""
        _of_the_centre(scope)
        if not reason.strip():
            raise Conflict("closing a bulletin needs a reason")
        with self._database.write(scope) as session:
            row = _row(session, bulletin_id)
            _in_state(row, BulletinState.SENT)
            row.state, row.closed_by, row.closed_at = BulletinState.CLOSED, scope.actor, now
            row.closed_because = reason.strip()
            _audit(session, scope, "close", row, now, reason=row.closed_because)

    def standing(self, scope: Scope, bulletin_id: str) -> Standing:
        """A bulletin with the agencies of the scope; to agencies only what went to them.

        Raises:
            NotFound: there is none, or none that the scope may see.
        """
        with self._database.session(scope) as session:
            row = _row(session, bulletin_id)
            recipients = tuple(_recipients(session, [bulletin_id])[bulletin_id])
        if not scope.whole_province and not recipients:
            raise NotFound("bulletin", bulletin_id)
        return Standing(row, from_plain(row.written), recipients)

    def all(self, scope: Scope) -> Iterator[Standing]:
        """Every bulletin that the scope may see, the newest first."""
        newest = select(BulletinRow).order_by(BulletinRow.year.desc(), BulletinRow.number.desc())
        with self._database.session(scope) as session:
            rows = list(session.scalars(newest))
            recipients = _recipients(session, [row.id for row in rows])
        for row in rows:
            if scope.whole_province or recipients[row.id]:
                yield Standing(row, from_plain(row.written), tuple(recipients[row.id]))


def _silent(session: Session, before: datetime, kind: MailKind) -> list[BulletinRecipientRow]:
    """Agencies that have not acknowledged a bulletin approved before then, and are not owed this mail yet."""
    had = select(BulletinMailRow.id).where(
        BulletinMailRow.bulletin_id == BulletinRecipientRow.bulletin_id,
        BulletinMailRow.agency_id == BulletinRecipientRow.agency_id,
        BulletinMailRow.kind == kind,
    )
    wanted = (
        select(BulletinRecipientRow)
        .join(BulletinRow, BulletinRow.id == BulletinRecipientRow.bulletin_id)
        .where(
            BulletinRow.state == BulletinState.SENT,
            BulletinRow.approved_at <= before,
            BulletinRecipientRow.acknowledged_at.is_(None),
            ~had.exists(),
        )
    )
    return list(session.scalars(wanted))


def _recipients(session: Session, bulletins: Sequence[str]) -> dict[str, list[Recipient]]:
    """By bulletin the agencies that it went to, by name; two questions, however many bulletins."""
    mail, row = BulletinMailRow, BulletinRecipientRow
    of_mail = select(mail.bulletin_id, mail.agency_id, mail.kind, mail.state, mail.last_error)
    mails = {
        (bulletin_id, agency_id, kind): (state, error)
        for bulletin_id, agency_id, kind, state, error in session.execute(
            of_mail.where(mail.bulletin_id.in_(bulletins))
        )
    }
    wanted = (
        select(
            row.bulletin_id, row.agency_id, AgencyRow.name, row.acknowledged_at, row.answer, row.note,
            row.answered_at,
        )
        .outerjoin(AgencyRow, AgencyRow.id == row.agency_id)
        .where(row.bulletin_id.in_(bulletins))
        .order_by(AgencyRow.name, row.agency_id)
    )  # fmt: skip
    found: dict[str, list[Recipient]] = {bulletin_id: [] for bulletin_id in bulletins}
    for bulletin_id, agency_id, name, acknowledged_at, answer, note, answered_at in session.execute(
        wanted
    ):
        key = (bulletin_id, agency_id)
        state, error = mails.get((*key, MailKind.FIRST), (MailState.NO_ADDRESS, ""))
        later = (mails.get((*key, kind)) for kind in (MailKind.REMINDER, MailKind.ESCALATION))
        found[bulletin_id].append(
            Recipient(
                agency_id=agency_id or "",
                agency=name or agency_id or "",
                mail=MailState(state),
                mail_error=error,
                reminders=sum(one is not None and one[0] == MailState.SENT for one in later),
                acknowledged_at=acknowledged_at,
                answer=answer,
                note=note,
                answered_at=answered_at,
            )
        )
    return found


def _agencies(session: Session, audience: Audience, now: datetime) -> list[AgencyRow]:
    """The agencies of an audience that exist today. Raises NotFound for a key that does not."""
    today = (now + LOCAL).date()
    rows = list(session.scalars(select(AgencyRow).order_by(AgencyRow.id)))
    living = [
        row
        for row in rows
        if (row.valid_from is None or row.valid_from <= today)
        and (row.valid_to is None or today <= row.valid_to)
    ]
    if audience.everybody:
        return living
    if audience.levels:
        of_level = select(SystemRow.agency_id).where(SystemRow.level.in_(audience.levels))
        wanted = set(session.scalars(of_level))
        return [row for row in living if row.id in wanted]
    known = {row.id for row in living}
    for key in audience.agencies:
        if key not in known:
            raise NotFound("agency of today", key)
    return [row for row in living if row.id in set(audience.agencies)]


def _addresses(
    session: Session, agencies: Sequence[str], *, with_agency: bool = False
) -> dict[str, list[str]]:
    """By agency the mail addresses of its contacts; its own where it has none, or ``with_agency``."""
    found: dict[str, list[str]] = {agency: [] for agency in agencies}
    contacts = select(ContactRow).where(
        ContactRow.agency_id.in_(agencies),
        ContactRow.role.in_(CONTACT_ROLES),
        ContactRow.email != "",
    )
    for contact in session.scalars(contacts.order_by(ContactRow.id)):
        found[contact.agency_id or ""].append(contact.email)
    for agency in session.scalars(select(AgencyRow).where(AgencyRow.id.in_(agencies))):
        if agency.email and (with_agency or not found[agency.id]):
            found[agency.id].append(agency.email)
    return {agency: list(dict.fromkeys(each)) for agency, each in found.items()}


def _of_the_centre(scope: Scope) -> None:
    if not scope.whole_province:
        raise NotAllowed("bulletins are written by the centre")


def _row(session: Session, bulletin_id: str) -> BulletinRow:
    row = session.get(BulletinRow, bulletin_id)
    if row is None:
        raise NotFound("bulletin", bulletin_id)
    return row


def _in_state(row: BulletinRow, wanted: BulletinState) -> None:
    if row.state != wanted:
        raise Conflict(f"{row.id} is {row.state}, not {wanted}")


def _audit(
    session: Session, scope: Scope, act: str, row: BulletinRow, now: datetime, **detail: Any
) -> None:
    audit(
        session, scope, f"bulletin.{act}", "bulletin", row.id, row.title, {"version": row.version, **detail},
        now=now,
    )  # fmt: skip
