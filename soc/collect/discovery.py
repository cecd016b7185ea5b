"""Which readers there are, and which one reads a record.

A reader is a module of ``collectors.sources`` with ``SOURCE`` and ``read``. To find the reader of a record whose
source is "auto", a module may have

- ``CLAIMS_PROGRAMS``: an expression that fits the names of its programs, as syslog writes them before the words; every
  line of them is its own;
- ``claims(raw) -> bool``: whether the bytes look like its own. It is asked only about records that begin with one of
  the bytes ``CLAIMS_FROM``, where the module has that.

The first claim in the order of ``Source.name`` wins, but a module that says ``CLAIMS_LAST = True`` is asked after the
others, and one that says ``CLAIMS_THE_REST = True`` after those.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from types import MappingProxyType, ModuleType

from soc.collect import envelope
from soc.collect.contract import Reader
from soc.errors import RecordError
from soc.model.event import SHIPPED, Event, RawRecord
from soc.normalise.program_lines import program_tag

SOURCES_PACKAGE = "collectors.sources"
AUTO = "auto"
Claims = Callable[[bytes], bool]


@lru_cache(maxsize=1)
def readers() -> Mapping[str, Reader]:
    """Every reader by its name."""
    modules = (importlib.import_module(name) for name in _module_names())
    found = (Reader(source=module.SOURCE, read=module.read) for module in modules)
    return MappingProxyType({reader.source.name: reader for reader in found})


@lru_cache(maxsize=257)
def _claims_from(first: bytes) -> tuple[tuple[str, Claims], ...]:
    """Names and ``claims`` of the readers that are asked about records with this first byte, in the order of asking."""
    return tuple(
        (module.SOURCE.name, module.claims)
        for module in _claiming()
        if hasattr(module, "claims") and first in getattr(module, "CLAIMS_FROM", first)
    )


@lru_cache(maxsize=1)
def _claiming() -> tuple[ModuleType, ...]:
    modules = [importlib.import_module(name) for name in _module_names()]
    claiming = [module for module in modules if hasattr(module, "claims") or _programs(module)]
    return tuple(sorted(claiming, key=_turn))


def _programs(module: ModuleType) -> re.Pattern[str] | None:
    return getattr(module, "CLAIMS_PROGRAMS", None)


@lru_cache(maxsize=4_096)
def _of_program(tag: str) -> tuple[str, ...]:
    """The readers that want every line of a program."""
    return tuple(
        module.SOURCE.name
        for module in _claiming()
        if (pattern := _programs(module)) is not None and pattern.fullmatch(tag)
    )


def _turn(module: ModuleType) -> tuple[bool, bool, str]:
    rest, last = getattr(module, "CLAIMS_THE_REST", False), getattr(module, "CLAIMS_LAST", False)
    return rest, last, module.SOURCE.name


def _module_names() -> list[str]:
    package = importlib.import_module(SOURCES_PACKAGE)
    return [f"{SOURCES_PACKAGE}.{module.name}" for module in pkgutil.iter_modules(package.__path__)]


def sniff(raw: bytes) -> str | None:
    """The name of the reader whose records look like these bytes, or None."""
    tag = program_tag(raw)
    if tag and (named := _of_program(tag)):
        return named[0]
    for name, claims in _claims_from(raw[:1]):
        if claims(raw):
            return name
    return None


def claimants(raw: bytes) -> list[str]:
    """Every reader that wants these bytes among those that are asked in the same turn as the one that gets them.

    Two names are a fault: which of them reads the record would hang on the alphabet.
    """
    named = set(_of_program(program_tag(raw)))
    named |= {name for name, claims in _claims_from(raw[:1]) if claims(raw)}
    wanting = [
        (_turn(module)[:2], module.SOURCE.name)
        for module in _claiming()
        if module.SOURCE.name in named
    ]
    first = min(wanting, default=None)
    return [] if first is None else sorted(name for turn, name in wanting if turn == first[0])


def read(record: RawRecord) -> Iterator[Event]:
    """The events of a record, by the reader that its source names.

    Raises:
        RecordError: no such reader, or the reader cannot read it. It may come with the first ``next``.
    """
    name = record.source
    if name.startswith(SHIPPED):
        return envelope.read(record, read)
    if name == AUTO:
        name = sniff(record.raw) or AUTO
    reader = readers().get(name)
    if reader is None:
        reason = "no reader knows these bytes" if name == AUTO else f"there is no reader {name!r}"
        raise RecordError(reason, source=record.source, raw=record.raw)
    return reader.read(record)
