"""Compiled rules: made once by content, kept as a file, loaded in a second without pySigma.

A pack file is MessagePack: the neutral conditions, the atoms of each field, the facts of each rule, and the automata as
Hyperscan serialises them. No pickle. What is large is MessagePack within MessagePack, a piece for each rule and field:
decoding holds Python's lock, and a door that reloads must not stand still meanwhile. The digest covers the rules'
bytes, the mapping, the placeholders and the versions of everything that turns rules into conditions, so equal digests
mean equal answers.
"""

from __future__ import annotations

import hashlib
import os
import platform
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import hyperscan
import msgspec
from msgspec.msgpack import decode, encode

from soc.detect.atoms import Atom, Node
from soc.detect.automata import Automaton, build
from soc.detect.correlation.rule import Correlation, Correlations, correlation_of
from soc.detect.facts import CannotMatch, Refused, RuleFacts
from soc.detect.rule_text import rule_files
from soc.errors import RuleError
from soc.normalise.yaml_text import load_yaml

FORMAT = 5  # of the pack file
MEANING = (
    *("atoms", "automata", "condition_text", "log_sources", "packs", "patterns"),
    *("rule_documents", "rule_text", "sigma_correlations", "sigma_files", "sigma_modifiers"),
    *("correlation/feed", "correlation/loading", "correlation/rule"),
)
"""Modules of this folder that decide what a compiled rule means; their bytes are part of the digest."""
MAGIC = "soc rule pack"
FACTS = msgspec.msgpack.Decoder(RuleFacts)
PACKS_KEPT = 8  # in the user's cache
MAPPINGS = ("ecs", "native")
PLACEHOLDERS = "placeholders.yaml"


@dataclass(slots=True)
class PackField:
    """The atoms that any rule has on one field, and their automata (see ``automata.build``)."""

    atoms: tuple[Atom, ...]
    like: Automaton | None = None
    raw: Automaton | None = None


@dataclass(slots=True)
class Pack:
    """Compiled rules. ``rules`` and ``conditions`` are in the order of the ids; correlations stand apart."""

    digest: str  # hex
    mapping: str
    rules: dict[str, RuleFacts] = field(default_factory=dict)
    conditions: dict[str, Node] = field(default_factory=dict)
    fields: dict[str, PackField] = field(default_factory=dict)
    refused: list[Refused] = field(default_factory=list)
    cannot_match: list[CannotMatch] = field(default_factory=list)
    correlations: dict[str, Correlation] = field(default_factory=dict)
    correlation_facts: dict[str, RuleFacts] = field(default_factory=dict)
    silent: tuple[str, ...] = ()  # rules that only serve a correlation


def compile_pack(
    folders: Sequence[Path],
    *,
    mapping: str = "ecs",
    cache: Path | None = None,
    placeholders: Mapping[str, Sequence[str]] | None = None,
) -> Pack:
    """The pack of the rules below some folders; from ``cache`` if the same rules were compiled before.

    ``placeholders`` are the tables of ``|expand``, beside those in the folders' ``placeholders.yaml``.

    Raises:
        RuleError: a folder that is not there, or a table that cannot be read. Bad rules are in ``Pack.refused``.
    """
    if mapping not in MAPPINGS:
        raise ValueError(f"mapping is one of {', '.join(MAPPINGS)}, not {mapping!r}")
    files = [(path, path.read_bytes()) for path in rule_files(folders)]
    tables = {**_placeholder_files(folders), **(placeholders or {})}
    digest = _digest(files, mapping, tables)
    kept = cache / f"{digest}.pack" if cache is not None else None
    if kept is not None and kept.exists():
        found = _still_good(kept)
        if found is not None:
            return found
    pack = _compile(files, mapping, tables, digest)
    if kept is not None:
        save_pack(pack, kept)
    return pack


def _compile(
    files: Sequence[tuple[Path, bytes]],
    mapping: str,
    tables: Mapping[str, Sequence[str]],
    digest: str,
) -> Pack:
    from soc.detect.sigma_files import Loader

    loaded = Loader(mapping, tables).load(files)
    ordered = sorted(loaded.facts)
    pack = Pack(
        digest=digest,
        mapping=mapping,
        rules={rule_id: loaded.facts[rule_id] for rule_id in ordered},
        conditions={rule_id: loaded.conditions[rule_id] for rule_id in ordered},
        refused=loaded.refused,
        cannot_match=loaded.cannot_match,
        correlations=dict(sorted(loaded.correlations.items())),
        correlation_facts=dict(sorted(loaded.correlation_facts.items())),
        silent=tuple(
            sorted(loaded.silent & loaded.facts.keys() | loaded.silent & loaded.correlations.keys())
        ),
    )
    for name, numbers in sorted(loaded.atoms.items()):
        atoms = tuple(numbers)
        like, raw = build(atoms)
        pack.fields[name] = PackField(atoms, like, raw)
    return pack


def _digest(
    files: Sequence[tuple[Path, bytes]], mapping: str, tables: Mapping[str, Sequence[str]]
) -> str:
    """Of what was said, where it lies (the facts name the files), and of who understood it."""
    packages = ("pysigma", "pysigma-backend-elasticsearch", "pysigma-pipeline-sysmon")
    versions = [version(name) for name in (*packages, "pysigma-pipeline-windows", "hyperscan")]
    total = hashlib.sha256(repr((FORMAT, mapping, versions, platform.machine())).encode())
    for module in MEANING:
        total.update((Path(__file__).parent / f"{module}.py").read_bytes())
    total.update(encode(sorted((name, list(tables[name])) for name in tables)))
    for path, raw in files:
        total.update(hashlib.sha256(f"{path}\0".encode("utf-8", "surrogateescape") + raw).digest())
    return total.hexdigest()[:32]


