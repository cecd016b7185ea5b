"""Sigma rules as queries of Elasticsearch, by pySigma's own backend: for Kibana, or to compare the matcher with.

Field names are Sigma's own (``native``) or ECS. Our own extensions (``custom``, exceptions, decisions) are in none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from sigma.backends.elasticsearch.elasticsearch_eql import EqlBackend
from sigma.backends.elasticsearch.elasticsearch_esql import ESQLBackend
from sigma.backends.elasticsearch.elasticsearch_lucene import LuceneBackend
from sigma.collection import SigmaCollection
from sigma.correlations import SigmaCorrelationRule
from sigma.exceptions import SigmaError
from sigma.filters import SigmaFilter
from sigma.pipelines.elasticsearch.windows import ecs_windows
from sigma.pipelines.sysmon.sysmon import sysmon_pipeline
from sigma.pipelines.windows.windows import windows_audit_pipeline, windows_logsource_pipeline
from sigma.processing.pipeline import ProcessingPipeline
from sigma.rule import SigmaRule

from soc.detect.rule_text import rule_files

PIPELINES: dict[str, Callable[[], ProcessingPipeline]] = {
    "native": lambda: sysmon_pipeline() + windows_logsource_pipeline(),
    "audit": lambda: windows_audit_pipeline() + windows_logsource_pipeline(),
    "ecs": ecs_windows,
}
"""``audit``: native names for hosts without Sysmon, where a process start is Security 4688."""
FORMS: dict[str, tuple[Any, str]] = {
    "lucene": (LuceneBackend, "default"),
    "dsl": (LuceneBackend, "dsl_lucene"),
    "kibana": (LuceneBackend, "kibana_ndjson"),
    "eql": (EqlBackend, "default"),
    "esql": (ESQLBackend, "default"),
}


@dataclass(frozen=True, slots=True)
class Converted:
    """A rule's queries, one for each of its conditions; none where ``reason`` says why not."""

    rule_id: str
    title: str
    path: str
    queries: tuple[Any, ...]  # text, or an object for the form ``dsl``
    reason: str = ""


def convert(
    rules: Sequence[Path], *, mapping: str = "ecs", form: str = "lucene"
) -> Iterator[Converted]:
    """Every rule below some folders as queries.

    Raises:
        RuleError: a folder that is not there. What pySigma cannot convert is told in ``reason``.
    """
    backend_class, output = FORMS[form]
    for path in rule_files(rules):
        try:
            collection = SigmaCollection.from_yaml(path.read_text(encoding="utf-8-sig"))
        except (SigmaError, yaml.YAMLError, ValueError, TypeError, AttributeError) as error:
            yield Converted("", path.stem, str(path), (), f"cannot be read: {error}")
            continue
        backend = backend_class(PIPELINES[mapping]())
        for rule in collection.rules:
            if not isinstance(rule, SigmaFilter):
                yield _converted(backend, output, rule, path)


def _converted(
    backend: Any, output: str, rule: SigmaRule | SigmaCorrelationRule, path: Path
) -> Converted:
    named = (str(rule.id or rule.name or ""), str(rule.title), str(path))
    if isinstance(rule, SigmaCorrelationRule):
        return Converted(*named, (), "a correlation; only rules of single events are converted")
    try:
        found = backend.convert(SigmaCollection([rule]), output)
    except (SigmaError, NotImplementedError, ValueError, TypeError, AttributeError) as error:
        return Converted(*named, (), f"{type(error).__name__}: {error}")
    queries = tuple(found) if isinstance(found, list) else (found,)
    return Converted(*named, queries, "" if queries else "it only serves a correlation")
