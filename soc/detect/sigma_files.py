"""The door to pySigma: rule files to conditions that the matcher understands.

pySigma is imported when rules are compiled, not when a compiled pack is loaded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from sigma import conditions as sc
from sigma import exceptions as sx
from sigma import types as st
from sigma.filters import SigmaFilter
from sigma.pipelines.common import windows_logsource_mapping
from sigma.pipelines.elasticsearch.windows import ecs_windows
from sigma.pipelines.sysmon.sysmon import sysmon_generic_logsource_eventid_mapping
from sigma.pipelines.windows.windows import (
    windows_audit_pipeline,
    windows_generic_category_channel_mapping,
)
from sigma.processing.pipeline import ProcessingPipeline
from sigma.processing.transformations import (
    AddConditionTransformation,
    FieldMappingTransformation,
)
from sigma.rule import SigmaRule
from sigma.rule.detection import SigmaDetection, SigmaDetectionItem
from sigma.rule.logsource import SigmaLogSource

from soc.detect.atoms import KEYWORDS, MANY, ONE, Atom, Node, Parts, as_text, folded
from soc.detect.condition_text import ConditionError, ConditionText
from soc.detect.correlation.loading import CannotUse, Parsed, Resolver, silent_rules
from soc.detect.correlation.rule import Correlation
from soc.detect.facts import CannotMatch, Refused, RuleFacts
from soc.detect.log_sources import KEPT_AS_TEXT, Alternative, Values, WindowsTables, alternatives
from soc.detect.patterns import may_explode
from soc.detect.rule_documents import error_at, facts_of, with_actions
from soc.detect.rule_text import Document, documents, rule_files
from soc.detect.sigma_correlations import parsed_correlation
from soc.detect.sigma_modifiers import install
from soc.errors import RuleError
from soc.normalise.fields import is_known

install()


@dataclass(slots=True)
class Loaded:
    """The rules of some folders, ready for the matcher."""

    facts: dict[str, RuleFacts] = field(default_factory=dict)
    conditions: dict[str, Node] = field(default_factory=dict)
    atoms: dict[str, dict[Atom, int]] = field(default_factory=dict)  # field to atom to its number
    refused: list[Refused] = field(default_factory=list)
    cannot_match: list[CannotMatch] = field(default_factory=list)
    correlations: dict[str, Correlation] = field(default_factory=dict)
    correlation_facts: dict[str, RuleFacts] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)  # rules that only serve a correlation

    def refuse(self, error: RuleError, title: str = "") -> None:
        """Set a rule aside; the others still load."""
        self.refused.append(
            Refused(str(error.path), error.reason, error.line, error.column, error.hint, title)
        )


def windows_tables() -> WindowsTables:
    """What pySigma's pipelines know of Windows log sources."""
    renamed: dict[str, str] = {}
    for item in windows_audit_pipeline().items:
        if item.identifier == "windows_audit_fieldmappings":
            transformation = item.transformation
            assert isinstance(transformation, FieldMappingTransformation)
            renamed = {str(name): str(other) for name, other in transformation.mapping.items()}
    return WindowsTables(
        sysmon_event_id=cast("dict[str, Values]", sysmon_generic_logsource_eventid_mapping),
        channel=windows_logsource_mapping,
        powershell=windows_generic_category_channel_mapping,
        audit_fields=renamed,
    )


def ecs_fields_pipeline() -> ProcessingPipeline:
    """``ecs_windows`` for field names and values only: the log source conditions are our own (log_sources)."""
    pipeline = ecs_windows()
    items = []
    for item in pipeline.items:
        transformation = item.transformation
        if isinstance(transformation, FieldMappingTransformation):
            for name in KEPT_AS_TEXT & transformation.mapping.keys():
                del transformation.mapping[name]
        if not isinstance(transformation, AddConditionTransformation):
            items.append(item)
    pipeline.items = items
    return pipeline


