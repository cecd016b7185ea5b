"""Bulletin (bản tin, văn bản cảnh báo): what the centre tells agencies, and what they answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from soc.model.indicator import Tlp


class BulletinKind(StrEnum):
    VULNERABILITY = "vulnerability"
    MALWARE = "malware"
    PHISHING = "phishing"
    ADVISORY = "advisory"
    DIGEST = "digest"


class BulletinState(StrEnum):
    DRAFT = "draft"
    WAITING = "waiting"  # for somebody else's approval
    SENT = "sent"
    CLOSED = "closed"


class Answer(StrEnum):
    """What an agency says of itself."""

    NOT_AFFECTED = "not_affected"
    FIXED = "fixed"
    NEEDS_HELP = "needs_help"


class MailKind(StrEnum):
    """An agency gets each of them at most once."""

    FIRST = "first"
    REMINDER = "reminder"
    ESCALATION = "escalation"  # a second reminder, to the agency's own address too


class MailState(StrEnum):
    WAITING = "waiting"
    SENDING = "sending"
    SENT = "sent"
    UNCERTAIN = (
        "uncertain"  # the line broke after the text had gone out: sent again it might come twice
    )
    BOUNCED = "bounced"
    DEAD = "dead"  # given up after days of trying
    NO_ADDRESS = "no_address"
    NOT_NEEDED = "not_needed"  # the answer came first


@dataclass(frozen=True, slots=True)
class Audience:
    """Which agencies a bulletin is for: all, those named, or those with a system of a level."""

    everybody: bool = False
    agencies: tuple[str, ...] = ()  # keys
    levels: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Bulletin:
    """What is written; number, author and approval are the desk's."""

    kind: BulletinKind
    title: str
    tlp: Tlp
    summary: str  # for leaders, at most three sentences
    actions: tuple[str, ...]  # what is to be done, one each
    audience: Audience
    due_on: date | None = None
    severity: str = ""  # low medium high critical
    cves: tuple[str, ...] = ()
    products: tuple[str, ...] = ()  # "vendor product, versions"
    references: tuple[str, ...] = ()
    body: str = ""  # Markdown
    indicators: tuple[str, ...] = field(default=())  # values
