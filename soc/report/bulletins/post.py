"""Sending bulletins by SMTP (RFC 5321): each mail once, whatever the server does and whenever we stop.

A mail is claimed with a lease, sent outside any transaction, and settled. Until the text has gone out a failure is
tried again with growing pauses; 5xx for every address is a bounce. When the line breaks, or this process ends, after
the text has gone out and before the server's answer, nobody can know whether it was taken: the mail is ``uncertain``,
which is shown and not sent again. The reminder that follows an unanswered bulletin is the way out.
"""

from __future__ import annotations

import contextlib
import smtplib
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from soc.model.bulletin import MailKind, MailState
from soc.model.scope import Scope
from soc.records.bulletins import BulletinMailRow, BulletinRecipientRow, BulletinRow
from soc.records.database import Database
from soc.records.register import AgencyRow
from soc.report.bulletins.mail import mail_of
from soc.report.bulletins.written import from_plain

LEASE = timedelta(minutes=5)  # longer than any one mail may take
SHORTEST_PAUSE, LONGEST_PAUSE = timedelta(seconds=30), timedelta(hours=2)
DEAD_AFTER = timedelta(days=5)  # RFC 5321, 4.5.4.1
MOST_AT_ONCE = 20
POST = Scope.province("post")
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Server:
    """Where mails are handed in. ``starttls`` is demanded, not tried, when it is set."""

    host: str
    port: int = 25
    user: str = ""
    password: str = ""
    starttls: bool = False
    timeout_seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of one try; ``refused`` names addresses that were not taken while others were."""

    state: MailState
    reason: str = ""
    refused: str = ""


def hand_in(server: Server, mail: EmailMessage, sender: str, addresses: list[str]) -> Sent:
    """One try. WAITING says: try again later."""
    try:
        line = smtplib.SMTP(server.host, server.port, timeout=server.timeout_seconds)
    except (OSError, smtplib.SMTPException) as error:
        return Sent(MailState.WAITING, _text(error))
    with contextlib.closing(line):
        try:
            taken, refused = _envelope(line, server, sender, addresses)
            if not taken:
                again = any(400 <= code < 500 for code, _ in refused.values())
                return Sent(MailState.WAITING if again else MailState.BOUNCED, _refusals(refused))
            code, said = line.docmd("DATA")
            if code != 354:
                return Sent(_by_code(code), f"{code} {said.decode(errors='replace')}")
        except (OSError, smtplib.SMTPException) as error:
            return Sent(MailState.WAITING, _text(error))
        try:
            line.send(_dotted(mail.as_bytes()))
            code, said = line.getreply()
        except (OSError, smtplib.SMTPException) as error:
            return Sent(MailState.UNCERTAIN, f"the line broke after the text: {_text(error)}")
        if code != 250:
            return Sent(_by_code(code), f"{code} {said.decode(errors='replace')}")
        with contextlib.suppress(OSError, smtplib.SMTPException):
            line.quit()
        return Sent(MailState.SENT, refused=_refusals(refused))


Refused = dict[str, tuple[int, str]]


def _envelope(
    line: smtplib.SMTP, server: Server, sender: str, addresses: list[str]
) -> tuple[list[str], Refused]:
    line.ehlo_or_helo_if_needed()
    if server.starttls:
        line.starttls(context=ssl.create_default_context())
        line.ehlo()
    if server.user:
        line.login(server.user, server.password)
    code, said = line.mail(sender)
    if code != 250:
        return [], {sender: (code, said.decode(errors="replace"))}
    refused: Refused = {}
    for address in addresses:
        code, said = line.rcpt(address)
        if code not in (250, 251):
            refused[address] = (code, said.decode(errors="replace"))
    return [one for one in addresses if one not in refused], refused


def _by_code(code: int) -> MailState:
    return MailState.BOUNCED if 500 <= code < 600 else MailState.WAITING


def _refusals(refused: Refused) -> str:
    return "; ".join(f"{address}: {code} {said}" for address, (code, said) in refused.items())[
        :1_000
    ]


def _dotted(text: bytes) -> bytes:
    """Dots at the beginning of lines doubled, and the end mark (RFC 5321, 4.5.2)."""
    lines = text.replace(b"\r\n", b"\n").split(b"\n")
    if lines and not lines[-1]:
        lines.pop()
    return (
        b"".join((b"." if line.startswith(b".") else b"") + line + b"\r\n" for line in lines)
        + b".\r\n"
    )


def _text(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:500]


class Post:
    """The worker's hand on the mails."""

    def __init__(
        self,
        database: Database,
        server: Server,
        *,
        sender: str,
        centre: str,
        portal: str = "",
        reached: Callable[[str], None] = lambda step: None,
    ) -> None:
        """``reached`` is told each step that is behind us: claimed, handed in, settled."""
        self._database, self._server = database, server
        self._sender, self._centre, self._portal, self._reached = sender, centre, portal, reached

    def deliver_due(self, now: datetime) -> int:
        """Try what is due, oldest first; how many were taken. One mail's failure never keeps the others."""
        self._give_up_leases(now)
        sent = 0
        for mail_id in self._due(now):
            written = self._written(mail_id, now)
            if written is None or not self._claim(mail_id, now):
                continue
            self._reached("claimed")
            mail, addresses = written
            outcome = hand_in(self._server, mail, self._sender, addresses)
            self._reached("handed in")
            self._settle(mail_id, outcome, now)
            self._reached("settled")
            sent += outcome.state is MailState.SENT
        return sent

    def _give_up_leases(self, now: datetime) -> None:
        """A mail whose sender was stopped on the way."""
        with self._database.write(POST) as session:
            left = select(BulletinMailRow).where(
                BulletinMailRow.state == MailState.SENDING, BulletinMailRow.due_at <= now
            )
            for row in session.scalars(left):
                row.state = MailState.UNCERTAIN
                row.last_error = "the sender was stopped while this mail was on its way"

    def _due(self, now: datetime) -> list[int]:
        due = select(BulletinMailRow.id).where(
            BulletinMailRow.state == MailState.WAITING, BulletinMailRow.due_at <= now
        )
        with self._database.session(POST) as session:
            return list(
                session.scalars(
                    due.order_by(BulletinMailRow.due_at, BulletinMailRow.id).limit(MOST_AT_ONCE)
                )
            )

    def _written(self, mail_id: int, now: datetime) -> tuple[EmailMessage, list[str]] | None:
        """The mail and its addresses. Made before the claim: a letter takes longer than the door may wait."""
        with self._database.session(POST) as session:
            row = session.get(BulletinMailRow, mail_id)
            bulletin = session.get(BulletinRow, row.bulletin_id) if row is not None else None
            agency = session.get(AgencyRow, row.agency_id) if row is not None else None
        if row is None:
            return None
        if bulletin is None or bulletin.approved_at is None:
            self._give_up(mail_id, MailState.DEAD, "the bulletin is gone")
            return None
        addresses = [str(one) for one in row.addresses]
        try:
            mail = mail_of(
                from_plain(bulletin.written), number=bulletin.id, agency=agency.name if agency else "",
                kind=MailKind(row.kind), sender=self._sender, centre=self._centre, addresses=addresses,
                message_id=row.message_id, approved_at=bulletin.approved_at, sent_at=now,
                portal=self._portal,
            )  # fmt: skip
        except ValueError as error:  # an address of the register that is none
            self._give_up(mail_id, MailState.BOUNCED, str(error))
            return None
        return mail, addresses

    def _give_up(self, mail_id: int, state: MailState, reason: str) -> None:
        with self._database.write(POST) as session:
            row = session.get(BulletinMailRow, mail_id)
            if row is not None:
                row.state, row.last_error = state, reason

    def _claim(self, mail_id: int, now: datetime) -> bool:
        """Whether the mail is still wanted, and from here on ours to send: an answer may have come meanwhile."""
        with self._database.write(POST) as session:
            row = session.get(BulletinMailRow, mail_id)
            if row is None or row.state != MailState.WAITING:
                return False
            if row.kind != MailKind.FIRST and _needless(session, row):
                row.state = MailState.NOT_NEEDED
                return False
            row.state, row.due_at, row.attempts = MailState.SENDING, now + LEASE, row.attempts + 1
            row.first_try_at = row.first_try_at or now
            return True

    def _settle(self, mail_id: int, outcome: Sent, now: datetime) -> None:
        with self._database.write(POST) as session:
            row = session.get(BulletinMailRow, mail_id)
            if row is None:
                return
            row.state, row.last_error = outcome.state, outcome.reason or outcome.refused
            if outcome.state is MailState.SENT:
                row.sent_at = now
            elif outcome.state is MailState.WAITING:
                row.due_at = now + pause(row.attempts)
                if row.first_try_at is not None and now - row.first_try_at > DEAD_AFTER:
                    row.state = MailState.DEAD
            if outcome.state is not MailState.SENT:
                log.warning(
                    "a bulletin's mail", mail=row.message_id, state=row.state, reason=outcome.reason
                )


def _needless(session: Session, reminder: BulletinMailRow) -> bool:
    """Whether the agency has acknowledged the bulletin, or its follow-up has ended."""
    acknowledged = session.scalar(
        select(BulletinRecipientRow.acknowledged_at).where(
            BulletinRecipientRow.bulletin_id == reminder.bulletin_id,
            BulletinRecipientRow.agency_id == reminder.agency_id,
        )
    )
    bulletin = session.get(BulletinRow, reminder.bulletin_id)
    return acknowledged is not None or bulletin is None or bulletin.closed_at is not None


def pause(attempts: int) -> timedelta:
    """Before the next try: doubling from half a minute to two hours.

    >>> [pause(n).total_seconds() for n in (1, 2, 3, 30)]
    [30.0, 60.0, 120.0, 7200.0]
    """
    factor: int = 2 ** min(attempts - 1, 20)
    return min(LONGEST_PAUSE, SHORTEST_PAUSE * factor)
