"""Whose address, whose agent, whose host."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soc.model.register import UNOWNED, Owner
from soc.model.scope import Scope
from soc.records.agents import AgentRow
from soc.records.database import Database
from soc.register.files import DEMO, load
from soc.register.import_export import import_register
from soc.register.ownership import Ownership

RANGES = {
    "10.0.0.0/8": ("skhcn", None),
    "10.14.0.0/16": ("sxd", None),
    "10.14.8.0/24": ("sxd", "HT-011"),
    "2001:db8::/32": ("skhcn", None),
    "2001:db8:14::/48": ("sxd", "HT-011"),
}
SMALL = Ownership(
    agencies={"sxd": "Sở Xây dựng"},
    systems={"HT-011": ("Hồ sơ cấp phép", 3)},
    ranges=RANGES,
    hosts={"sxd-fs01": ("sxd", "HT-011")},
)


@pytest.mark.parametrize(
    ("address", "owner"),
    [
        ("10.14.8.10", Owner("sxd", "HT-011", 3)),
        ("10.14.9.1", Owner("sxd", None, 0)),
        ("10.99.0.1", Owner("skhcn", None, 0)),
        ("2001:db8:14::9", Owner("sxd", "HT-011", 3)),
        ("2001:DB8:15::9", Owner("skhcn", None, 0)),
        ("::ffff:10.14.8.10", Owner("sxd", "HT-011", 3)),
        ("203.0.113.1", UNOWNED),
        ("LOCAL", UNOWNED),
        ("", UNOWNED),
    ],
)
def test_the_longest_prefix_wins(address: str, owner: Owner):
    """IPv4 and IPv6 alike; what is no address is nobody's."""
    assert SMALL.of_address(address, None) == owner


def slow_owner(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str | None:
    """The plain way: try every range."""
    holding = [
        (network.prefixlen, RANGES[cidr][0])
        for cidr in RANGES
        if address in (network := ipaddress.ip_network(cidr))
    ]
    return max(holding)[1] if holding else None


@given(
    st.one_of(
        st.ip_addresses(v=4, network="10.8.0.0/13"),
        st.ip_addresses(v=6, network="2001:db8:10::/44"),
        st.ip_addresses(),
    )
)
def test_the_tree_answers_like_the_plain_way(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
):
    """Over any address."""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return
    assert SMALL.of_address(str(address), None).agency_id == slow_owner(address)


def test_a_relay_stamps_only_within_its_prefixes():
    """A relay of one agency cannot speak for another's addresses."""
    within = ["10.14.0.0/16"]
    assert SMALL.of_address("10.14.8.10", within) == Owner("sxd", "HT-011", 3)
    assert SMALL.of_address("10.99.0.1", within) == UNOWNED
    assert SMALL.of_address("2001:db8:14::9", within) == UNOWNED


def test_a_relay_without_prefixes_stamps_nothing():
    """An empty list permits nothing; no list at all is no restriction."""
    assert SMALL.of_address("10.14.8.10", []) == UNOWNED


def test_an_agents_enrolment_decides():
    """With the level its system has today."""
    agent = AgentRow(id="a1", agency_id="sxd", system_id="HT-011")
    assert SMALL.of_agent(agent) == Owner("sxd", "HT-011", 3)


def test_an_agent_enrolled_for_nobody_is_unowned():
    """Until somebody says whose it is."""
    assert SMALL.of_agent(AgentRow(id="a1", agency_id=None, system_id=None)) == UNOWNED


def test_a_host_is_found_whatever_its_case_and_domain():
    """Windows writes capitals, DNS writes domains."""
    owner = Owner("sxd", "HT-011", 3)
    assert SMALL.of_host("SXD-FS01") == SMALL.of_host("sxd-fs01.cuulong.example.") == owner
    assert SMALL.of_host("elsewhere") == UNOWNED


def test_names_are_for_people():
    """What is unknown is given as it is."""
    assert SMALL.names(Owner("sxd", "HT-011")) == ("Sở Xây dựng", "Hồ sơ cấp phép")
    assert SMALL.names(Owner("x", None)) == ("x", "")


def test_the_demo_province_answers_for_its_machines(database: Database):
    """From the records; the version tells when to load again."""
    assert Ownership.load(database).version == 0
    now = datetime(2026, 11, 22, tzinfo=UTC)
    import_register(database, Scope.province("tests"), load(DEMO), now=now)
    ownership = Ownership.load(database)
    assert ownership.version == 1
    assert ownership.of_address("10.8.6.10", None) == Owner("ttgsanm", "HT-006", 3)
    assert ownership.of_address("2001:db8:99:6::20", None) == Owner("ttgsanm", "HT-006", 3)
    assert ownership.of_host("SXD-FS01") == Owner("sxd", "HT-011", 3)


def test_every_asset_of_the_demo_province_lies_in_a_range_of_its_agency(database: Database):
    """Or the address plan and the assets contradict each other."""
    register = load(DEMO)
    declared = Ownership(ranges={r.cidr: (r.agency, r.system) for r in register.ranges})
    astray = [
        (asset.id, address)
        for asset in register.assets
        for address in asset.addresses
        if declared.of_address(address, None).agency_id != asset.agency
    ]
    assert astray == []
