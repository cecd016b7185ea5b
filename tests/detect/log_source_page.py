"""Which of Sigma's log sources have data here, and the page that shows it.

``SOC_CORPUS=... python -m tests.detect.log_source_page`` writes docs/log-sources.md anew. A log source has data if an
event of the readers' golden samples, or of the public recordings, is asked about by a rule of that log source.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from soc.cli.events import records_of
from soc.collect import discovery
from soc.detect.facts import CannotMatch
from soc.detect.matcher import Matcher
from soc.detect.packs import Pack, compile_pack
from soc.errors import RecordError
from tests.detect.builders import ID, rule, write_rules
from tests.sources.accept import samples

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "log-sources.md"
SIGMAHQ = ("rules", "rules-emerging-threats", "rules-threat-hunting")
RECORDINGS = ("evtx-attack-samples", "evtx-to-mitre", "sigma-regression")
SHOWN = 4  # data sets of one log source
HEAD = """# Log sources

Which log sources of Sigma rules have data: a reader gives events that rules of that log source are asked about. Shown
by the readers' samples and the public recordings; written by `python -m tests.detect.log_source_page`, and a test fails
when it is out of date. A rule of a log source without data waits for one, or is listed as one that cannot match.
""".splitlines()
PARTS = ("product", "category", "service")
LogSource = tuple[tuple[str, str], ...]


def page(corpus: Path, cache: Path | None = None) -> str:
    """The page as it should be."""
    own = _rules_by_source([ROOT / "rules"], cache)
    public = _rules_by_source([corpus / "sigma" / name for name in SIGMAHQ], cache)
    brought = _brought(sorted({*own, *public}), events(corpus))
    with_data = sum(bool(brought[one]) for one in brought)
    rules_with = sum(number for one, number in public.items() if brought[one])
    share = f"they are those of {rules_with} of SigmaHQ's {sum(public.values())} rules"
    lines = [
        *HEAD,
        "",
        f"{with_data} of {len(brought)} log sources have data; {share}.",
        "",
        "| log source | data sets that bring it | rules here | of SigmaHQ |",
        "| --- | --- | --- | --- |",
    ]
    for one in sorted(brought, key=lambda each: (not brought[each], _text(each))):
        sets = [
            name for name, _ in sorted(brought[one].items(), key=lambda each: (-each[1], each[0]))
        ]
        more = f" and {len(sets) - SHOWN} more" if len(sets) > SHOWN else ""
        told = ", ".join(f"`{name}`" for name in sets[:SHOWN]) + more
        lines.append(f"| {_text(one)} | {told or '-'} | {own[one] or ''} | {public[one] or ''} |")
    return "\n".join(lines) + "\n"


def events(corpus: Path) -> Iterator[dict[str, Any]]:
    """Fields of the golden samples and of the public recordings."""
    for sample in samples():
        golden = sample.with_name(f"{sample.stem}.events.jsonl")
        for line in golden.read_text(encoding="utf-8").splitlines():
            fields = json.loads(line).get("fields")
            if isinstance(fields, dict):
                yield fields
    now = datetime(2026, 1, 1, tzinfo=UTC)
    for name in RECORDINGS:
        for path in sorted((corpus / name).rglob("*.evtx")):
            for record in records_of(path, "auto", now):
                try:
                    yield from (event.fields for event in discovery.read(record))
                except RecordError:
                    continue


def _rules_by_source(folders: Sequence[Path], cache: Path | None) -> Counter[LogSource]:
    pack: Pack = compile_pack(folders, cache=cache)
    found = Counter(_key(one.logsource) for one in pack.rules.values())
    for one in pack.cannot_match:
        found[_key(_source_of(one))] += 1
    del found[()]
    return found


def _source_of(one: CannotMatch) -> dict[str, str]:
    for document in yaml.load_all(Path(one.path).read_bytes(), Loader=yaml.CSafeLoader):
        if isinstance(document, dict) and document.get("id") == one.id:
            given = document.get("logsource") or {}
            return {name: str(given[name]) for name in PARTS if given.get(name)}
    return {}


def _key(logsource: dict[str, str]) -> LogSource:
    return tuple((name, logsource[name]) for name in PARTS if name in logsource)


def _text(one: LogSource) -> str:
    return ", ".join(f"{name} {value}" for name, value in one)


def _brought(
    sources: Sequence[LogSource], found: Iterator[dict[str, Any]]
) -> dict[LogSource, Counter[str]]:
    """By log source, the data sets of the events that a rule which takes any event would match."""
    anything = {"s": {"soc.level|exists": True}, "condition": "s"}
    rules = [rule(n, anything, logsource=dict(one)) for n, one in enumerate(sources)]
    with tempfile.TemporaryDirectory() as folder:
        matcher = Matcher(compile_pack([write_rules(Path(folder), rules)]))
    by_id = {ID.format(number): one for number, one in enumerate(sources)}
    brought: dict[LogSource, Counter[str]] = defaultdict(Counter)
    for fields in found:
        dataset = str(fields.get("event.dataset", fields.get("event.module", "?")))
        for rule_id in matcher.match({**fields, "soc.level": 0}):
            brought[by_id[rule_id]][dataset] += 1
    return {one: brought[one] for one in sources}


if __name__ == "__main__":
    PAGE.write_text(page(Path(os.environ["SOC_CORPUS"])), encoding="utf-8")
