"""Finds the stamp of a state secret in a document: MẬT, TỐI MẬT, TUYỆT MẬT, alone on a line or after "Độ mật".

"BẢO MẬT" in a title is no stamp. A stamp inside a picture or a PDF is not seen: people keep such papers out.
"""

from __future__ import annotations

import io
import re
import unicodedata
import zipfile
from collections.abc import Iterator
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from soc.errors import DeliveryError
from soc.report.national.link import Message

STAMP = re.compile(r"(?m)^\W*(?:(?i:độ mật)\W*)?(TUYỆT MẬT|TỐI MẬT|MẬT)\W*$")
WORDS = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
LARGEST_PART = 64 * 2**20  # bytes of one unpacked part


def secret_stamp(message: Message) -> str | None:
    """The stamp, or None. Raises DeliveryError (permanent) for a DOCX that cannot be read."""
    for text in (message.subject, *_texts(message.facts), *_document(message)):
        found = STAMP.search(unicodedata.normalize("NFC", text))
        if found:
            return found[1]
    return None


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from _texts(one)


def _document(message: Message) -> Iterator[str]:
    if message.media_type == DOCX:
        yield from _paragraphs(message.content)
    elif message.media_type.startswith(("text/", "application/json", "application/xml")):
        yield message.content.decode("utf-8", "replace")


def _paragraphs(content: bytes) -> Iterator[str]:
    """Of the body, the headers and the footers."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            for part in packed.infolist():
                if not re.fullmatch(r"word/(document|header\d*|footer\d*)\.xml", part.filename):
                    continue
                if part.file_size > LARGEST_PART:
                    raise ValueError(f"{part.filename} has {part.file_size} bytes")
                for paragraph in fromstring(packed.read(part)).iter(f"{WORDS}p"):
                    yield "".join(one.text or "" for one in paragraph.iter(f"{WORDS}t"))
    except (
        zipfile.BadZipFile, ParseError, DefusedXmlException,
        ValueError, KeyError, OSError, RuntimeError, NotImplementedError, EOFError,
    ) as error:  # fmt: skip
        raise DeliveryError(
            f"the DOCX cannot be read, so its stamp is not known: {error}", permanent=True
        ) from error
