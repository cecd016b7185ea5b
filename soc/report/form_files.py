"""Forms as files: one .yaml is one form with its version, legal basis, validity and fields.

docs/how-to-add/a-form.md has the format. New forms of the ministry load without a change of code.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from soc.errors import FormError, NotFound
from soc.normalise.yaml_text import load_yaml

SHIPPED = Path(__file__).parent / "forms"
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,60}$")]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Kind = Literal[
    "text", "long_text", "email", "choice", "choices", "date", "time", "public_addresses", "names"
]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class FormChoice(Strict):
    """A box to tick; ``text`` names the field that holds the words written beside it."""

    id: Slug
    label: Text
    label_vi: Text
    text: Slug | None = None


class FormField(Strict):
    """``source`` is where the value comes from when nobody filled it in (see ``soc.report.case_reports``)."""

    id: Slug
    label: Text
    label_vi: Text
    kind: Kind
    required: bool = False
    source: str | None = Field(None, alias="from")
    choices: tuple[FormChoice, ...] = ()

    @model_validator(mode="after")
    def _choices_where_they_belong(self) -> Self:
        if self.kind.startswith("choice") != bool(self.choices):
            raise ValueError("choices belong to the kinds choice and choices, and only to them")
        return self


class FormSection(Strict):
    id: Slug
    title: Text
    title_vi: Text
    fields: tuple[FormField, ...]


class Form(Strict):
    """One version of one form. ``valid_from`` and ``valid_to`` are both inside."""

    id: Slug
    version: Text
    title: Text
    title_vi: Text
    heading_vi: Text
    basis: tuple[Text, ...] = Field(min_length=1)
    legacy: bool = False
    valid_from: date
    valid_to: date | None = None
    subject: Text
    file_name: Text
    template: Text
    recipient: Text
    recipients_vi: tuple[Text, ...] = Field(min_length=1)
    discharges: tuple[Slug, ...] = ()
    sections: tuple[FormSection, ...] = Field(min_length=1)

    def fields(self) -> Iterator[FormField]:
        for section in self.sections:
            yield from section.fields

    def field(self, name: str) -> FormField | None:
        return next((one for one in self.fields() if one.id == name), None)

    def valid_on(self, day: date) -> bool:
        return self.valid_from <= day and (self.valid_to is None or day <= self.valid_to)

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        names = [one.id for one in self.fields()]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two fields have the id {', '.join(twice)}")
        beside = {choice.text for one in self.fields() for choice in one.choices if choice.text}
        if unknown := sorted(beside - set(names)):
            raise ValueError(f"a choice's text names no field: {', '.join(unknown)}")
        return self


def load_form(path: Path) -> Form:
    """Read one file.

    Raises:
        FormError: the file cannot be read; every mistake with its place.
    """
    try:
        return Form.model_validate(load_yaml(path.read_text("utf-8")))
    except yaml.YAMLError as error:
        raise FormError(str(path), [str(error)]) from error
    except ValidationError as error:
        places = [
            f"{'.'.join(str(part) for part in mistake['loc'])}: {mistake['msg']}"
            for mistake in error.errors()
        ]
        raise FormError(str(path), places) from error


class Forms:
    """All versions of all forms of a folder."""

    def __init__(self, folder: Path = SHIPPED) -> None:
        self.folder = folder
        self.all = tuple(load_form(path) for path in sorted(folder.glob("*.yaml")))

    def get(self, form_id: str, day: date) -> Form:
        """The version in use on ``day``, the newest if several are. Raises NotFound."""
        versions = [form for form in self.all if form.id == form_id and form.valid_on(day)]
        if not versions:
            raise NotFound("form valid on " + day.isoformat(), form_id)
        return max(versions, key=lambda form: form.valid_from)
