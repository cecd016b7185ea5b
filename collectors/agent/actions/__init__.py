"""Response actions, one file each (docs/response.md)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import MappingProxyType

from collectors.agent.actions.contract import Action


def actions_here() -> Mapping[str, Action]:
    """The actions of this operating system by name."""
    if os.name == "nt":
        from collectors.agent.actions.windows import WINDOWS

        return WINDOWS
    from collectors.agent.actions.collect_triage import CollectTriage
    from collectors.agent.actions.disable_account import DisableAccount
    from collectors.agent.actions.isolate_host import IsolateHost
    from collectors.agent.actions.quarantine_file import QuarantineFile
    from collectors.agent.actions.query_state import QueryState
    from collectors.agent.actions.stop_process import StopProcess

    made: list[Action] = [
        IsolateHost(),
        StopProcess(),
        QuarantineFile(),
        DisableAccount(),
        CollectTriage(),
        QueryState(),
    ]
    return MappingProxyType({one.name: one for one in made})