def _placeholder_files(folders: Sequence[Path]) -> dict[str, list[str]]:
    tables: dict[str, list[str]] = {}
    for folder in folders:
        path = folder / PLACEHOLDERS
        if not path.is_file():
            continue
        found = load_yaml(path.read_bytes())
        if not isinstance(found, dict):
            raise RuleError("not a mapping of names to lists", path=path)
        for name, values in found.items():
            if not isinstance(values, list) or not values:
                raise RuleError(f"{name} is not a list of values", path=path)
            tables[str(name)] = [str(value) for value in values]
    return tables


def user_cache() -> Path | None:
    """Where commands keep packs between runs (XDG_CACHE_HOME); None if nothing can be written there.

    Only the newest packs stay.
    """
    folder = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "soc" / "packs"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        packs = sorted(folder.glob("*.pack"), key=lambda path: path.stat().st_mtime, reverse=True)
        for old in packs[PACKS_KEPT:]:
            old.unlink(missing_ok=True)
    except (OSError, RuntimeError):  # read-only, or no home
        return None
    return folder if os.access(folder, os.W_OK) else None


def save_pack(pack: Pack, path: Path) -> None:
    """Write a pack file; a reader never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    encoded = encode(_to_plain(pack))
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as part:
        part.write(encoded)
    Path(part.name).replace(path)


def load_pack(path: Path) -> Pack:
    """A pack file as ``save_pack`` wrote it.

    Raises:
        RuleError: not a pack, or one of another version or processor: compile the rules again.
        FileNotFoundError: no such file.
    """
    try:
        return _from_plain(decode(path.read_bytes()))
    except (
        msgspec.DecodeError,
        KeyError,
        TypeError,
        ValueError,
        hyperscan.HyperscanError,
    ) as error:
        hint = "compile the rules again"
        raise RuleError(f"not a usable rule pack: {error}", path=path, hint=hint) from error


def correlations_of(pack: Pack) -> Correlations:
    silent = frozenset(pack.silent) & pack.correlations.keys()
    return Correlations(pack.correlations, pack.correlation_facts, silent)


def save_correlations(held: Correlations) -> bytes:
    """What ``load_correlations`` reads."""
    return encode(
        [
            [asdict(one), asdict(held.facts[key]), key in held.silent]
            for key, one in held.rules.items()
        ]
    )


def load_correlations(content: bytes) -> Correlations:
    rules, facts, silent = {}, {}, set()
    for plain, said, only_serves in decode(content):
        one = correlation_of(plain)
        rules[one.id], facts[one.id] = one, _facts(said)
        if only_serves:
            silent.add(one.id)
    return Correlations(rules, facts, frozenset(silent))


def _still_good(path: Path) -> Pack | None:
    """A cached pack; None if it was damaged, so that it is compiled again."""
    try:
        return load_pack(path)
    except RuleError:
        return None


def _to_plain(pack: Pack) -> dict[str, Any]:
    return {
        "magic": MAGIC,
        "format": FORMAT,
        "digest": pack.digest,
        "mapping": pack.mapping,
        "rules": [encode(facts) for facts in pack.rules.values()],
        "conditions": [encode(condition) for condition in pack.conditions.values()],
        "fields": [
            encode([name, one.atoms, one.like and one.like.dump(), one.raw and one.raw.dump()])
            for name, one in pack.fields.items()
        ],
        "refused": [asdict(one) for one in pack.refused],
        "cannot_match": [asdict(one) for one in pack.cannot_match],
        "correlations": [asdict(one) for one in pack.correlations.values()],
        "correlation_facts": [asdict(facts) for facts in pack.correlation_facts.values()],
        "silent": pack.silent,
    }


def _from_plain(plain: dict[str, Any]) -> Pack:
    if plain["magic"] != MAGIC or plain["format"] != FORMAT:
        raise ValueError(f"format {plain['format']}, expected {FORMAT}")
    pack = Pack(digest=plain["digest"], mapping=plain["mapping"])
    for piece, condition in zip(plain["rules"], plain["conditions"], strict=True):
        facts = FACTS.decode(piece)
        pack.rules[facts.id] = facts
        pack.conditions[facts.id] = _node(decode(condition))
    for piece in plain["fields"]:
        name, atoms, like, raw = decode(piece)
        pack.fields[name] = PackField(
            tuple(Atom(kind, _spec(spec)) for kind, spec in atoms),
            Automaton.load(*like) if like else None,
            Automaton.load(*raw) if raw else None,
        )
    pack.refused = [Refused(**one) for one in plain["refused"]]
    pack.cannot_match = [
        CannotMatch(**{**one, "fields": tuple(one["fields"])}) for one in plain["cannot_match"]
    ]
    pack.correlations = {one["id"]: correlation_of(one) for one in plain["correlations"]}
    pack.correlation_facts = {one["id"]: _facts(one) for one in plain["correlation_facts"]}
    pack.silent = tuple(plain["silent"])
    return pack


def _facts(plain: dict[str, Any]) -> RuleFacts:
    texts = ("references", "tags", "falsepositives", "checks")
    return RuleFacts(**plain | {name: tuple(plain[name]) for name in texts})


def _spec(spec: Any) -> Any:
    return tuple(spec) if isinstance(spec, list) else spec


def _node(plain: Any) -> Node:
    kind = plain[0]
    if kind == "atom":
        return ("atom", plain[1], plain[2])
    if kind in ("and", "or"):
        return (kind, tuple(map(_node, plain[1])))
    return ("not", _node(plain[1])) if kind == "not" else ("name", plain[1], _node(plain[2]))
