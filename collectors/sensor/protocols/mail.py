"""The head, attachments and links of a mail (RFC 5322, 2045-2047, 2231), from the bytes that passed by.

The standard library's parser reads the structure; a mail is kept up to a limit, and its facts are read once at its end.
"""

from __future__ import annotations

import re
from email import policy
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from email.parser import BytesParser
from email.utils import collapse_rfc2231_value, getaddresses
from typing import Any

from collectors.sensor.conversation import text

LARGEST_MAIL = 1 << 19  # bytes kept; the rest is counted
MOST_PARTS, MOST_LINKS, MOST_ADDRESSES = 100, 50, 100
LINK = re.compile(rb"(?i)\b(?:https?|ftp)://[^\s\"'<>\\^`{|}\x00-\x20\x7f-\xff]{3,2000}")
END_OF_HEAD, FIELD = re.compile(rb"\r?\n\r?\n"), re.compile(rb"[ \t]|[!-9;-~]+[ \t]*:")
MOST_HEAD = 1 << 16  # bytes in which the end of the head is looked for
LISTS = {"from": "email.from.address", "to": "email.to.address", "cc": "email.cc.address"}
LISTS |= {"bcc": "email.bcc.address", "reply-to": "email.reply_to.address"}
TEXTS = {"subject": "email.subject", "message-id": "email.message_id", "x-mailer": "email.x_mailer"}
TEXTS |= {"content-type": "email.content_type", "date": "sensor.smtp.date"}


class Mail:
    """One mail's bytes so far."""

    __slots__ = ("_kept", "size")

    def __init__(self) -> None:
        self._kept = bytearray()
        self.size = 0

    def take(self, data: bytes) -> None:
        self.size += len(data)
        if len(self._kept) < LARGEST_MAIL:
            self._kept += data[: LARGEST_MAIL - len(self._kept)]

    def fields(self) -> dict[str, Any]:
        """The fields of the mail; where its structure is damaged, those of its head."""
        found: dict[str, Any] = {"sensor.smtp.mail_bytes": self.size}
        try:
            message = BytesParser(policy=policy.compat32).parsebytes(_mended(bytes(self._kept)))
            found |= _head(message)
            found |= _parts(message)
        except Exception as error:  # the library's parser meets any bytes; it has failed on some
            found["sensor.smtp.mail_problem"] = text(repr(error).encode())[:200]
        return found


def _mended(raw: bytes) -> bytes:
    """Lines of the head that are neither a field nor folded belong to the field before, as mail programs read them.

    >>> _mended(b"Content-Type: text/html;\\ncharset=x\\nA: b\\n\\nbody")
    b'Content-Type: text/html;\\n charset=x\\nA: b\\n\\nbody'
    """
    end = END_OF_HEAD.search(raw, 0, MOST_HEAD)
    if end is None:
        return raw
    head = raw[: end.start()]
    first, *rest = head.split(b"\n")
    lines = [line if FIELD.match(line) else b" " + line for line in rest]
    return b"\n".join([first, *lines]) + raw[end.start() :]


def _head(message: Message) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, field in LISTS.items():
        values = [_decoded(str(one)) for one in message.get_all(name, [])[:20]]
        if addresses := [one for _, one in getaddresses(values)[:MOST_ADDRESSES] if "@" in one]:
            found[field] = addresses
        if values and values[0]:
            found[f"sensor.smtp.{name.replace('-', '_')}"] = values[0][:1000]
    for name, field in TEXTS.items():
        value = message.get(name)
        if value is not None:
            found[field] = _decoded(str(value))[:1000]
    if received := message.get_all("received", []):
        found["sensor.smtp.received"] = [_decoded(str(one))[:500] for one in received[:20]]
    return found


def _decoded(value: str) -> str:
    """A header without its folding and its encoded words."""
    unfolded = re.sub(r"\r?\n[ \t]*", "", value)
    try:
        parts = decode_header(unfolded)
    except (HeaderParseError, ValueError):
        return _clean(unfolded)
    joined = ""
    for part, charset in parts:
        if isinstance(part, bytes):
            try:
                joined += part.decode(charset or "utf-8", "replace")
            except (LookupError, ValueError):
                joined += part.decode("latin-1")
        else:
            joined += part
    return _clean(joined)


def _clean(value: str) -> str:
    return text(value.encode("utf-8", "replace")).strip()


def _parts(message: Message) -> dict[str, Any]:
    names: list[str] = []
    links: dict[str, None] = {}
    for number, part in enumerate(message.walk()):
        if number >= MOST_PARTS:
            break
        if name := _file_name(part):
            names.append(name)
        if part.get_content_maintype() == "text" and len(links) < MOST_LINKS:
            body = part.get_payload(decode=True)
            if isinstance(body, bytes):
                for link in LINK.findall(body)[: MOST_LINKS - len(links)]:
                    links[link.decode("ascii")] = None
    found: dict[str, Any] = {}
    if names:
        found["email.attachments.file.name"] = names
    if links:
        found["sensor.smtp.urls"] = list(links)
    return found


def _file_name(part: Message) -> str:
    for parameter, header in (("filename", "content-disposition"), ("name", "content-type")):
        value = part.get_param(parameter, None, header)
        if value:
            plain = collapse_rfc2231_value(value) if isinstance(value, tuple) else str(value)
            return _decoded(plain)[:255]
    return ""
