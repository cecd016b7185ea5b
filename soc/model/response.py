"""Response commands to agents: what may be asked, and the states of one command."""

from __future__ import annotations

from enum import StrEnum


class ResponseAction(StrEnum):
    """What an agent can be told to do (docs/response.md)."""

    ISOLATE_HOST = "isolate_host"
    STOP_PROCESS = "stop_process"
    QUARANTINE_FILE = "quarantine_file"
    DISABLE_ACCOUNT = "disable_account"
    COLLECT_TRIAGE = "collect_triage"
    QUERY_STATE = "query_state"


MEASURES = frozenset(
    {ResponseAction.ISOLATE_HOST, ResponseAction.QUARANTINE_FILE, ResponseAction.DISABLE_ACCOUNT}
)
"""They stay in force until they are undone or run out."""


class ResponseState(StrEnum):
    """One command. The first two are open; EXPIRED is an open one whose time is over, and is never written down."""

    WAITING = "waiting"  # for the second person
    QUEUED = "queued"  # signed, for the agent to fetch
    DONE = "done"
    UNCHANGED = "unchanged"  # the agent could not, and changed nothing
    FAILED = "failed"
    REFUSED = "refused"  # by the agent: signature, addressee, time, replay
    CANCELLED = "cancelled"
    EXPIRED = "expired"
