"""Word documents from forms: a template that officials may edit, filled with a form's values.

The template says ``{{ field }}`` for texts, ``{{ box.field.choice }}`` for boxes to tick and ``{{ label.field }}`` for
labels; ``soc/report/forms/draw_mau_03.py`` drew the one of Mẫu 03.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from io import BytesIO
from pathlib import Path
from typing import Any

from soc.errors import FormError
from soc.report.form_files import Form, FormField

DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
TICKED, EMPTY_BOX = "☒", "☐"
BLANK = "…" * 8  # where a person may still write by hand


def render(form: Form, values: Mapping[str, Any], template: Path) -> bytes:
    """The filled document.

    Raises:
        FormError: the template is missing or asks for something the form does not have.
    """
    from docxtpl import DocxTemplate  # 0.3 s that only a report needs
    from jinja2 import Environment, StrictUndefined, UndefinedError

    if not template.is_file():
        raise FormError(form.title_vi, [f"không có mẫu Word {template.name}"])
    document = DocxTemplate(template)
    try:
        document.render(
            words(form, values), Environment(undefined=StrictUndefined, autoescape=True)
        )
    except UndefinedError as error:
        raise FormError(form.title_vi, [f"mẫu Word {template.name}: {error}"]) from error
    made = BytesIO()
    document.save(made)
    return made.getvalue()


def words(form: Form, values: Mapping[str, Any]) -> dict[str, Any]:
    """All that a template may ask for: each field by its id, ``box``, ``label``, ``form``, and the date in words."""
    shown: dict[str, Any] = {
        field.id: _shown(field, values.get(field.id)) for field in form.fields()
    }
    shown["box"] = {
        field.id: {choice.id: _box(values.get(field.id), choice.id) for choice in field.choices}
        for field in form.fields()
        if field.choices
    }
    shown["label"] = {field.id: field.label_vi for field in form.fields()}
    shown["form"] = form
    shown["date_line"] = date_line(values)
    return shown


def date_line(values: Mapping[str, Any]) -> str:
    """``Cửu Long, ngày 05 tháng 01 năm 2027``: Decree 30/2020 writes days under 10 and months 1, 2 with a nought.

    >>> date_line({"place": "Cửu Long", "report_date": "2027-01-05"})
    'Cửu Long, ngày 05 tháng 01 năm 2027'
    """
    day = date.fromisoformat(values["report_date"])
    month = f"{day.month:02}" if day.month < 3 else str(day.month)
    return f"{values.get('place') or '……………'}, ngày {day.day:02} tháng {month} năm {day.year}"


def _box(value: Any, choice: str) -> str:
    chosen = value if isinstance(value, list) else [value]
    return TICKED if choice in chosen else EMPTY_BOX


def _shown(field: FormField, value: Any) -> str:
    if value in (None, "", []):
        return BLANK
    if isinstance(value, list):
        return "; ".join(_choice_label(field, one) for one in value)
    if field.kind == "date":
        return date.fromisoformat(value).strftime("%d/%m/%Y")
    if field.kind == "time":
        hours, minutes = value.split(":")
        return f"{hours} giờ {minutes} phút"
    return _choice_label(field, value)


def _choice_label(field: FormField, value: str) -> str:
    return next((choice.label_vi for choice in field.choices if choice.id == value), value)
