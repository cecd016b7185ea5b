"""The matcher beside Elasticsearch: the same rules, converted by pySigma, over the same recordings.

Every difference has one of the reasons of ``REASONS`` and stands in docs/convert-differences.md; none is the matcher's:
where the words of the specification decide, the plain evaluator is asked too. CI takes the rules that match something
and a seeded cut of the others; ``make long-convert`` takes all and writes the page anew.
"""

from __future__ import annotations

import os
import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from elasticsearch import ApiError, ConnectionTimeout, Elasticsearch
from elasticsearch.helpers import bulk

from bench.detect import corpus_events
from soc.detect.atoms import as_text
from soc.detect.matcher import Matcher
from soc.detect.packs import Pack, compile_pack
from soc.detect.sigma_queries import convert
from tests.detect import plain_evaluator

pytestmark = [pytest.mark.elastic, pytest.mark.slow]

EVERYTHING = os.environ.get("SOC_CONVERT", "") == "all"
OTHERS = 60  # rules without a match, in CI
INDEX = "convert"
LONGEST = 8_191  # characters of a term; Lucene has a limit of 32,766 bytes
LONGEST_QUERY = 20_000  # characters; longer ones (lists of hashes) keep a node busy for minutes
SECONDS = 30
PAGE = Path(__file__).parents[2] / "docs" / "convert-differences.md"
REASONS = {
    "not converted": "pySigma's backend has no query for it: references from one field to another.",
    "refused": (
        "Elasticsearch refuses the query: a wildcard or a text on an address field, an expression whose quotes it does "
        f"not take; or it has over {LONGEST_QUERY} characters (lists of thousands of hashes) and is not asked."
    ),
    "expression": (
        "Lucene's regular expressions are another language: they must cover the whole value and know no `\\s`, `\\w`, "
        "`(?i)` or look-around. Sigma's are PCRE and search within the value."
    ),
    "long value": f"A value over {LONGEST} characters is no term of the index; the matcher reads all of it.",
    "registry": (
        "`registry_delete` is Sysmon 12 of the EventTypes that delete; pySigma's pipeline asks for event 12 alone."
    ),
}
ADDRESSES = ("IpAddress", "DestinationIp", "SourceIp", "ClientAddress")


@dataclass
class Compared:
    """What both found: (rule id, number of the event)."""

    pack: Pack
    events: list[dict[str, Any]]
    queries: dict[str, list[str]]
    not_converted: set[str]
    ours: set[tuple[str, int]] = field(default_factory=set)
    theirs: set[tuple[str, int]] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)


def texts(value: Any) -> Any:
    """Values as the matcher reads them: as texts, lists as several values."""
    if isinstance(value, list):
        return [as_text(one) for one in value if one is not None]
    return None if value is None else as_text(value)


def filled(client: Elasticsearch, events: list[dict[str, Any]]) -> None:
    """An index with Sigma's meaning: whole values, folded; addresses by address; every value again for keywords."""
    keyword = {"type": "keyword", "normalizer": "folded", "ignore_above": LONGEST}
    address = {"type": "ip", "ignore_malformed": True, "copy_to": "every"}
    every = {"all": {"match": "*", "mapping": {**keyword, "copy_to": "every"}}}
    client.indices.create(
        index=INDEX,
        settings={
            "number_of_replicas": 0,
            "index.mapping.total_fields.limit": 20_000,
            "analysis": {"normalizer": {"folded": {"type": "custom", "filter": ["lowercase"]}}},
        },
        mappings={
            "date_detection": False,
            "dynamic_templates": [every],
            "properties": {"every": keyword, **dict.fromkeys(ADDRESSES, address)},
        },
    )
    documents = (
        {"_index": INDEX, "_id": str(number), "_source": {k: texts(v) for k, v in one.items()}}
        for number, one in enumerate(events)
    )
    bulk(client, documents, chunk_size=500)
    client.indices.refresh(index=INDEX)


def queries_of(rules: list[Path]) -> tuple[dict[str, list[str]], set[str]]:
    """With Sysmon, and as Security 4688 where a rule is about process starts: the matcher takes both."""
    found: dict[str, list[str]] = defaultdict(list)
    not_converted = set()
    for mapping in ("native", "audit"):
        for one in convert(rules, mapping=mapping):
            if not one.queries:
                not_converted.add(one.rule_id)
            for query in one.queries:
                if query not in found[one.rule_id] and (mapping == "native" or "4688" in query):
                    found[one.rule_id].append(query)
    return found, not_converted


