"""The parameters of each response action, checked before anything is signed; the agent checks them again."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from soc.errors import FormError
from soc.model.response import ResponseAction

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
UnixPath = Annotated[
    str, StringConstraints(pattern=r"^/[^\x00-\x1f\x7f]*[^/\x00-\x1f\x7f]$", max_length=4096)
]


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class IsolateHost(_Shape):
    seconds: int = Field(ge=10, le=7 * 86_400)


class StopProcess(_Shape):
    """As ``query_state`` of processes shows them; ``start_ticks`` is field 22 of /proc/PID/stat."""

    pid: int = Field(ge=2, le=2**22)
    start_ticks: int = Field(ge=0, le=2**62)
    boot_id: Annotated[str, StringConstraints(pattern=r"^[0-9a-f-]{36}$")]


class QuarantineFile(_Shape):
    path: UnixPath
    sha256: Sha256 | Literal[""] = ""


class DisableAccount(_Shape):
    account: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]{0,31}\$?$")]


class CollectTriage(_Shape):
    files: list[UnixPath] = Field(default_factory=list, max_length=100)


class QueryState(_Shape):
    what: Literal["processes", "sockets", "autoruns"]


class QueryFiles(_Shape):
    what: Literal["files"]
    folder: UnixPath
    sha256: list[Sha256] = Field(min_length=1, max_length=500)


SHAPES: Mapping[ResponseAction, type[_Shape]] = MappingProxyType(
    {
        ResponseAction.ISOLATE_HOST: IsolateHost,
        ResponseAction.STOP_PROCESS: StopProcess,
        ResponseAction.QUARANTINE_FILE: QuarantineFile,
        ResponseAction.DISABLE_ACCOUNT: DisableAccount,
        ResponseAction.COLLECT_TRIAGE: CollectTriage,
        ResponseAction.QUERY_STATE: QueryState,
    }
)


def checked(action: ResponseAction, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of an action, whole.

    Raises:
        FormError: one problem a line, with the parameter's name.
    """
    shape = SHAPES[action]
    if action is ResponseAction.QUERY_STATE and parameters.get("what") == "files":
        shape = QueryFiles
    try:
        return shape.model_validate(dict(parameters)).model_dump()
    except ValidationError as error:
        problems = [
            f"{'.'.join(map(str, one['loc'])) or action}: {one['msg']}" for one in error.errors()
        ]
        raise FormError(str(action), problems) from error
