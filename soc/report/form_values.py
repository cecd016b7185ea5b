"""The values of a form: read from what people typed, checked, and named when missing. Texts are Vietnamese."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, time
from ipaddress import ip_address, ip_network
from types import MappingProxyType
from typing import Any

from soc.errors import FormError
from soc.report.form_files import Form, FormField

EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
LONGEST_TEXT = 4000  # characters
INTERNAL = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
        "172.16.0.0/12", "192.168.0.0/16", "224.0.0.0/4", "240.0.0.0/4",
        "::/128", "::1/128", "fc00::/7", "fe80::/10", "ff00::/8",
    )
)  # fmt: skip
EMPTY: tuple[Any, ...] = (None, "", [], ())


def read_value(field: FormField, value: Any) -> Any:
    """The value as the form keeps it: text, or a list of texts.

    Dates are kept as ``yyyy-mm-dd`` (``dd/mm/yyyy`` is read too), times as ``HH:MM``.

    Raises:
        ValueError: says in Vietnamese what is wrong with it.
    """
    return READERS[field.kind](field, value)


def check_facts(form: Form, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Facts that people filled in, as the form keeps them; an empty value stays and takes the field away.

    Raises:
        FormError: unknown fields, and every value that is not allowed.
    """
    clean: dict[str, Any] = {}
    problems: list[str] = []
    for name, value in facts.items():
        field = form.field(name)
        if field is None:
            problems.append(f"biểu mẫu không có trường {name!r}")
            continue
        try:
            clean[name] = "" if value in EMPTY else read_value(field, value)
        except ValueError as error:
            problems.append(f"{field.label_vi}: {error}")
    if problems:
        raise FormError(form.title_vi, problems)
    return clean


def fill(form: Form, known: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
    """What people filled in, else what is known of the field's source; empty fields are left out."""
    values: dict[str, Any] = {}
    for field in form.fields():
        value = facts.get(field.id)
        if value in EMPTY and field.source is not None:
            value = known.get(field.source)
        if value not in EMPTY:
            values[field.id] = value
    return values


def problems(form: Form, values: Mapping[str, Any]) -> tuple[str, ...]:
    """What keeps the form from being sent: missing required fields and values not allowed."""
    found: list[str] = []
    for field in form.fields():
        value = values.get(field.id)
        if value in EMPTY:
            if field.required:
                found.append(f"thiếu: {field.label_vi}")
            continue
        try:
            chosen = read_value(field, value)
        except ValueError as error:
            found.append(f"{field.label_vi}: {error}")
            continue
        found += _unsaid(form, field, chosen, values)
    return tuple(found)


def _unsaid(form: Form, field: FormField, chosen: Any, values: Mapping[str, Any]) -> list[str]:
    """Ticked boxes that ask for words which nobody wrote."""
    missing = [
        form.field(choice.text)
        for choice in field.choices
        if choice.text and choice.id in chosen and values.get(choice.text) in EMPTY
    ]
    return [f"thiếu: {beside.label_vi}" for beside in missing if beside is not None]


def _text(_: FormField, value: Any) -> str:
    text = str(value).replace("\r\n", "\n").strip()
    if len(text) > LONGEST_TEXT:
        raise ValueError(f"dài quá {LONGEST_TEXT} ký tự")
    if any(ord(letter) < 32 and letter not in "\n\t" for letter in text):
        raise ValueError("có ký tự điều khiển")
    return text


def _email(field: FormField, value: Any) -> str:
    text = _text(field, value)
    if not EMAIL.fullmatch(text):
        raise ValueError("không phải địa chỉ thư điện tử")
    return text


def _choice(field: FormField, value: Any) -> str:
    allowed = {choice.id for choice in field.choices}
    if str(value) not in allowed:
        raise ValueError(f"không có lựa chọn {value!r}")
    return str(value)


def _choices(field: FormField, value: Any) -> list[str]:
    chosen = {_choice(field, one) for one in _listed(value)}
    return [choice.id for choice in field.choices if choice.id in chosen]


def _date(_: FormField, value: Any) -> str:
    text = str(value).strip()
    if vietnamese := re.fullmatch(r"(\d{1,2})/(\d{1,2})/(\d{4})", text):
        day, month, year = (int(part) for part in vietnamese.groups())
        text = f"{year:04}-{month:02}-{day:02}"
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise ValueError("không phải ngày (dd/mm/yyyy)") from None


def _time(_: FormField, value: Any) -> str:
    try:
        return time.fromisoformat(str(value).strip()).strftime("%H:%M")
    except ValueError:
        raise ValueError("không phải giờ (HH:MM)") from None


def _names(_: FormField, value: Any) -> list[str]:
    return [one.strip() for one in _listed(value) if one.strip()]


def _public_addresses(field: FormField, value: Any) -> list[str]:
    """Internal addresses are refused, never dropped in silence."""
    addresses: list[str] = []
    for text in _names(field, value):
        try:
            address = ip_address(text)
        except ValueError:
            raise ValueError(f"{text} không phải địa chỉ IP") from None
        if any(address in network for network in INTERNAL if network.version == address.version):
            raise ValueError(f"{text} là địa chỉ nội bộ, không được ghi vào báo cáo")
        addresses.append(str(address))
    return addresses


def _listed(value: Any) -> list[str]:
    if isinstance(value, str):
        return [part for part in re.split(r"[,;\n]+", value) if part.strip()]
    return [str(one) for one in value]


READERS: Mapping[str, Callable[[FormField, Any], Any]] = MappingProxyType(
    {
        "text": _text,
        "long_text": _text,
        "email": _email,
        "choice": _choice,
        "choices": _choices,
        "date": _date,
        "time": _time,
        "public_addresses": _public_addresses,
        "names": _names,
    }
)
