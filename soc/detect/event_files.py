"""Event files on disk: EVTX, JSON in its three shapes, plain or compressed. Used by ``soc scan``.

A damaged file gives what can be read of it and a FileProblem; it never stops the files after it.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import orjson
import zstandard

if TYPE_CHECKING:
    from evtx import PyRecordsIterator

EVTX, JSON_LINES, LOG, PCAP = ".evtx", (".jsonl", ".ndjson", ".json"), ".log", (".pcap", ".pcapng")
COMPRESSED = (".gz", ".zst", ".zip")
KNOWN = (EVTX, *JSON_LINES, LOG, *PCAP)
EVTX_MAGIC = b"ElfFile\x00"
EVTX_HEADER, EVTX_CHUNK = 4096, 65536
LONGEST_LINE = 64 * 2**20  # bytes of one record after decompression
LARGEST_PLAIN = 8 * 2**30  # bytes of one compressed file after decompression: a bomb is cut there
LARGEST_JSON = 2**30  # bytes of a JSON array, which is read whole
READ = 2**20
MOST_FAILURES = 1000  # of one file
RECORD_ID = re.compile(rb"<EventRecordID>(\d+)<")


@dataclass(frozen=True, slots=True)
class FileProblem:
    """Something in a file could not be read. ``record`` is the record or line, if it is about one."""

    path: str
    reason: str
    record: int | None = None

    def __str__(self) -> str:
        return f"{self.path}{'' if self.record is None else f':{self.record}'}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Item:
    """A record of a file: parsed JSON, or a line of bytes where ``event`` is None."""

    record: int  # EventRecordID, line number or position, from 1
    event: dict[str, Any] | None
    raw: bytes = b""


def found_files(inputs: Sequence[Path]) -> Iterator[Path]:
    """The event files among the inputs: a folder gives every file below it whose name says a known format."""
    for one in inputs:
        if not one.is_dir():
            yield one
            continue
        for path in sorted(one.rglob("*")):
            if path.is_file() and kind_of(path.name) in KNOWN:
                yield path


def kind_of(name: str) -> str:
    """The format by the name's ending, with a compression ending taken off: ``a.evtx.gz`` is ``.evtx``."""
    lower = name.lower()
    for ending in COMPRESSED:
        if lower.endswith(ending):
            inner = lower.removesuffix(ending)
            kind = Path(inner).suffix
            return kind if kind in KNOWN else JSON_LINES[0]
    return Path(lower).suffix


def members(path: Path) -> Iterator[tuple[str, str, IO[bytes] | Path] | FileProblem]:
    """(shown name, format, content) of a file, or of each file in a zip."""
    lower = path.name.lower()
    try:
        if path.stat().st_size == 0:
            yield FileProblem(str(path), "empty file")
        elif lower.endswith(".gz"):
            with gzip.open(path) as plain:
                yield str(path), kind_of(path.name), plain  # type: ignore[misc]
        elif lower.endswith(".zst"):
            with path.open("rb") as packed:
                reader = zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True)
                yield str(path), kind_of(path.name), io.BufferedReader(reader)
        elif lower.endswith(".zip"):
            yield from _zip_members(path)
        else:
            yield str(path), kind_of(path.name), path
    except OSError as error:
        yield FileProblem(str(path), error.strerror or str(error))


def _zip_members(path: Path) -> Iterator[tuple[str, str, IO[bytes] | Path] | FileProblem]:
    try:
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                kind = Path(info.filename.lower()).suffix
                if info.is_dir() or kind not in KNOWN:
                    continue
                with archive.open(info) as plain:
                    yield f"{path}:{info.filename}", kind, plain
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        yield FileProblem(str(path), f"damaged or locked zip file: {error}")


def records(shown: str, kind: str, content: IO[bytes] | Path) -> Iterator[Item | FileProblem]:
    """The records of one file, and what could not be read of it."""
    try:
        if kind == EVTX:
            yield from evtx_records(shown, content)
        elif isinstance(content, Path):
            with content.open("rb") as plain:
                yield from _text_records(shown, kind, plain)
        else:
            yield from _text_records(shown, kind, content)
    except (OSError, EOFError, zlib.error, zstandard.ZstdError, zipfile.BadZipFile) as error:
        yield FileProblem(shown, f"damaged file: {error}")


