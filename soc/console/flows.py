"""Addresses of the page of one flow, for pages that show an event or an alert of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode


def flow_address(fields: Mapping[str, Any], at: datetime) -> str:
    """The page of the flow that the fields speak of, around that time; "" where they name none.

    >>> from datetime import UTC
    >>> flow_address({"network.community_id": "1:a+b="}, datetime(2026, 11, 24, tzinfo=UTC))
    '/network/flow?id=1%3Aa%2Bb%3D&at=2026-11-24T00%3A00%3A00%2B00%3A00'
    >>> flow_address({}, datetime(2026, 11, 24, tzinfo=UTC))
    ''
    """
    said = fields.get("network.community_id")
    if isinstance(said, list) and said:
        said = said[0]
    if not isinstance(said, str):
        return ""
    return "/network/flow?" + urlencode({"id": said, "at": at.isoformat()})
