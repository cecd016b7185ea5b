"""Times and numbers as people read them: 24/11/2026 and 1.284 in Vietnamese, 24 Nov 2026 and 1,284 in English."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from babel.dates import format_datetime
from babel.numbers import format_decimal

DATE_TIME = {"vi": "dd/MM/yyyy HH:mm", "en": "d MMM yyyy HH:mm"}
DATE = {"vi": "dd/MM/yyyy", "en": "d MMM yyyy"}
DAY = {"vi": "EEE dd/MM/yyyy", "en": "EEE d MMM yyyy"}
TRICKS = {
    code: f"\\u{code:04x}"
    for first, last in ((0x061C, 0x061C), (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x2069))
    for code in range(first, last + 1)
}
UNITS = ("B", "KB", "MB", "GB", "TB")


@dataclass(frozen=True, slots=True)
class Formats:
    """The formats of one language and zone; its methods are the filters of the templates."""

    language: str
    zone: tzinfo

    @classmethod
    def of(cls, language: str, zone: str) -> Formats:
        return cls(language, ZoneInfo(zone))

    def filters(self) -> Mapping[str, Callable[..., str]]:
        """Name of the filter to the function."""
        return {
            "date_time": self.date_time,
            "date": self.date,
            "day": self.day,
            "clock": self.clock,
            "clock_seconds": self.clock_seconds,
            "number": self.number,
            "size": self.size,
            "iso": iso,
            "hours": hours,
            "raw_text": raw_text,
            "day_of_form": day_of_form,
            "initials": initials,
        }

    def local(self, at: datetime) -> datetime:
        """The same moment in the zone of the pages."""
        return at.astimezone(self.zone)

    def date_time(self, at: datetime | None) -> str:
        """
        >>> from datetime import UTC
        >>> at = datetime(2026, 11, 24, 2, 41, tzinfo=UTC)
        >>> Formats.of("vi", "Asia/Ho_Chi_Minh").date_time(at)
        '24/11/2026 09:41'
        >>> Formats.of("en", "Asia/Ho_Chi_Minh").date_time(at)
        '24 Nov 2026 09:41'
        """
        return self._written(at, DATE_TIME)

    def date(self, at: datetime | None) -> str:
        return self._written(at, DATE)

    def day(self, at: datetime | None) -> str:
        """With the day of the week."""
        return self._written(at, DAY)

    def clock(self, at: datetime | None) -> str:
        """Hours and minutes of the day."""
        return "–" if at is None else f"{self.local(at):%H:%M}"

    def clock_seconds(self, at: datetime | None) -> str:
        return "–" if at is None else f"{self.local(at):%H:%M:%S}"

    def number(self, value: float | int) -> str:
        """
        >>> Formats.of("vi", "Asia/Ho_Chi_Minh").number(1284)
        '1.284'
        """
        return str(format_decimal(value, locale=self.language))

    def size(self, count: float) -> str:
        """Bytes in the largest unit that leaves at least 1."""
        value, unit = float(count), 0
        while value >= 1024 and unit < len(UNITS) - 1:
            value, unit = value / 1024, unit + 1
        return f"{self.number(round(value, 1))} {UNITS[unit]}"

    def _written(self, at: datetime | None, patterns: Mapping[str, str]) -> str:
        if at is None:
            return "–"
        return str(format_datetime(self.local(at), patterns[self.language], locale=self.language))


def iso(at: datetime) -> str:
    """For ``datetime`` attributes and scripts."""
    return at.isoformat()


def hours(span: timedelta) -> str:
    """Hours and minutes, without a sign.

    >>> hours(timedelta(hours=26, minutes=5)), hours(-timedelta(minutes=3))
    ('26:05', '00:03')
    """
    minutes = int(abs(span.total_seconds()) // 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def raw_text(raw: bytes) -> str:
    r"""Bytes of a record for reading: what is not UTF-8, and control signs, as escapes.

    >>> raw_text(b"a\xff\x00b\n")
    'a\\xff\\x00b\n'
    """
    text = raw.decode("utf-8", errors="backslashreplace")
    return "".join(sign if sign.isprintable() or sign in "\n\t" else _escape(sign) for sign in text)


def without_direction_tricks(text: str) -> str:
    r"""Signs that turn the direction of writing, and zero-width ones, as escapes: no name looks like another.

    >>> without_direction_tricks("\u202egnp.exe"), without_direction_tricks("Sở Y tế")
    ('\\u202egnp.exe', 'Sở Y tế')
    """
    return text.translate(TRICKS)


def _escape(sign: str) -> str:
    code = ord(sign)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def day_of_form(text: str | None) -> str:
    """A form's ``yyyy-mm-dd`` as people here write it; anything else as it is.

    >>> day_of_form("2026-11-21"), day_of_form("mai"), day_of_form(None)
    ('21/11/2026', 'mai', '')
    """
    parts = (text or "").split("-")
    return "/".join(reversed(parts)) if [len(part) for part in parts] == [4, 2, 2] else text or ""


def initials(name: str) -> str:
    """Two letters for the round badge of a person.

    >>> initials("Thu Hà"), initials("admin"), initials("")
    ('TH', 'AD', '?')
    """
    words = [word for word in name.replace(".", " ").replace("_", " ").split() if word]
    if not words:
        return "?"
    letters = words[0][:2] if len(words) == 1 else words[0][0] + words[-1][0]
    return letters.upper()


def pretty(value: Any) -> str:
    """A field's value on one line."""
    if isinstance(value, list | tuple):
        return ", ".join(pretty(each) for each in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
