"""Community ID version 1 against the published baseline."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from soc.normalise.community_id import community_id


@pytest.mark.parametrize(("name", "seed"), [("deflt", 0), ("seed1", 1)])
def test_every_flow_of_the_baseline_has_its_published_identifier(
    corpus: Path, name: str, seed: int
):
    """The reference implementation and this one agree on each tuple, with and without a seed."""
    path = corpus / "community-id" / "baseline" / f"baseline_{name}.json"
    flows = json.loads(path.read_text(encoding="utf-8"))
    assert len(flows) > 20
    for flow in flows:
        ports = flow.get("sport"), flow.get("dport")
        found = community_id(flow["saddr"], flow["daddr"], flow["proto"], *ports, seed=seed)
        assert found == flow["communityid"], flow


def test_both_directions_have_one_identifier():
    """What the client sent and what it was answered join on one name."""
    there = community_id("10.1.2.3", "192.0.2.9", 17, 5353, 53)
    assert there == community_id("192.0.2.9", "10.1.2.3", 17, 53, 5353)


@pytest.mark.parametrize(
    "flow",
    [("10.1.2.3", "::1", 6, 1, 2), ("x", "::1", 6, 1, 2), ("::1", "::1", 6, 70_000, 2)],
)
def test_what_is_no_flow_is_refused(flow: tuple[str, str, int, int, int]):
    """Two families, no address, a port too great: a ValueError, never another flow's name."""
    with pytest.raises(ValueError, match=r".+"):
        community_id(*flow)
