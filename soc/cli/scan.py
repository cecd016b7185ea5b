"""``soc scan``: the rule engine on files, with no server and no state."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

if TYPE_CHECKING:
    from soc.detect.baselines.detectors import Detectors
    from soc.detect.event_files import FileProblem, Item
    from soc.detect.matcher import Matcher
    from soc.detect.packs import Pack
    from soc.model.event import Event

COLUMNS = (("level", 13), ("title", 48), ("host", 24), ("time", 27), ("record", 9), ("file", 0))
WRITE_AT = 65536  # bytes of output kept back


class Names(StrEnum):
    """Field names of the events."""

    native = "native"
    ecs = "ecs"


class Output(StrEnum):
    """Form of the matches."""

    jsonl = "jsonl"
    table = "table"


def command(
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="INPUT...",
            help=".evtx .jsonl .ndjson .json .pcap .pcapng, these as .gz .zst .zip, .log, or a folder",
        ),
    ],
    rules: Annotated[list[Path], typer.Option(help="A folder of rules; may be given again.")],
    mapping: Annotated[
        Names, typer.Option(help="Field names of the events: Sigma's own, or ECS.")
    ] = Names.native,
    output: Annotated[
        Output, typer.Option(help="One JSON object a line, or a table.")
    ] = Output.jsonl,
    stats: Annotated[
        bool, typer.Option("--stats", help="Counts, speed and refused rules on stderr.")
    ] = False,
    source: Annotated[
        str, typer.Option(help="The reader of .log files: syslog, linux_audit ..., or auto.")
    ] = "",
    cache: Annotated[
        Path | None, typer.Option(help="Where compiled rules are kept between runs.")
    ] = None,
) -> None:
    """Run rules over files and print every match.

    Each match is one line: rule_id, title, level, file, record, time, host, and the fields that matched. A file that
    cannot be read is named on stderr and the others go on. Exit code 0 when done, 2 for wrong use or if nothing
    could be read.

    Example: soc scan --rules rules/ --stats Security.evtx
    """
    from soc.detect.packs import compile_pack, user_cache
    from soc.errors import RuleError

    for path in inputs:
        if not path.exists():
            _fail(f"{path}: no such file or folder")
    kept = cache or user_cache()
    try:
        pack = compile_pack(rules, mapping=mapping.value, cache=kept)
    except RuleError as error:
        _fail(str(error))
    if not pack.rules:
        _say_refused(pack)
        _fail(_no_rules(pack, rules))
    scan = Scan(pack, source=source, table=output is Output.table)
    try:
        scan.run(inputs)
    except BrokenPipeError:  # who reads our output has seen enough
        sys.stderr.close()
        raise typer.Exit(0) from None
    if stats:
        scan.say_stats()
    if scan.files_failed and not scan.files_read:
        raise typer.Exit(2)


def _fail(reason: str) -> NoReturn:
    typer.echo(f"soc scan: {reason}", err=True)
    raise typer.Exit(2)


def _say_refused(pack: Pack) -> None:
    for one in pack.refused:
        hint = f" ({one.hint})" if one.hint else ""
        typer.echo(f"soc scan: rule refused: {one.place}: {one.reason}{hint}", err=True)


def _no_rules(pack: Pack, rules: Sequence[Path]) -> str:
    """Why nothing can match, with the first reason in full."""
    where = ", ".join(map(str, rules))
    if not pack.cannot_match:
        return f"no usable rule in {where}"
    first = pack.cannot_match[0]
    return f"no rule in {where} can match; the first, {first.path}, is {first.reason}"


class Scan:
    """One run over some files; the counts are its attributes."""

    def __init__(self, pack: Pack, *, source: str, table: bool) -> None:
        import gc

        from soc.detect.correlation.batch import Batch
        from soc.detect.matcher import Matcher
        from soc.detect.packs import correlations_of

        self.matcher: Matcher = Matcher(pack)
        self.batch = Batch(correlations_of(pack))
        self.timeless = 0  # matches that correlations lack, since their events have no time
        self.ecs, self.source, self.table = pack.mapping == "ecs", source, table
        self.events = self.unreadable = self.matches = self.files_read = self.files_failed = 0
        self.rules_hit: set[str] = set()
        self.seconds = 0.0
        self.detectors: Detectors | None = None
        self._out = bytearray()
        gc.collect()
        gc.freeze()  # the rules stay; the collector need not walk them

    def run(self, inputs: list[Path]) -> None:
        """Read, match and print."""
        import time

        from soc.detect.event_files import FileProblem, found_files, members

        start = time.perf_counter()
        if self.table:
            self._write(" ".join(name.ljust(width) for name, width in COLUMNS).rstrip().encode())
        for path in found_files(inputs):
            for member in members(path):
                if isinstance(member, FileProblem):
                    self._say(member)
                    self.files_failed += 1
                else:
                    self._file(*member)
        self._say_runs()
        self._flush()
        self.seconds = time.perf_counter() - start

    def _file(self, shown: str, kind: str, content: Any) -> None:
        from soc.detect.event_files import FileProblem

        self.detectors = None  # a capture is a network of its own
        before, sound = self.events, True
        for item in self._items(shown, kind, content):
            if isinstance(item, FileProblem):
                sound = False
                self.unreadable += 1
                self._say(item)
                continue
            written = item.raw if item.event is not None and "Event" not in item.event else b""
            for fields, time, host in self._fields(shown, item, kind):
                self.events += 1
                found = self.matcher.match(fields, written or None)
                self._matches(found, shown, item.record, fields, time, host)
        if sound or self.events > before:
            self.files_read += 1
        else:
            self.files_failed += 1

    def _items(self, shown: str, kind: str, content: Any) -> Iterator[Item | FileProblem]:
        from soc.detect import event_files as files

        if kind in files.PCAP:
            if self.ecs:
                return files.packet_records(shown, content)
            reason = "the packet sensor's records have ECS names: say --mapping ecs"
            return iter([files.FileProblem(shown, reason)])
        if kind == files.LOG and not (self.source and self.ecs):
            reason = "lines need a reader: say --source NAME (or auto) and --mapping ecs"
            return iter([files.FileProblem(shown, reason)])
        if kind == files.EVTX and self.ecs:
            return files.evtx_records(shown, content, xml=True)
        return files.records(shown, kind, content)

    def _fields(
        self, shown: str, item: Item, kind: str
    ) -> Iterator[tuple[dict[str, Any], str | datetime, str]]:
        """(fields, time, host) of the events of a record; what cannot be read is named."""
        from soc.detect.event_files import EVTX, PCAP, FileProblem
        from soc.detect.native_events import flat, host_of, native_fields, time_of
        from soc.errors import RecordError

        if item.event is not None:
            if self.ecs and "Event" in item.event:
                reason = "this is in Sigma's own names: scan it with --mapping native"
                self._say(FileProblem(shown, reason, item.record))
                self.unreadable += 1
                return
            fields = flat(item.event) if self.ecs else native_fields(item.event)
            yield fields, time_of(fields), host_of(fields)
            return
        from soc.collect.discovery import read
        from soc.model.event import RawRecord

        source = "windows_xml" if kind == EVTX else "sensor" if kind in PCAP else self.source
        try:
            for event in read(RawRecord(item.raw, source, received_at=datetime.now(UTC))):
                host = event.host or str(event.fields.get("host.name", ""))
                if kind in PCAP:
                    self._count(event, shown, item.record, host)
                yield event.fields, event.observed_at, host
        except RecordError as error:
            self.unreadable += 1
            self._say(FileProblem(shown, f"unreadable record: {error.reason}", item.record))

    def _count(self, event: Event, shown: str, record: int, host: str) -> None:
        """What only shows over many flows of a capture: scans, beacons, tunnels."""
        if self.detectors is None:
            from soc.detect.baselines.detectors import Detectors
            from soc.detect.baselines.thresholds import load_thresholds
            from soc.shipped import folder

            self.detectors = Detectors(load_thresholds([folder("rules")]))
        for finding in self.detectors.observe(event):
            self.matches += 1
            self.rules_hit.add(finding.rule.id)
            line = {
                "rule_id": finding.rule.id,
                "title": finding.rule.title,
                "level": finding.rule.level,
                "file": shown,
                "record": record,
                "time": event.observed_at,
                "host": host,
                "fields": finding.signal().fields,
            }
            self._write(_row(line) if self.table else _json(line))

    def _matches(
        self,
        found: Sequence[str],
        shown: str,
        record: int,
        fields: dict[str, Any],
        time: str | datetime,
        host: str,
    ) -> None:
        for rule_id in found:
            self._correlate(rule_id, shown, record, fields, time, host)
            if rule_id in self.matcher.feed.silent:
                continue
            self.matches += 1
            self.rules_hit.add(rule_id)
            rule = self.matcher.rules[rule_id]
            line = {
                "rule_id": rule_id,
                "title": rule.title,
                "level": rule.level,
                "file": shown,
                "record": record,
                "time": time,
                "host": host,
                "fields": self.matcher.matched_fields(rule_id, fields),
            }
            self._write(_row(line) if self.table else _json(line))

    def _correlate(
        self,
        rule_id: str,
        shown: str,
        record: int,
        fields: dict[str, Any],
        time: str | datetime,
        host: str,
    ) -> None:
        parts = self.matcher.feed.parts(rule_id, fields, None)
        if not parts:
            return
        at = _microseconds(time)
        if at is None:
            self.timeless += 1
            return
        tag = (shown, record, time, host)
        self.batch.take(parts, rule_id=rule_id, key=f"{shown}\0{record}", at=at, tag=tag)

    def _say_runs(self) -> None:
        """The correlations' matches: file, record, time and host are those of the latest event."""
        import orjson

        facts = self.matcher.pack.correlation_facts
        for found in self.batch.runs():
            self.matches += 1
            self.rules_hit.add(found.rule.id)
            rule, (shown, record, time, host) = facts[found.rule.id], found.tags[-1]
            values = dict(zip(found.rule.group_by, orjson.loads(found.group)[1:], strict=True))
            line = {
                "rule_id": rule.id,
                "title": rule.title,
                "level": rule.level,
                "file": shown,
                "record": record,
                "time": time,
                "host": host,
                "fields": values | {"event.count": len(found.tags)},
            }
            self._write(_row(line) if self.table else _json(line))

    def _write(self, line: bytes) -> None:
        self._out += line + b"\n"
        if len(self._out) >= WRITE_AT:
            self._flush()

    def _flush(self) -> None:
        sys.stdout.buffer.write(self._out)
        sys.stdout.buffer.flush()
        self._out.clear()

    def _say(self, problem: FileProblem) -> None:
        self._flush()
        typer.echo(f"soc scan: {problem}", err=True)

    def say_stats(self) -> None:
        """Counts on stderr."""
        pack = self.matcher.pack
        speed = f" ({self.events / self.seconds:.0f} events/s)" if self.seconds else ""
        typer.echo(f"events read: {self.events}{speed}", err=True)
        typer.echo(f"unreadable: {self.unreadable}", err=True)
        typer.echo(f"files read: {self.files_read}, failed: {self.files_failed}", err=True)
        typer.echo(f"matches: {self.matches} of {len(self.rules_hit)} rules", err=True)
        typer.echo(
            f"rules loaded: {len(pack.rules) + len(pack.correlations)}, refused: {len(pack.refused)}, "
            f"cannot match: {len(pack.cannot_match)}",
            err=True,
        )
        if self.timeless:
            typer.echo(f"without a time, so in no correlation: {self.timeless} matches", err=True)
        _say_refused(pack)
        for reason, rules in Counter(one.reason for one in pack.cannot_match).most_common():
            typer.echo(f"cannot match: {rules} rules: {reason}", err=True)
        for rule_id, times in self.matcher.over_budget().items():
            title = self.matcher.rules[rule_id].title
            typer.echo(f"regular expression over its budget {times} times: {title}", err=True)


def _microseconds(time: str | datetime) -> int | None:
    """µs since 1970; None for a text that is no time."""
    from datetime import timedelta

    from soc.model.event import EPOCH
    from soc.normalise.timestamps import from_iso

    try:
        moment = from_iso(time) if isinstance(time, str) else time
    except ValueError:
        return None
    return (moment - EPOCH) // timedelta(microseconds=1)


def _json(line: dict[str, Any]) -> bytes:
    import orjson

    try:
        return orjson.dumps(line)
    except TypeError:  # a lone surrogate, or an integer over 64 bits
        import json

        return json.dumps(line, default=str).encode()


def _row(line: dict[str, Any]) -> bytes:
    cells = []
    for name, width in COLUMNS:
        cell = str(line[name])
        cells.append(
            cell
            if not width
            else f"{cell[: width - 1] + '…'}"
            if len(cell) > width
            else cell.ljust(width)
        )
    return " ".join(cells).encode("utf-8", "replace")