def packet_records(shown: str, content: IO[bytes] | Path) -> Iterator[Item | FileProblem]:
    """What the packet sensor says of a capture, by its process: each record is a line for the reader ``sensor``."""
    with tempfile.TemporaryDirectory() as folder:
        path = content if isinstance(content, Path) else Path(folder) / "capture"
        if not isinstance(content, Path):
            with path.open("wb") as plain:
                shutil.copyfileobj(content, plain)
        command = [sys.executable, "-m", "collectors.sensor.main", str(path)]
        with (
            (Path(folder) / "said").open("w+b") as errors,
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors) as sensor,
        ):
            assert sensor.stdout is not None
            for number, line in enumerate(sensor.stdout, 1):
                yield Item(number, None, line.rstrip(b"\n"))
            code = sensor.wait()
            errors.seek(0)
            said = errors.read().decode("utf-8", "replace").strip()
        if said:
            yield FileProblem(shown, said.removeprefix(f"soc-sensor: {path} "))
        elif code != 0:
            yield FileProblem(shown, f"the packet sensor ended with code {code}: cut short")


def _text_records(shown: str, kind: str, plain: IO[bytes]) -> Iterator[Item | FileProblem]:
    if kind == LOG:
        for number, line in _lines(shown, plain):
            yield line if isinstance(line, FileProblem) else Item(number, None, line)
        return
    yield from json_records(shown, plain)


def json_records(shown: str, plain: IO[bytes]) -> Iterator[Item | FileProblem]:
    """One object per line, an array of objects, or a single object over many lines."""
    lines = _lines(shown, plain)
    first_number, first = next(lines, (1, b""))
    while isinstance(first, bytes) and not first.strip(b"\xef\xbb\xbf \t\r\n"):
        following = next(lines, None)
        if following is None:
            return
        first_number, first = following
    if isinstance(first, bytes):
        start = first.removeprefix(b"\xef\xbb\xbf").lstrip()
        if start.startswith(b"[") or not _is_object(start):
            whole = _whole(shown, start, plain)
            if isinstance(whole, FileProblem):
                yield whole
                return
            if whole is not None:
                yield from _from_array(shown, whole)
                return
        first = start
    yield from _from_line(shown, first_number, first)
    for number, line in lines:
        yield from _from_line(shown, number, line)


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(orjson.loads(line), dict)
    except orjson.JSONDecodeError:
        return False


def _whole(shown: str, start: bytes, plain: IO[bytes]) -> Any:
    """The whole file as one JSON value, or as objects of many lines one after the other (then as a list).

    None if the file does not begin like one of these, or if its first line is just a bad line.
    """
    if not start.startswith((b"[", b"{")) or (start.startswith(b"{") and len(start.strip()) > 80):
        return None
    text = start + b"\n" + plain.read(LARGEST_JSON)
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        found = _one_after_the_other(text)
        return found or FileProblem(shown, f"not JSON: {error}")


def _one_after_the_other(text: bytes) -> list[Any]:
    """The JSON values of a text, as far as they are sound."""
    decoder, place = json.JSONDecoder(), 0
    found: list[Any] = []
    decoded = text.decode("utf-8", "replace")
    while place < len(decoded):
        try:
            value, place = decoder.raw_decode(decoded, place)
        except json.JSONDecodeError:
            return found
        found.append(value)
        while place < len(decoded) and decoded[place] in " \t\r\n,":
            place += 1
    return found


def _from_array(shown: str, whole: Any) -> Iterator[Item | FileProblem]:
    for number, event in enumerate(whole if isinstance(whole, list) else [whole], 1):
        if isinstance(event, dict):
            yield Item(number, event)
        else:
            yield FileProblem(shown, "not a JSON object", number)


