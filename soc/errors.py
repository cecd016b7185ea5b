"""One tree of errors. Every message says what happened, where, and what to do.

SocError
├── SettingsError        a setting cannot be used             (start is refused)
├── RecordError          one record cannot be read            (set aside with its bytes)
├── BatchError           a batch cannot be taken              (400)
│   └── BatchTooLarge    over a limit                         (413)
├── Overloaded           come back later                      (429 with Retry-After)
├── NotAuthenticated     who are you?                         (401)
├── NotAllowed           known, but not permitted             (403)
├── ScopeMissing         a read without a Scope: our own bug  (500)
├── NotFound             no such thing in the caller's scope  (404)
├── Conflict             the thing has moved on               (409)
├── RuleError            a rule file cannot be used           (the others still load)
├── QueryError           a search text cannot be read         (400)
├── MappingError         an EDR mapping file is wrong         (named with its line; the others are used)
├── IndicatorError       an indicator cannot be used          (named with its line; the others are taken)
├── RegisterError        the register file is refused         (nothing is changed)
├── PlaybookError        a playbook file or step is wrong     (shown on the case)
├── FormError            a form lacks required fields         (listed, nothing is sent)
├── StoreError           the event store cannot do it         (retried)
└── DeliveryError        a message was not delivered          (outbox retries)
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


class SocError(Exception):
    """Base of all errors that the platform raises on purpose."""


class SettingsError(SocError):
    """A setting, port, folder or program the platform needs is not usable; the text says the remedy."""


class RecordError(SocError):
    """One record could not be read; the raw bytes are kept for the set-aside queue."""

    def __init__(self, reason: str, *, source: str, raw: bytes) -> None:
        self.reason, self.source, self.raw = reason, source, raw
        super().__init__(f"{source}: {reason}: {raw[:80]!r}")


class BatchError(SocError):
    """A batch is malformed; ``reason`` names the place. Nothing of it was stored."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class BatchTooLarge(BatchError):
    """A batch is over a limit of the door."""


class Overloaded(SocError):
    """The door cannot take more now."""

    def __init__(self, reason: str, *, retry_after_seconds: int) -> None:
        self.reason, self.retry_after_seconds = reason, retry_after_seconds
        super().__init__(f"{reason}; retry after {retry_after_seconds} s")


class NotAuthenticated(SocError):
    """The caller's identity could not be proved."""


class NotAllowed(SocError):
    """The caller is known but lacks the permission."""


class ScopeMissing(SocError):
    """Records or events were read without a Scope. This is a bug of ours, never the user's."""


class NotFound(SocError):
    """There is no such thing within the caller's scope."""

    def __init__(self, noun: str, key: str) -> None:
        self.noun, self.key = noun, key
        super().__init__(f"no {noun} {key!r}")


class Conflict(SocError):
    """The thing is no longer in the state that the act needs."""


class RuleError(SocError):
    """A rule file cannot be used."""

    def __init__(
        self,
        reason: str,
        *,
        path: Path | str,
        line: int | None = None,
        column: int | None = None,
        hint: str = "",
    ) -> None:
        self.reason, self.path, self.line, self.column, self.hint = (
            reason,
            Path(path),
            line,
            column,
            hint,
        )
        place = ":".join(str(part) for part in (path, line, column) if part is not None)
        super().__init__(f"{place}: {reason}" + (f" ({hint})" if hint else ""))


class QueryError(SocError):
    """A search text cannot be read."""

    def __init__(self, reason: str, *, query: str, position: int | None = None) -> None:
        self.reason, self.query, self.position = reason, query, position
        place = "" if position is None else f" at character {position + 1}"
        super().__init__(f"{reason}{place}: {query}")


class MappingError(SocError):
    """A mapping file of the EDR feed cannot be used."""

    def __init__(self, path: str, line: int, reason: str, remedy: str) -> None:
        self.path, self.line, self.reason, self.remedy = path, line, reason, remedy
        super().__init__(f"{path}:{line}: {reason}: {remedy}")


class IndicatorError(SocError):
    """A value cannot be an indicator, or a file of indicators cannot be read."""

    def __init__(self, reason: str, *, value: str = "") -> None:
        self.reason, self.value = reason, value
        super().__init__(reason + (f": {value[:120]!r}" if value else ""))


class RegisterError(SocError):
    """The register file is refused; every problem is named with its place."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(problems))


class PlaybookError(SocError):
    """A playbook file or one of its steps cannot be carried out."""


class FormError(SocError):
    """A form lacks required fields or holds values that the form does not allow."""

    def __init__(self, form: str, problems: Sequence[str]) -> None:
        self.form, self.problems = form, tuple(problems)
        super().__init__(f"{form}: " + "; ".join(problems))


class StoreError(SocError):
    """The event store could not do what was asked."""


class DeliveryError(SocError):
    """A message could not be delivered; ``permanent`` means that a retry will not help."""

    def __init__(self, reason: str, *, permanent: bool = False) -> None:
        self.reason, self.permanent = reason, permanent
        super().__init__(reason)
