"""Roles as data: ``roles.yaml`` beside this file."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, model_validator

from soc.errors import SettingsError
from soc.normalise.yaml_text import load_yaml

HERE = Path(__file__).parent


class Role(BaseModel):
    """What one role permits. ``of_agencies``: an account with it must name its agencies."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str
    title_vi: str
    permissions: frozenset[str]
    of_agencies: bool = False
    needs_second_factor: bool = False


class Roles(BaseModel):
    """Every role by name, and every permission there is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    permissions: tuple[str, ...]
    by_name: dict[str, Role] = Field(alias="roles")

    @model_validator(mode="after")
    def _known_permissions(self) -> Roles:
        for name, role in self.by_name.items():
            unknown = role.permissions.difference(self.permissions)
            if unknown:
                raise ValueError(
                    f"role {name} has unknown permissions: {', '.join(sorted(unknown))}"
                )
        return self

    def __contains__(self, name: object) -> bool:
        return name in self.by_name

    def names(self) -> Iterator[str]:
        yield from self.by_name

    def get(self, name: str) -> Role:
        """The role.

        Raises:
            SettingsError: there is none of that name; the text lists them.
        """
        try:
            return self.by_name[name]
        except KeyError:
            known = ", ".join(self.by_name)
            raise SettingsError(f"there is no role {name!r}; the roles are {known}") from None


@cache
def shipped_roles() -> Roles:
    """The roles that come with the product."""
    return Roles.model_validate(load_yaml((HERE / "roles.yaml").read_bytes()))