class Loader:
    """Reads rule files under one mapping, ``ecs`` or ``native``."""

    def __init__(self, mapping: str, placeholders: Mapping[str, Sequence[str]]) -> None:
        self.mapping = mapping
        self.placeholders = placeholders
        self.loaded = Loaded()
        self._windows = windows_tables()
        self._ecs = ecs_fields_pipeline()
        self._documents: dict[str, Document] = {}  # of single-event rules and correlations, by id
        self._parsed: dict[str, Parsed] = {}
        self._names: dict[str, list[tuple[str, str]]] = {}  # id or name to (id, path)

    def load(self, files: Iterable[tuple[Path, bytes]]) -> Loaded:
        """Read all files; what cannot be used is in ``refused`` and ``cannot_match``."""
        rules, filters = self._sorted_documents(files)
        for document in rules:
            title = str(document.content.get("title", ""))
            try:
                self._take(document, filters)
            except RuleError as error:
                self.loaded.refuse(error, title)
            except sx.SigmaError as error:
                self.loaded.refuse(located(document, error), title)
            except (TypeError, AttributeError, ValueError, RecursionError) as error:
                # pySigma trips over odd shapes (a list where it wants a text) with Python's own errors
                reason = f"not a Sigma rule: {error}"
                self.loaded.refuse(document.error(reason, "detection"), title)
        self._correlate()
        return self.loaded

    def _sorted_documents(
        self, files: Iterable[tuple[Path, bytes]]
    ) -> tuple[list[Document], list[SigmaFilter]]:
        rules: list[Document] = []
        filters: list[SigmaFilter] = []
        for path, raw in files:
            try:
                found = list(with_actions(documents(path, raw)))
                self.loaded.silent.update(silent_rules(found, lambda one: facts_of(one).id))
                for document in found:
                    if "filter" in document.content:
                        filters.append(_filter(document))
                    else:
                        rules.append(document)
            except RuleError as error:
                self.loaded.refuse(error)
        return rules, filters

    def _take(self, document: Document, filters: Sequence[SigmaFilter]) -> None:
        facts = facts_of(document)
        if facts.id in self._documents:
            other = self._documents[facts.id].path
            raise document.error(f"the id {facts.id} is taken", "id", hint=f"also in {other}")
        for called in {facts.id, str(document.content.get("name") or facts.id)}:
            self._names.setdefault(called, []).append((facts.id, facts.path))
        if "correlation" in document.content:
            self._parsed[facts.id] = parsed_correlation(document, facts)
            self._documents[facts.id] = document
            return
        sources = alternatives(facts.logsource, self.mapping, self._windows)
        if not sources:
            named = ", ".join(f"{name} {value}" for name, value in facts.logsource.items())
            SigmaRule.from_dict(dict(document.content))  # a broken rule is refused all the same
            self._cannot(facts, f"no reader delivers the log source {named}")
            return
        atoms = RuleAtoms(document, self.placeholders)
        nodes = tuple(self._alternative(document, filters, one, atoms) for one in sources)
        reason, fields = self._out_of_reach(atoms.fields(), gated=all(one.gate for one in sources))
        if reason:
            self._cannot(facts, reason, fields)
            return
        self.loaded.facts[facts.id] = facts
        self._documents[facts.id] = document
        node = nodes[0] if len(nodes) == 1 else ("or", nodes)
        self.loaded.conditions[facts.id] = self._numbered(node)

    def _correlate(self) -> None:
        """Resolve the correlations; each that cannot be used is listed, and the others go on."""
        resolver = Resolver(self.loaded.facts, self._names, self._mapped, self._parsed)
        for rule_id, one in self._parsed.items():
            try:
                self.loaded.correlations[rule_id] = resolver.resolve(rule_id)
                self.loaded.correlation_facts[rule_id] = one.facts
            except CannotUse as error:
                self._cannot(one.facts, error.reason)
            except RuleError as error:
                self.loaded.refuse(error, one.facts.title)

    def _mapped(self, rule_id: str, name: str) -> tuple[str, ...]:
        """The fields in which the events of a rule have what Sigma calls ``name``."""
        if self.mapping == "ecs" and is_known(name):
            return (name,)
        document = self._documents[rule_id]
        content = {
            "title": "a field's name",
            "logsource": document.content["logsource"],
            "detection": {"here": {name: "1"}, "condition": "here"},
        }
        probe = Document(document.path, content, document.node, document.text)
        found: dict[str, None] = {}
        sources = alternatives(facts_of(document).logsource, self.mapping, self._windows)
        for one in sources:
            atoms = RuleAtoms(probe, self.placeholders)
            node = self._alternative(probe, (), one, atoms)
            found |= dict.fromkeys(_fields_of(node[1][1]))
        return tuple(found)

    def _out_of_reach(self, names: Iterable[str], *, gated: bool) -> tuple[str, tuple[str, ...]]:
        """Why no event can have these fields under this mapping, and which they are; "" if it can."""
        if self.mapping == "ecs":
            unknown = tuple(sorted(name for name in names if not is_known(name)))
            return (f"no event has the field {', '.join(unknown)}" if unknown else "", unknown)
        in_ecs = tuple(sorted(name for name in names if "." in name and is_known(name)))
        if not (in_ecs and gated):  # the gate asks for native names, which an ECS event has not
            return "", ()
        return f"written in ECS names ({', '.join(in_ecs)}): use --mapping ecs", in_ecs

    def _cannot(self, facts: RuleFacts, reason: str, fields: tuple[str, ...] = ()) -> None:
        self.loaded.cannot_match.append(
            CannotMatch(facts.id, facts.title, facts.path, reason, fields)
        )

    def _alternative(
        self, document: Document, filters: Sequence[SigmaFilter], one: Alternative, atoms: RuleAtoms
    ) -> Node:
        """The condition for one place the events may come from, its gate first."""
        rule = SigmaRule.from_dict(dict(document.content))
        for each in filters:
            rule = cast("SigmaRule", each.apply_on_rule(rule))
        atoms.renamed = one.renamed
        if self.mapping == "ecs" and rule.logsource.product == "windows":
            rule.logsource = SigmaLogSource(one.category, "windows", one.service)
            self._ecs.apply(rule)
        gate = tuple(_gate_node(name, values) for name, values in one.gate.items())
        wanted = [condition_node(one, rule, atoms) for one in rule.detection.condition]
        node = wanted[0] if len(wanted) == 1 else ("or", tuple(wanted))
        atoms.take_gate(one.gate)
        return ("and", (("name", "log source", ("and", gate)), node))

    def _numbered(self, node: Node) -> Node:
        """Atoms replaced by their numbers within their field."""
        if node[0] == "is":
            known = self.loaded.atoms.setdefault(node[1], {})
            return ("atom", node[1], known.setdefault(node[2], len(known)))
        if node[0] in ("and", "or"):
            return (node[0], tuple(map(self._numbered, node[1])))
        if node[0] == "not":
            return ("not", self._numbered(node[1]))
        return ("name", node[1], self._numbered(node[2]))


