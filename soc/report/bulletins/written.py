"""A bulletin as a text file: Markdown with its facts as YAML at the head.

---
kind: vulnerability        # vulnerability malware phishing advisory digest
title: Lỗ hổng thiết bị VPN biên, đang bị khai thác
tlp: TLP:AMBER
severity: critical
due_on: 2026-11-27
cves: [CVE-2026-12345]
products: ["Hãng X VPN, bản ≤ 7.4.2"]
summary: Lỗ hổng cho phép chiếm quyền thiết bị VPN từ Internet.
actions: [Nâng cấp lên bản 7.4.3., Đổi mật khẩu quản trị.]
audience: {everybody: true}    # or {agencies: [sxd, syt]}, or {levels: [3, 4]}
---
The text.
"""

from __future__ import annotations

import hashlib
import re
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import orjson
import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from soc.errors import FormError
from soc.model.bulletin import Audience, Bulletin, BulletinKind
from soc.model.indicator import Tlp
from soc.normalise.yaml_text import load_yaml

LARGEST = 256 * 1024  # bytes of a file
HEAD = re.compile(r"\A\ufeff?---\r?\n(.*?\r?\n)---\r?\n?(.*)\Z", re.DOTALL)
SECRET = re.compile(r"^[\s*_#\[(]*(?:Độ mật:\s*)?(TUYỆT MẬT|TỐI MẬT|MẬT)[\s*_\])]*$", re.MULTILINE)
"""A mark of state secrets on a line of its own: such a text must not enter this platform, let alone leave it."""
Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
Cve = Annotated[str, StringConstraints(pattern=r"^CVE-[0-9]{4}-[0-9]{4,19}$")]


class _Audience(BaseModel):
    model_config = ConfigDict(extra="forbid")
    everybody: bool = False
    agencies: list[Line] = []
    levels: list[Annotated[int, Field(ge=1, le=5)]] = []


class _Head(BaseModel):
    model_config = ConfigDict(extra="forbid")
    kind: BulletinKind
    title: Annotated[str, StringConstraints(strip_whitespace=True, min_length=5, max_length=300)]
    tlp: Tlp
    summary: Annotated[str, StringConstraints(strip_whitespace=True, min_length=10, max_length=800)]
    actions: Annotated[list[Line], Field(min_length=1, max_length=30)]
    audience: _Audience
    due_on: date | None = None
    severity: Annotated[str, StringConstraints(pattern="^(low|medium|high|critical)?$")] = ""
    cves: Annotated[list[Cve], Field(max_length=100)] = []
    products: Annotated[list[Line], Field(max_length=100)] = []
    references: Annotated[
        list[Annotated[str, StringConstraints(pattern=r"^https?://\S+$")]], Field(max_length=50)
    ] = []
    indicators: Annotated[list[Line], Field(max_length=500)] = []


def load_bulletin(path: Path) -> Bulletin:
    """Read a file.

    Raises:
        FormError: it cannot be read; each problem is named.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise FormError(str(path), [f"it cannot be read ({error.strerror})"]) from error
    return read_bulletin(raw, str(path))


def read_bulletin(raw: bytes, name: str) -> Bulletin:
    """The bulletin of a file's bytes. Raises FormError, see ``load_bulletin``."""
    if len(raw) > LARGEST:
        raise FormError(name, [f"it has {len(raw)} bytes, and a bulletin at most {LARGEST}"])
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FormError(name, [f"it is not UTF-8 (byte {error.start})"]) from error
    found = HEAD.match(text)
    if found is None:
        raise FormError(name, ["it does not begin with the facts between two lines of ---"])
    try:
        head = _Head.model_validate(load_yaml(found[1]))
    except yaml.YAMLError as error:
        raise FormError(name, [f"the facts are not YAML: {error}"]) from error
    except ValidationError as error:
        raise FormError(name, [_problem(one) for one in error.errors()]) from error
    problems = list(_problems(head, text))
    if problems:
        raise FormError(name, problems)
    return _bulletin(head, found[2].strip())


def _problem(error: Any) -> str:
    place = ".".join(str(part) for part in error["loc"]) or "the facts"
    return f"{place}: {error['msg']}"


def _problems(head: _Head, text: str) -> list[str]:
    problems = []
    who = (head.audience.everybody, bool(head.audience.agencies), bool(head.audience.levels))
    if sum(who) != 1:
        problems.append("audience: one of everybody: true, agencies: [...], levels: [...]")
    if head.kind is BulletinKind.VULNERABILITY and not head.cves and not head.products:
        problems.append("cves: a bulletin on a vulnerability names a CVE or a product")
    if head.tlp is Tlp.RED and head.audience.everybody:
        problems.append("tlp: TLP:RED is for named agencies only")
    if secret := SECRET.search(text):
        problems.append(
            f"the text is marked {secret[0]}: state secrets must not be put into this platform"
        )
    return problems


def _bulletin(head: _Head, body: str) -> Bulletin:
    audience = head.audience
    return Bulletin(
        kind=head.kind,
        title=head.title,
        tlp=head.tlp,
        summary=head.summary,
        actions=tuple(head.actions),
        audience=Audience(audience.everybody, tuple(audience.agencies), tuple(audience.levels)),
        due_on=head.due_on,
        severity=head.severity,
        cves=tuple(head.cves),
        products=tuple(head.products),
        references=tuple(head.references),
        body=body,
        indicators=tuple(head.indicators),
    )


def to_plain(bulletin: Bulletin) -> dict[str, Any]:
    """As the records keep it."""
    plain: dict[str, Any] = orjson.loads(orjson.dumps(bulletin))
    return plain


def from_plain(plain: dict[str, Any]) -> Bulletin:
    """The bulletin of ``to_plain``."""
    body = str(plain["body"])
    return _bulletin(
        _Head.model_validate({key: one for key, one in plain.items() if key != "body"}), body
    )


def digest(plain: dict[str, Any]) -> str:
    """SHA-256 of what is kept, in hex."""
    return hashlib.sha256(orjson.dumps(plain, option=orjson.OPT_SORT_KEYS)).hexdigest()
