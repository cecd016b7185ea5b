"""The numbers of ``rules/baselines.yaml``: what is too much."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from soc.errors import RuleError
from soc.normalise.yaml_text import load_yaml

FILE = "baselines.yaml"
UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
MOST_BYTES = 100_000


def seconds(written: Any) -> float:
    """A time as the file writes it.

    Raises:
        ValueError: not such a time.

    >>> seconds("90s"), seconds("6h")
    (90, 21600)
    """
    parts = re.fullmatch(r"(\d{1,6})([smhd])", written) if isinstance(written, str) else None
    if parts is None:
        raise ValueError(f"not a time such as 10m or 6h: {written!r}")
    return int(parts[1]) * UNITS[parts[2]]


Time = Annotated[float, BeforeValidator(seconds), Field(gt=0)]
Count = Annotated[int, Field(ge=2, le=2_000)]
Share = Annotated[float, Field(gt=0, le=1)]
Ports = Annotated[list[Annotated[int, Field(ge=0, le=65_535)]], Field(max_length=200)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Scan(_Part):
    within: Time
    machines: Count
    ports: Count
    slow_within: Time
    slow_machines: Count
    failed_share: Share


class Spread(_Part):
    within: Time
    machines: Count
    ports: Ports
    learn_for: Time


class Beacon(_Part):
    calls: Annotated[int, Field(ge=6, le=64)]
    lasts: Time
    shortest: Time
    longest: Time
    jitter: Share
    shared_by: Count
    ports_left_out: Ports


class Volume(_Part):
    days: Annotated[int, Field(ge=3, le=30)]
    times_deviation: Annotated[float, Field(ge=2)]
    at_least: Annotated[int, Field(gt=0)]
    without_history: Annotated[int, Field(gt=0)]


class Names(_Part):
    within: Time
    tunnel_names: Count
    tunnel_length: Annotated[int, Field(ge=4, le=250)]
    made_up: Count
    made_up_entropy: Annotated[float, Field(gt=0, le=8)]


class Servers(_Part):
    learn_for: Time


class Firsts(_Part):
    learn_for: Time


class Thresholds(_Part):
    scan: Scan
    spread: Spread
    beacon: Beacon
    volume: Volume
    names: Names
    servers: Servers
    firsts: Firsts


def _read(path: Path) -> Any:
    raw = path.read_bytes()
    if len(raw) > MOST_BYTES:
        return None
    try:
        return load_yaml(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise RuleError("not UTF-8", path=path, line=line, hint="save the file as UTF-8") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        reason = f"not YAML: {getattr(error, 'problem', None) or error}"
        hint = "check the brackets and the indentation of this line and the one before"
        raise RuleError(reason, path=path, line=mark and mark.line + 1, hint=hint) from error


def load_thresholds(folders: Sequence[Path]) -> Thresholds:
    """The files of these folders; of a later one what it says counts.

    Raises:
        RuleError: with the file and the place.
    """
    said: dict[str, dict[str, Any]] = {}
    path = Path(FILE)
    for path in (folder / FILE for folder in folders):
        if not path.is_file():
            continue
        found = _read(path)
        if not isinstance(found, Mapping) or not all(
            isinstance(one, Mapping) for one in found.values()
        ):
            raise RuleError("not a short mapping of detections to their numbers", path=path)
        for name, numbers in found.items():
            said.setdefault(str(name), {}).update(numbers)
    try:
        return Thresholds.model_validate(said)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise RuleError(f"{place}: {first['msg']}", path=path) from error
