"""The XML of a Windows event, from EVTX files and from the live log alike.

Schema: "Event Schema" of the Windows Event Log reference (namespace schemas.microsoft.com/win/2004/08/events/event).
Nearly every record has the same plain shape, which a few regular expressions take apart; they account for every
``<`` of it, and whatever they cannot account for goes to lxml. A test reads the corpus both ways and compares.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from lxml import etree

Data = dict[str, str | list[str]]
"""Names of EventData (or UserData) to texts; a name that occurs again, and unnamed data, have lists."""

BARE_GUIDS = frozenset({"ScriptBlockId", "InterfaceUuid"})  # written by Windows without braces
XML_DEPTH = 64  # elements

GUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
PROLOGUE = re.compile(r"\ufeff?\s*(?:<\?xml[^<>]*\?>)?\s*")
OPENING = re.compile(r"<Event(?:\s[^<>]*)?>\s*(?=<System>)")
MIDDLE = re.compile(
    r"<TimeCreated SystemTime=[\"']([^\"'<>]+)[\"']\s*(?:/>|>\s*</TimeCreated>)\s*"
    r"<EventRecordID>(\d{1,19})</EventRecordID>\s*"
    r"(?:<Correlation([^<>]*)(?:/>|>\s*</Correlation>)\s*)?"
    r"(?:<Execution([^<>]*)(?:/>|>\s*</Execution>)\s*)?"
    r"(<Channel>[^<]*</Channel>\s*<Computer>[^<]*</Computer>)\s*"
    r"(?:<Security([^<>]*)(?:/>|>\s*</Security>)\s*)?</System>\s*",
    re.ASCII,
)
NAMED_DATA = re.compile(r"<Data Name=[\"']([^\"'<>]*)[\"']\s*(?:/>|>([^<]*)</Data>)")
UNNAMED_DATA = re.compile(r"<(Data)\s*(?:/>|>([^<]*)</Data>)")
BINARY = re.compile(r"\s*<Binary\s*(?:/>|>([^<]*)</Binary>)\s*\Z")
ENDING = re.compile(r"</EventData>\s*</Event>\s*\Z")
ATTRIBUTE = re.compile(r"([A-Za-z]+)=(?:\"([^\"]*)\"|'([^']*)')")
ENTITY = re.compile(r"&(?:#(\d{1,7})|#[xX]([0-9A-Fa-f]{1,6})|(amp|lt|gt|quot|apos));")
NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
NAMED_ENTITY = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}


class Head(NamedTuple):
    """What one kind of event on one computer has in common."""

    provider: str
    provider_guid: str  # in braces, or ""
    code: int
    version: str
    level: str
    task: str
    opcode: str
    keywords: str
    channel: str
    computer: str


class WindowsRecord(NamedTuple):
    head: Head
    time: str  # TimeCreated SystemTime as written
    record_id: int  # 0 where there is none
    activity_id: str
    process_id: str  # of Execution
    thread_id: str
    user_sid: str  # of Security
    data: Data
    message: str  # of RenderingInfo, where the sender rendered one


def parse(text: str) -> WindowsRecord:
    """Take one event's XML apart.

    Raises:
        ValueError: not one well-formed ``<Event>``, with a DTD, too deep, or without id or time.
    """
    return parse_plain(text) or parse_any(text)


def parse_plain(text: str) -> WindowsRecord | None:
    """The record, if the text has the plain shape; None leaves the verdict to ``parse_any``."""
    prologue = PROLOGUE.match(text)
    opening = OPENING.match(text, prologue.end() if prologue else 0)
    if opening is None or "<!" in text:
        return None
    middle = MIDDLE.search(text, opening.end())
    if middle is None:
        return None
    data = _plain_data(text, middle.end())
    head = _head_of_text(text[opening.end() : middle.start()], middle[5])
    if data is None or head is None:
        return None
    process_id, thread_id, _, _ = _attributes(middle[4])
    _, _, activity_id, _ = _attributes(middle[3])
    _, _, _, user_sid = _attributes(middle[6])
    return WindowsRecord(
        head, middle[1], int(middle[2]), activity_id, process_id, thread_id, user_sid, data, ""
    )


def _plain_data(text: str, start: int) -> Data | None:
    if not text.startswith("<EventData>", start):
        return None
    end = text.find("</EventData>", start)
    if end < 0 or ENDING.match(text, end) is None:
        return None
    body, binary = text[start + 11 : end], None
    if "<Binary" in body:
        binary = BINARY.search(body)
        body = body[: binary.start()] if binary else body
    for pattern in (NAMED_DATA, UNNAMED_DATA):
        pairs = pattern.findall(body)
        if body.count("<") == 2 * len(pairs) - body.count("/>"):  # every element is accounted for
            return _collect(pairs + [("Binary", binary[1])] if binary and binary[1] else pairs)
    return None


def _collect(pairs: list[tuple[str, str]]) -> Data:
    """Names to unescaped texts."""
    data: Data = {}
    for name, text in pairs:
        if "&" in text:
            text = ENTITY.sub(_character, text)
        if name in data:
            _add(data, name, text)
        else:
            data[name] = text if len(text) != 36 and text[:1] != "\n" else _tidy(name, text)
    return data


def _add(data: Data, name: str, text: str) -> None:
    earlier = data[name]
    value = _tidy(name, text)
    data[name] = [*earlier, value] if isinstance(earlier, list) else [earlier, value]


def _tidy(name: str, text: str) -> str:
    """Braces round a GUID, which the EVTX renderer drops; and an empty element, which it breaks into two lines."""
    if text[:1] == "\n" and text.isspace():
        return ""
    if len(text) == 36 and name not in BARE_GUIDS and GUID.fullmatch(text):
        return f"{{{text}}}"
    return text


def _character(found: re.Match[str]) -> str:
    if found[3]:
        return NAMED_ENTITY[found[3]]
    code = int(found[1]) if found[1] else int(found[2], 16)
    return chr(code) if code < 0xD800 or 0xE000 <= code <= 0x10FFFF else "\ufffd"


@lru_cache(maxsize=8192)
def _attributes(text: str | None) -> tuple[str, str, str, str]:
    """ProcessID, ThreadID, ActivityID and UserID of the attributes as written."""
    found = {name: double or single for name, double, single in ATTRIBUTE.findall(text or "")}
    activity_id = _tidy("ActivityID", found.get("ActivityID", ""))
    return (
        found.get("ProcessID", ""),
        found.get("ThreadID", ""),
        activity_id,
        found.get("UserID", ""),
    )


@lru_cache(maxsize=8192)
def _head_of_text(system: str, place: str) -> Head | None:
    """The head from the texts before and after the part that changes with every record."""
    try:
        return _head(_element(f"{system}{place}</System>"))
    except ValueError:
        return None


def parse_any(text: str) -> WindowsRecord:
    """Take any well-formed event apart, by lxml. Raises ValueError, see ``parse``."""
    root = _element(PROLOGUE.sub("", text, count=1))
    if _name(root) != "Event":
        raise ValueError(f"the root element is <{_name(root)}>, not <Event>")
    parts = {_name(part): part for part in root}
    system = parts.pop("System", None)
    if system is None:
        raise ValueError("there is no <System>")
    values = {_name(item): item for item in system}
    execution, correlation, security = (
        dict(values[name].attrib) if name in values else {}
        for name in ("Execution", "Correlation", "Security")
    )
    rendering = parts.pop("RenderingInfo", None)
    return WindowsRecord(
        _head(system),
        _time_created(values),
        _whole(values.get("EventRecordID")),
        _tidy("ActivityID", correlation.get("ActivityID", "")),
        execution.get("ProcessID", ""),
        execution.get("ThreadID", ""),
        security.get("UserID", ""),
        _collect_escaped([pair for part in parts.values() for pair in _leaves(part)]),
        _rendered(rendering),
    )


def _element(text: str) -> etree._Element:
    """Parse without a DTD, entities or network.

    Raises:
        ValueError: not well-formed, with a DTD, or too deep.
    """
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise ValueError("a document type declaration is not accepted")
    clean = NOT_XML.sub("\ufffd", text).replace("\r", "&#13;")  # XML would read CR LF as LF
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False,
        remove_comments=True, remove_pis=True,
    )  # fmt: skip
    try:
        root = etree.fromstring(clean.encode("utf-8"), parser)
    except etree.XMLSyntaxError as error:
        raise ValueError(f"not well-formed XML: {error}") from error
    if _deeper_than(root, XML_DEPTH):
        raise ValueError(f"elements nested deeper than {XML_DEPTH}")
    return root


def _deeper_than(root: etree._Element, depth: int) -> bool:
    level: list[etree._Element] = [root]
    for _ in range(depth):
        level = [child for element in level for child in element]
    return bool(level)


def _head(system: etree._Element) -> Head:
    values = {_name(item): item for item in system}
    provider = values.get("Provider")
    attributes = (
        {str(name): str(value) for name, value in provider.attrib.items()}
        if provider is not None
        else {}
    )
    code = _text(values, "EventID")
    if not (code.isascii() and code.isdecimal()):
        raise ValueError(f"no usable EventID: {code[:20]!r}")
    return Head(
        provider=attributes.get("Name", "") or attributes.get("EventSourceName", ""),
        provider_guid=_tidy("Guid", attributes.get("Guid", "")),
        code=int(code),
        version=_text(values, "Version"),
        level=_text(values, "Level"),
        task=_text(values, "Task"),
        opcode=_text(values, "Opcode"),
        keywords=_text(values, "Keywords"),
        channel=_text(values, "Channel"),
        computer=_text(values, "Computer"),
    )


def _text(values: dict[str, etree._Element], name: str) -> str:
    element = values.get(name)
    return (element.text or "").strip() if element is not None else ""


def _time_created(values: dict[str, etree._Element]) -> str:
    element = values.get("TimeCreated")
    time = element.attrib.get("SystemTime", "") if element is not None else ""
    if not time:
        raise ValueError("there is no TimeCreated")
    return str(time)


def _whole(element: etree._Element | None) -> int:
    text = (element.text or "") if element is not None else ""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else 0


def _leaves(part: etree._Element) -> list[tuple[str, str]]:
    """Names and texts of EventData, UserData or ProcessingErrorData; deeper elements are flattened."""
    found: list[tuple[str, str]] = []
    for element in part.iter():
        if len(element) or element is part:
            continue
        name = element.attrib.get("Name") or _name(element)
        text = element.text or ""
        if name != "Binary" or text.strip():
            found.append((str(name), text))
    return found


def _collect_escaped(pairs: list[tuple[str, str]]) -> Data:
    """As ``_collect``, for texts that lxml has unescaped already."""
    data: Data = {}
    for name, text in pairs:
        if name in data:
            _add(data, name, text)
        else:
            data[name] = _tidy(name, text)
    return data


def _rendered(rendering: etree._Element | None) -> str:
    if rendering is None:
        return ""
    return next((item.text or "" for item in rendering if _name(item) == "Message"), "")


def _name(element: etree._Element) -> str:
    return etree.QName(element).localname
