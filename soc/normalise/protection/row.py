"""A row of an export to fields: detections and protection states in ECS names, the rest under ``edr``.

ECS has no names for what a machine's protection is like, so these are ours: ``edr.protection`` (on, off),
``edr.signature.date`` and ``.version``, ``edr.last_contact``, ``edr.product.name`` and ``.version``, ``edr.action``
(cleaned, deleted, quarantined, blocked, allowed, failed, none, unknown) beside the product's own words in
``edr.action_taken``, ``edr.threat_type``, ``edr.machine_id``, ``edr.detection_id``, and the longest of the file's
hashes in ``edr.hash``, by which findings are grouped. The threat's name is ``rule.name``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from soc.model.event import Fields, RawRecord
from soc.normalise.network_words import add_user, specified_address
from soc.normalise.protection.mapping import Form, ProductMapping
from soc.normalise.protection.shelf import Shelf
from soc.normalise.written_times import from_written

HANDLED = frozenset({"cleaned", "deleted", "quarantined", "blocked"})
HASHES = {32: "md5", 40: "sha1", 64: "sha256"}
BEST_HASH = ("file.hash.sha256", "file.hash.sha1", "file.hash.md5")
NOTHING = frozenset(
    {"", "-", "n/a", "na", "none", "null", "unknown", "không", "0001-01-01t00:00:00z"}
)
MICROSOFT_DATE = re.compile(r"/Date\((\d{10,14})(?:[+-]\d{4})?\)/")
DAY_ALONE = re.compile(r"\d{4}-\d\d-\d\d|\d{1,2}/\d{1,2}/\d{4}")
OLDEST = datetime(1990, 1, 1, tzinfo=UTC)  # products write "never" as 1601, 1899 or 1970
LONGEST = 4_000
Row = Mapping[str, str]  # folded column to what stands there


@dataclass(frozen=True, slots=True)
class Read:
    """What a row says, and when; ``at`` is None where the row has no time of its own."""

    fields: Fields
    at: datetime | None


def form_of(
    shelf: Shelf, row: Row, *, cef: bool, product: str = ""
) -> tuple[ProductMapping, Form] | None:
    """The first form that the row fits, of one product where it is named."""
    for mapping in shelf.mappings:
        if product and mapping.name != product:
            continue
        for form in mapping.forms:
            if form.cef is cef and form.line is None and form.fits(row):
                return mapping, form
    return None


def form_of_line(
    shelf: Shelf, line: str, product: str = ""
) -> tuple[ProductMapping, Form, Row] | None:
    """The first form whose expression the text line fits, with its groups as a row."""
    for mapping in shelf.mappings:
        if product and mapping.name != product:
            continue
        for form in mapping.forms:
            if form.line is not None and (found := form.line.search(line[:LONGEST])):
                return (
                    mapping,
                    form,
                    {name: said for name, said in found.groupdict().items() if said},
                )
    return None


def read_row(mapping: ProductMapping, form: Form, row: Row, record: RawRecord) -> Read:
    """The fields of a row.

    Raises:
        ValueError: it lacks what a row of its kind must have, or its time cannot be read.
    """
    said = _said(form, row)
    moments = _Moments(mapping, record)
    fields: Fields = {
        "event.module": "edr",
        "event.dataset": f"{mapping.name}.edr",
        "observer.vendor": mapping.vendor,
        "observer.product": mapping.product,
        "observer.type": "edr",
        "edr.product.name": said.get("product", mapping.product),
    }
    at = moments.needed(said, "time")
    _add_machine(fields, said)
    if form.kind == "detection":
        _add_detection(fields, said, mapping)
    else:
        at = _add_state(fields, said, mapping, moments, at)
    return Read(fields, at)


def _said(form: Form, row: Row) -> dict[str, str]:
    """Our words with the first of their columns that says something."""
    if form.line is not None:
        return dict(row)
    said = {}
    for word, columns in form.columns.items():
        for column in columns:
            text = row.get(column, "").strip()
            if text and (word == "action" or text.casefold() not in NOTHING):
                said[word] = text[:LONGEST]
                break
    return said


def _add_machine(fields: Fields, said: Mapping[str, str]) -> None:
    machine = said.get("machine", "").rpartition("\\")[2].strip(". ")
    if machine:
        fields["host.name"] = machine
    addresses = [
        address
        for one in re.split(r"[,;\s]+", said.get("address", ""))
        if (address := specified_address(one))
    ]
    if addresses:
        fields["host.ip"] = addresses
    for word, name in (
        ("operating_system", "host.os.full"),
        ("machine_id", "edr.machine_id"),
        ("product_version", "edr.product.version"),
        ("signature_version", "edr.signature.version"),
    ):
        if word in said:
            fields[name] = said[word]


def _add_detection(fields: Fields, said: Mapping[str, str], mapping: ProductMapping) -> None:
    if "threat" not in said:
        raise ValueError("a detection without the name of a threat")
    action = mapping.action(said["action"]) if "action" in said else "unknown"
    fields |= {
        "event.kind": "alert",
        "event.category": ["malware"],
        "event.type": ["info", "denied"] if action in HANDLED else ["info"],
        "event.action": "malware-detected",
        "event.outcome": _outcome(action),
        "rule.name": said["threat"],
        "edr.action": action,
        "message": said["threat"],
    }  # fmt: skip
    for word, name in (
        ("action", "edr.action_taken"),
        ("threat_type", "edr.threat_type"),
        ("id", "edr.detection_id"),
        ("process", "process.executable"),
    ):
        if word in said:
            fields[name] = said[word]
    path = said.get("path", "").removeprefix("file:///") or _joined(said)
    if path:
        fields["file.path"] = path
    if name := said.get("file") or re.split(r"[\\/]", path)[-1]:
        fields["file.name"] = name
    for word in ("hash", "hash_md5", "hash_sha1", "hash_sha256"):
        digest = said.get(word, "").lower().removeprefix("0x")
        if len(digest) in HASHES and not digest.strip("0123456789abcdef"):
            fields[f"file.hash.{HASHES[len(digest)]}"] = digest
    hashes = [fields[name] for name in BEST_HASH if name in fields]
    if hashes:
        fields["edr.hash"] = hashes[0]
    add_user(fields, said.get("user", ""))


def _joined(said: Mapping[str, str]) -> str:
    """Folder and file in one, for products that tell them apart (and sometimes do not)."""
    folder, name = said.get("folder", ""), said.get("file", "")
    if not name or re.split(r"[\\/]", folder)[-1] == name:
        return folder
    sign = "\\" if "\\" in folder or ":" in folder else "/"
    return f"{folder.rstrip(sign)}{sign}{name}" if folder else ""


def _outcome(action: str) -> str:
    if action in HANDLED:
        return "success"
    return "unknown" if action == "unknown" else "failure"


def _add_state(
    fields: Fields,
    said: Mapping[str, str],
    mapping: ProductMapping,
    moments: _Moments,
    at: datetime | None,
) -> datetime | None:
    if "host.name" not in fields:
        raise ValueError("a state without the name of a machine")
    fields |= {"event.kind": "state", "event.category": ["host"], "event.type": ["info"]}
    fields["event.action"] = "protection-state"
    if "protection" in said:
        fields["edr.protection_said"] = said["protection"]
        if word := mapping.is_on(said["protection"]):
            fields["edr.protection"] = word
    contact = moments.of(said, "last_contact")
    if contact is not None:
        fields["edr.last_contact"] = contact.isoformat()
    at = at or contact
    signature = moments.of(said, "signature_date")
    age = said.get("signature_age_days", "")
    if signature is None and age.isascii() and age.isdecimal() and int(age) < 10_000:
        signature = (at or moments.received_at) - timedelta(days=int(age))
    if signature is not None:
        fields["edr.signature.date"] = signature.isoformat()
    return at


class _Moments:
    """Times as the product writes them."""

    def __init__(self, mapping: ProductMapping, record: RawRecord) -> None:
        self._us, self.received_at = mapping.month_first, record.received_at
        self._record = replace(record, zone=mapping.zone) if mapping.zone else record

    def needed(self, said: Mapping[str, str], word: str) -> datetime | None:
        """The time, None where none is said. Raises ValueError where it cannot be read."""
        return self._read(said[word]) if word in said else None

    def of(self, said: Mapping[str, str], word: str) -> datetime | None:
        """The same, but None for what cannot be read and for the times that mean "never"."""
        try:
            moment = self.needed(said, word)
        except ValueError:
            return None
        return moment if moment is not None and moment >= OLDEST else None

    def _read(self, text: str) -> datetime:
        if found := MICROSOFT_DATE.fullmatch(text):
            text = found[1]
        if DAY_ALONE.fullmatch(text):
            text = f"{text} 00:00:00"
        return from_written(text, self._record, us=self._us)