def _from_line(shown: str, number: int, line: bytes | FileProblem) -> Iterator[Item | FileProblem]:
    if isinstance(line, FileProblem):
        yield line
        return
    if not line or line.isspace():
        return
    try:
        event = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        yield FileProblem(shown, f"not JSON: {error}", number)
        return
    if isinstance(event, dict):
        yield Item(number, event, line)
    else:
        yield FileProblem(shown, "not a JSON object", number)


def _lines(shown: str, plain: IO[bytes]) -> Iterator[tuple[int, bytes | FileProblem]]:
    """Numbered lines; one that is too long is passed over and named."""
    total = number = 0
    while True:
        line = plain.readline(LONGEST_LINE)
        if not line:
            return
        number += 1
        total += len(line)
        if len(line) == LONGEST_LINE and not line.endswith(b"\n"):
            while line and not line.endswith(b"\n") and total < LARGEST_PLAIN:
                line = plain.readline(READ)
                total += len(line)
            yield number, FileProblem(shown, f"a line over {LONGEST_LINE} bytes", number)
        else:
            yield number, line.rstrip(b"\r\n")
        if total >= LARGEST_PLAIN:
            yield number, FileProblem(shown, f"cut after {LARGEST_PLAIN} bytes", number)
            return


def evtx_records(
    shown: str, content: IO[bytes] | Path, *, xml: bool = False
) -> Iterator[Item | FileProblem]:
    """The records of an EVTX file, as the parser's JSON or as raw XML.

    The parser says nothing of a file that was cut; it is read as far as it goes, and named here.
    """
    from evtx import PyEvtxParser

    if not isinstance(content, Path):
        content = io.BytesIO(content.read(LARGEST_JSON))
    header, size = _evtx_header(content)
    if not header.startswith(EVTX_MAGIC) or len(header) < 128:
        yield FileProblem(shown, "not an EVTX file, or its header is damaged")
        return
    chunks = struct.unpack_from("<H", header, 42)[0]
    whole, rest = divmod(max(0, size - EVTX_HEADER), EVTX_CHUNK)
    if whole < chunks:
        yield FileProblem(shown, f"cut short: {whole} of {chunks} chunks are whole")
    elif rest:
        yield FileProblem(shown, f"cut short: it ends {rest} bytes into a chunk of {EVTX_CHUNK}")
    try:
        parser = PyEvtxParser(str(content) if isinstance(content, Path) else content)
    except (RuntimeError, OSError, ValueError) as error:
        yield FileProblem(shown, f"not a readable EVTX file: {error}")
        return
    if xml:
        yield from _parsed(shown, parser.records(), _xml_item)
    else:
        yield from _parsed(shown, parser.records_json(), _json_item)


def _evtx_header(content: IO[bytes] | Path) -> tuple[bytes, int]:
    if isinstance(content, Path):
        with content.open("rb") as file:
            return file.read(128), content.stat().st_size
    header = content.read(128)
    size = content.seek(0, io.SEEK_END)
    content.seek(0)
    return header, size


def _parsed(
    shown: str, parsed: PyRecordsIterator, item: Callable[[dict[str, Any]], Item]
) -> Iterator[Item | FileProblem]:
    for _ in range(MOST_FAILURES):
        try:
            for record in parsed:
                if record is not None:
                    yield item(record)
            return
        except (RuntimeError, ValueError) as error:
            yield FileProblem(shown, f"unreadable record: {error}")
    yield FileProblem(shown, f"given up after {MOST_FAILURES} unreadable records")


def _json_item(record: dict[str, Any]) -> Item:
    event = orjson.loads(record["data"])
    return Item(_record_id(event, record["event_record_id"]), event)


def _xml_item(record: dict[str, Any]) -> Item:
    raw = record["data"].encode("utf-8", "surrogatepass")
    found = RECORD_ID.search(raw)
    return Item(int(found[1]) if found else record["event_record_id"], None, raw)


def _record_id(event: dict[str, Any], in_header: int) -> int:
    """EventRecordID as the event itself says; the record's header counts anew in exported files."""
    try:
        return int(event["Event"]["System"]["EventRecordID"])
    except (KeyError, TypeError, ValueError):
        return in_header