def _fields_of(node: Node) -> Iterator[str]:
    if node[0] == "is":
        yield node[1]
    elif node[0] in ("and", "or"):
        for one in node[1]:
            yield from _fields_of(one)
    else:
        yield from _fields_of(node[-1])


def load_rules(
    folders: Sequence[Path], mapping: str, placeholders: Mapping[str, Sequence[str]] | None = None
) -> Loaded:
    """The rules below some folders.

    Raises:
        RuleError: a folder that is not there. A bad rule file raises nothing: it is in ``refused``.
    """
    files = ((path, path.read_bytes()) for path in rule_files(folders))
    return Loader(mapping, placeholders or {}).load(files)


def _filter(document: Document) -> SigmaFilter:
    try:
        return SigmaFilter.from_dict(dict(document.content))
    except sx.SigmaError as error:
        raise located(document, error) from error


def located(document: Document, error: sx.SigmaError) -> RuleError:
    """pySigma's error with the place in the file and what to do."""
    reason = str(error.args[0]) if error.args else str(error)
    return error_at(document, [kind.__name__ for kind in type(error).__mro__], reason)


def _gate_node(name: str, values: Values) -> Node:
    found = (values,) if isinstance(values, str | int) else tuple(values)
    if not found:
        return ("is", name, Atom("null", None))
    nodes = tuple(("is", name, text_atom(st.SigmaString(str(value)).s)) for value in found)
    return nodes[0] if len(nodes) == 1 else ("or", nodes)


