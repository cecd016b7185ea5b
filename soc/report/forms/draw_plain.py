"""Draws a plain Word template for a form that has no layout of its own: each section with its fields in order.

Run ``python -m soc.report.forms.draw_plain bao-cao-72-gio`` after a change of that form.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from soc.report.form_files import SHIPPED, Form, FormField, load_form
from soc.report.forms.pen import Pen, letterhead, signature, title_and_addressees

if TYPE_CHECKING:
    from docx.document import Document as WordDocument

IN_THE_HEAD = frozenset(  # fields that the letterhead and the signature show
    {"place", "document_number", "representative_position", "representative_name"}
)


def draw(form: Form) -> WordDocument:
    """The whole template; ``form.basis`` stands above it."""
    pen = Pen(form)
    letterhead(pen, form.basis[0])
    title_and_addressees(pen)
    beside = {choice.text for field in form.fields() for choice in field.choices if choice.text}
    for section in form.sections:
        shown = [one for one in section.fields if one.id not in IN_THE_HEAD | beside]
        if shown:
            pen.heading(section.title_vi)
            for field in shown:
                _field(pen, field)
    signature(pen)
    return pen.document


def _field(pen: Pen, field: FormField) -> None:
    if field.choices:
        pen.boxes(field.id, columns=2 if len(field.choices) == 2 else 1)
    elif field.kind in {"long_text", "public_addresses"}:
        pen.block(field.id)
    else:
        pen.line(field.id)


def main() -> None:
    """Draw the template of each form named, beside its YAML."""
    for name in sys.argv[1:]:
        form = load_form(SHIPPED / f"{name}.yaml")
        draw(form).save(str(SHIPPED / form.template))


if __name__ == "__main__":
    main()
