"""A response command as signed bytes, as a plain object, and where it stands at a moment."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from soc.model.response import MEASURES, ResponseState
from soc.records.responses import ResponseCommandRow

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
OPEN = (ResponseState.WAITING, ResponseState.QUEUED)


def document_of(row: ResponseCommandRow) -> bytes:
    """The command's bytes: JSON, keys sorted, no blanks, UTF-8; times in µs (docs/wire.md, Commands)."""
    facts = {
        "version": 1,
        "id": row.id,
        "agent_id": row.agent_id,
        "action": row.action,
        "verb": row.verb,
        "measure": row.measure_id,
        "parameters": row.parameters,
        "reason": row.reason,
        "case_id": row.case_id,
        "asked_by": row.asked_by,
        "approved_by": [row.approved_by] if row.approved_by else [],
        "not_before": _microseconds(row.not_before),
        "expires_at": _microseconds(row.expires_at),
    }
    text = json.dumps(facts, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.encode()


def state_of_row(row: ResponseCommandRow, now: datetime) -> ResponseState:
    """Its state; an open one whose time is over is expired."""
    state = ResponseState(row.state)
    return ResponseState.EXPIRED if state in OPEN and now >= row.expires_at else state


def is_in_force(row: ResponseCommandRow, now: datetime) -> bool:
    """Whether a measure holds, by what its agent said last."""
    return (
        row.state == ResponseState.DONE
        and row.verb == "run"
        and row.action in MEASURES
        and row.ended_at is None
        and (row.until is None or row.until > now)
    )


def plain_of(row: ResponseCommandRow, now: datetime) -> dict[str, Any]:
    """A command for programs: the command line's ``--json`` and the API show the same."""
    return {
        "id": row.id,
        "request_id": row.request_id,
        "agent_id": row.agent_id,
        "agency_id": row.agency_id,
        "host": row.host,
        "action": row.action,
        "verb": row.verb,
        "measure_id": row.measure_id,
        "parameters": row.parameters,
        "reason": row.reason,
        "case_id": row.case_id,
        "state": str(state_of_row(row, now)),
        "asked_by": row.asked_by,
        "asked_at": row.asked_at,
        "approved_by": row.approved_by,
        "approved_at": row.approved_at,
        "expires_at": row.expires_at,
        "delivered_at": row.delivered_at,
        "answered_at": row.answered_at,
        "answer": row.answer,
        "evidence_sha256": row.evidence_sha256,
        "in_force": is_in_force(row, now),
        "until": row.until,
        "ended_at": row.ended_at,
        "ended_how": row.ended_how,
    }


def _microseconds(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)