@dataclass(slots=True)
class RuleAtoms:
    """Makes the atoms of one rule; knows the file for error messages."""

    document: Document
    placeholders: Mapping[str, Sequence[str]]
    renamed: Mapping[str, str] = field(default_factory=dict)
    _fields: set[str] = field(default_factory=set)

    def fields(self) -> frozenset[str]:
        """The field names used so far."""
        return frozenset(self._fields)

    def take_gate(self, gate: Mapping[str, Values]) -> None:
        """The log source conditions' fields count too."""
        self._fields.update(gate)

    def name(self, sigma_name: str) -> str:
        """The field's name under the mapping. (No event has the ``.caseless`` twins of Winlogbeat's index.)"""
        name = self.renamed.get(sigma_name, sigma_name).removesuffix(".caseless")
        self._fields.add(name)
        return name

    def node(self, sigma_name: str | None, value: st.SigmaType) -> Node:
        """The comparison of a field (None: any value of the event) with a value."""
        if isinstance(value, st.SigmaExpansion):
            return ("or", tuple(self.node(sigma_name, one) for one in value.values))
        name = KEYWORDS if sigma_name is None else self.name(sigma_name)
        if isinstance(value, st.SigmaExists) and not value.exists:
            return ("not", ("is", name, Atom("exists", None)))
        if isinstance(value, st.SigmaString | st.SigmaRegularExpression):
            found = tuple(
                ("is", name, self._text(one, keyword=sigma_name is None))
                for one in self._expanded(value)
            )
            return found[0] if len(found) == 1 else ("or", found)
        if isinstance(value, st.SigmaCompareExpression) and value.op.name == "NEQ":
            return ("not", ("is", name, Atom("equals", as_text(value.number.number))))
        atom = self._other(value)
        if sigma_name is None and atom.kind == "equals":
            atom = Atom("like", (MANY, atom.spec, MANY))
        return ("is", name, atom)

    def _expanded(
        self, value: st.SigmaString | st.SigmaRegularExpression
    ) -> Sequence[st.SigmaString | st.SigmaRegularExpression]:
        """The value with its placeholders replaced by the table's values."""
        if not value.contains_placeholder():
            return [value]

        def replacements(placeholder: st.Placeholder) -> Iterator[str]:
            if placeholder.name not in self.placeholders:
                raise self.document.error(
                    f"the placeholder %{placeholder.name}% has no table",
                    "detection",
                    hint=f"list its values under {placeholder.name}: in placeholders.yaml beside the rules",
                )
            yield from self.placeholders[placeholder.name]

        cased = isinstance(value, st.SigmaCasedString)
        found = value.replace_placeholders(replacements)
        return [st.SigmaCasedString.from_sigma_string(one) if cased else one for one in found]  # type: ignore[arg-type]

    def _text(self, value: st.SigmaString | st.SigmaRegularExpression, *, keyword: bool) -> Atom:
        if isinstance(value, st.SigmaRegularExpression):
            return self._regex(value)
        cased = isinstance(value, st.SigmaCasedString)
        pieces = list(value.s)
        if keyword:  # somewhere in a value
            many = st.SpecialChars.WILDCARD_MULTI
            pieces = [many, *pieces, many]
        return text_atom(pieces, cased=cased)

    def _regex(self, value: st.SigmaRegularExpression) -> Atom:
        pattern = value.regexp.to_plain_regex()
        flags = "".join(sorted(st.SigmaRegularExpression.sigma_to_re_flag[f] for f in value.flags))
        if may_explode(pattern, flags):
            from soc.detect.automata import regex_expression

            if regex_expression(pattern, flags) is None:
                raise self.document.error(
                    f"the expression /{pattern}/ repeats a repetition and could take for ever",
                    "detection",
                    hint="write it without nested + or *, or without look-around",
                )
        return Atom("regex", (pattern, flags))

    def _other(self, value: st.SigmaType) -> Atom:
        if isinstance(value, st.SigmaTimestampPart):
            return Atom("time", (value.timestamp_part.name.lower(), int(value.number)))
        if isinstance(value, st.SigmaNumber):
            return Atom("equals", folded(as_text(value.number)))
        if isinstance(value, st.SigmaBool):
            return Atom("equals", as_text(value.boolean))
        if isinstance(value, st.SigmaNull):
            return Atom("null", None)
        if isinstance(value, st.SigmaExists):
            return Atom("exists", None)
        if isinstance(value, st.SigmaCIDRExpression):
            return Atom("cidr", str(value.network))
        if isinstance(value, st.SigmaCompareExpression):
            return Atom("compare", (value.op.name.lower(), value.number.number))
        if isinstance(value, st.SigmaFieldReference):
            other = self.name(value.field)
            return Atom("reference", (other, value.starts_with, value.ends_with))
        raise self.document.error(
            f"a value of type {type(value).__name__} cannot be matched", "detection"
        )


