"""The mapping files in force: the shipped ones, and those of the operator's folders, which replace them by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from soc.errors import MappingError
from soc.normalise.protection.mapping import ProductMapping, load_mapping
from soc.shipped import folder

LAST = "generic"  # asked after all others


@dataclass(frozen=True, slots=True)
class Shelf:
    """Mappings in the order in which they are asked, and the files that could not be used."""

    mappings: tuple[ProductMapping, ...]
    refused: tuple[MappingError, ...] = ()

    def named(self, name: str) -> ProductMapping | None:
        return next((one for one in self.mappings if one.name == name), None)


def load_shelf(folders: Sequence[Path] = ()) -> Shelf:
    """The shipped mappings and those of ``folders``; a file that cannot be used is named, the others are there."""
    found: dict[str, ProductMapping] = {}
    refused: list[MappingError] = []
    for place in (folder("edr-mappings"), *folders):
        if not place.is_dir():
            refused.append(
                MappingError(str(place), 1, "no such folder", "make it, or mend SOC_EDR_MAPPINGS")
            )
            continue
        for path in sorted(place.glob("*.yaml")):
            try:
                one = load_mapping(path)
            except MappingError as error:
                refused.append(error)
            else:
                found[one.name] = one
    return Shelf(
        tuple(sorted(found.values(), key=lambda one: (one.name == LAST, one.name))), tuple(refused)
    )


class _InForce:
    shelf: Shelf | None = None


def in_force() -> Shelf:
    """The mappings that the readers use: those of :func:`put_in_force`, else the shipped ones."""
    if _InForce.shelf is None:
        _InForce.shelf = load_shelf()
    return _InForce.shelf


def put_in_force(shelf: Shelf | None) -> None:
    """Use these from now on; None is the shipped ones again."""
    _InForce.shelf = shelf
