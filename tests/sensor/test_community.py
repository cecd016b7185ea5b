"""Community ID version 1 against the published baseline."""

from __future__ import annotations

import json
from ipaddress import ip_address
from pathlib import Path

import pytest

from collectors.sensor.community import community_id


@pytest.mark.parametrize(("name", "seed"), [("deflt", 0), ("seed1", 1)])
def test_every_flow_of_the_baseline_has_its_published_identifier(
    corpus: Path, name: str, seed: int
):
    """The reference implementation and this one agree on each tuple, with and without a seed."""
    path = corpus / "community-id" / "baseline" / f"baseline_{name}.json"
    flows = json.loads(path.read_text(encoding="utf-8"))
    assert len(flows) > 20
    for flow in flows:
        ends = (ip_address(flow[which]).packed for which in ("saddr", "daddr"))
        ports = (flow.get(which) or 0 for which in ("sport", "dport"))
        assert community_id(flow["proto"], *ends, *ports, seed=seed) == flow["communityid"], flow


def test_both_directions_have_one_identifier():
    """What the client sent and what it was answered join on one name."""
    client, server = (ip_address(each).packed for each in ("10.1.2.3", "192.0.2.9"))
    assert community_id(17, client, server, 5353, 53) == community_id(17, server, client, 53, 5353)
