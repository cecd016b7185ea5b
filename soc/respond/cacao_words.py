"""Words and ids that the giving and the taking of CACAO share (OASIS CACAO Security Playbooks 2.0, of 2023-11-27)."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from types import MappingProxyType

SPEC_VERSION = "cacao-2.0"
MINUTE = 60_000  # milliseconds
ACTIVITY_OF_PHASE: Mapping[str, str] = MappingProxyType(
    {  # section 3.1.2, playbook-activity-type-ov
        "detect": "analyze-collected-data",
        "preserve": "analyze-collected-data",
        "contain": "restrict-access",
        "analyse": "identify-indicators",
        "recover": "restore-capabilities",
        "trace": "analyze-collected-data",
    }
)
ACTIVITY_OF_ACTION: Mapping[str, str] = MappingProxyType(
    {
        "make_report": "compose-content",
        "send_report": "deliver-content",
        "respond": "disconnect-system",
        "undo": "revert-system",
    }
)
PHASE_OF_ACTIVITY: Mapping[str, str] = MappingProxyType(
    {
        "analyze-collected-data": "detect",
        "match-indicator": "detect",
        "scan-system": "detect",
        "identify-indicators": "analyse",
        "scan-vulnerabilities": "analyse",
        "restrict-access": "contain",
        "disconnect-system": "contain",
        "eliminate-risk": "contain",
        "configure-systems": "recover",
        "revert-system": "recover",
        "restore-data": "recover",
        "restore-capabilities": "recover",
    }
)


def identifier(kind: str, *names: str) -> str:
    """``kind--UUID`` of version 4's shape, the same for the same names, so that the same playbook gives the same bytes.

    >>> identifier("action", "a", "b") == identifier("action", "a", "b")
    True
    """
    made = hashlib.sha256("\0".join((kind, *names)).encode()).digest()[:16]
    return f"{kind}--{uuid.UUID(bytes=made, version=4)}"


EXTENSION = identifier("extension-definition", "soc", "playbook", "1")
EXTENSION_AUTHOR = identifier("identity", "soc")


def variable_of(step_id: str, name: str = "") -> str:
    """The variable of a decision's answer, or of an input (section 10.18)."""
    return f"__{step_id}__{name}__" if name else f"__{step_id}__"