def text_atom(pieces: Sequence[Any], *, cased: bool = False) -> Atom:
    """The atom of a Sigma string: literals, and wildcards as ``SpecialChars``."""
    parts: list[str | int] = []
    for piece in pieces:
        if isinstance(piece, str):
            text = piece if cased else folded(piece)
            if parts and isinstance(parts[-1], str):
                parts[-1] += text
            elif text:
                parts.append(text)
        elif piece == st.SpecialChars.WILDCARD_SINGLE:
            parts.append(ONE)
        elif not parts or parts[-1] != MANY:
            parts.append(MANY)
    if parts == [MANY]:
        return Atom("present", None)
    suffix = "_cased" if cased else ""
    if any(isinstance(part, int) for part in parts):
        spec: Parts = tuple(parts)
        return Atom("like" + suffix, spec)
    return Atom("equals" + suffix, "".join(map(str, parts)))


def condition_node(condition: str, rule: SigmaRule, atoms: RuleAtoms) -> Node:
    """A condition with its selections named."""
    detections = rule.detection.detections

    def selection(name: str) -> Node:
        return ("name", name, _detection(detections[name], atoms))

    try:
        return ConditionText(condition, detections, selection).node()
    except ConditionError as error:
        raise sx.SigmaConditionError(str(error)) from error


def _detection(detection: SigmaDetection | SigmaDetectionItem, atoms: RuleAtoms) -> Node:
    if isinstance(detection, SigmaDetection):
        parts = tuple(_detection(one, atoms) for one in detection.detection_items)
        if len(parts) == 1:
            return parts[0]
        return ("and" if detection.item_linking is sc.ConditionAND else "or", parts)
    values = detection.value or [st.SigmaNull()]
    if detection.field is None and any(isinstance(one, st.SigmaNull) for one in values):
        raise sx.SigmaDetectionError("a keyword must not be null")
    nodes = tuple(atoms.node(detection.field, value) for value in values)
    kind = "and" if detection.value_linking is sc.ConditionAND else "or"
    node: Node = nodes[0] if len(nodes) == 1 else (kind, nodes)
    return ("not", node) if detection.negated else node