@pytest.fixture(scope="module")
def compared(corpus: Path, elastic_url: str, corpus_packs: Path) -> Iterator[Compared]:
    rules = corpus / "sigma" / "rules" / "windows"
    pack = compile_pack([rules], mapping="native", cache=corpus_packs)
    events, matcher = list(corpus_events(corpus)), Matcher(pack)
    ours = {(rule, n) for n, one in enumerate(events) for rule in matcher.match(one)}
    wanted = {rule for rule, _ in ours}
    rest = sorted(pack.rules.keys() - wanted)
    wanted |= set(rest if EVERYTHING else random.Random(3).sample(rest, OTHERS))
    files = sorted({Path(pack.rules[rule].path) for rule in wanted})
    found = Compared(pack, events, *queries_of(files), ours=ours)
    client = Elasticsearch(elastic_url, request_timeout=60)
    filled(client, found.events)
    for rule in sorted(wanted):
        ask(client, rule, found)
    found.ours = {pair for pair in found.ours if pair[0] in wanted}
    print(
        f"{len(wanted)} rules, {len(found.events)} events; ours {len(found.ours)}, theirs {len(found.theirs)}"
    )
    yield found
    client.indices.delete(index=INDEX)
    client.close()


def ask(client: Elasticsearch, rule: str, found: Compared) -> None:
    for query in found.queries.get(rule, ()):
        if len(query) > LONGEST_QUERY:
            found.refused.add(rule)
            continue
        asked = {"query_string": {"query": query, "default_field": "every"}}
        try:
            answer = client.options(request_timeout=SECONDS).search(
                index=INDEX, size=10_000, source=False, query=asked
            )
        except (ApiError, ConnectionTimeout):
            found.refused.add(rule)
            continue
        found.theirs |= {(rule, int(hit["_id"])) for hit in answer["hits"]["hits"]}


def reason_of(rule: str, number: int, found: Compared) -> str:
    """Why the two differ about one event; empty if nobody knows."""
    event, mine = found.events[number], (rule, number) in found.ours
    if mine and rule in found.not_converted:
        return "not converted"
    if mine and rule in found.refused:
        return "refused"
    if any(":/" in query for query in found.queries[rule]):
        content = yaml.safe_load(found.pack.rules[rule].source)
        sysmon = event.get("Channel", "").startswith("Microsoft-Windows-Sysmon")
        if sysmon and plain_evaluator.matches(content, event) is not mine:
            return ""
        return "expression"
    if mine and any(len(str(value)) > LONGEST for value in event.values()):
        return "long value"
    if not mine and found.pack.rules[rule].logsource.get("category") == "registry_delete":
        return "registry"
    return ""


def test_every_difference_has_a_reason_and_none_is_ours(compared: Compared) -> None:
    assert len(compared.ours) > 1_000
    different = sorted(compared.ours ^ compared.theirs)
    unexplained = []
    table: Counter[tuple[str, str, str]] = Counter()
    for rule, number in different:
        reason = reason_of(rule, number, compared)
        side = "matcher" if (rule, number) in compared.ours else "Elasticsearch"
        table[reason, rule, side] += 1
        if not reason:
            unexplained.append((rule, compared.pack.rules[rule].title, number, side))
    print(f"{len(different)} differences: {Counter(reason for reason, _, _ in table.elements())}")
    assert unexplained == []
    if EVERYTHING:
        PAGE.write_text(page(compared, table), encoding="utf-8")
    listed = PAGE.read_text(encoding="utf-8")
    missing = [row for row in table if row[1] not in listed]
    assert missing == [], "run `make long-convert` and read the diff of docs/convert-differences.md"


def page(compared: Compared, table: Counter[tuple[str, str, str]]) -> str:
    same = len(compared.ours & compared.theirs)
    lines = [
        "# Where converted rules and the matcher differ\n",
        "The rules of SigmaHQ's rules/windows, converted to Lucene queries by pySigma (with Sysmon, and as Security",
        f"4688), run on a real Elasticsearch over {len(compared.events)} events of public recordings, beside the",
        f"matcher: {same} matches are the same. `make long-convert` writes this page; a difference without a reason",
        "fails.\n",
        "| reason | rule | found only by | events |",
        "| --- | --- | --- | --- |",
    ]
    for (reason, rule, side), count in sorted(table.items()):
        title = compared.pack.rules[rule].title
        lines.append(f"| {reason} | {title} ({rule}) | {side} | {count} |")
    lines += ["", "## The reasons", ""]
    lines += [f"- **{name}**: {text}" for name, text in REASONS.items()]
    refused = len(compared.refused)
    lines += [
        "",
        f"{refused} rules have a query that Elasticsearch refused or that was too long to be asked.",
        "",
    ]
    return "\n".join(lines)
