"""The desks of the network over figures made by hand, see ``network_seed``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soc.errors import NotFound, QueryError
from soc.model.scope import Scope
from soc.records.database import Database
from soc.register.files import DEMO, load
from soc.register.import_export import import_register
from soc.respond.device_desk import DeviceDesk
from soc.respond.flow_desk import FlowDesk, read_community_id
from soc.respond.network_desk import NetworkDesk
from soc.settings import Settings
from soc.store.embedded import EmbeddedStore
from tests.console.network_seed import (
    FIREWALL,
    FLOW,
    PROVINCE,
    RELAY,
    SENSOR,
    STREAM,
    fill_network,
)

NOW = datetime(2026, 11, 24, 2, 42, tzinfo=UTC)
DAY = {"start": NOW - timedelta(hours=24), "end": NOW}
OFFICER = Scope.of("syt")
CONSTRUCTION = Scope.of("sxd")


@pytest.fixture(scope="module")
def filled(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Database, EmbeddedStore]]:
    home: Path = tmp_path_factory.mktemp("network")
    database = Database(f"sqlite:///{home / 'soc.sqlite'}")
    database.create_all()
    import_register(database, PROVINCE, load(DEMO), now=NOW)
    store = EmbeddedStore(home / "events", months=Settings().retention_months, writable=True)
    fill_network(database, store, NOW)
    yield database, store
    store.close()
    database.close()


@pytest.fixture(scope="module")
def network(filled: tuple[Database, EmbeddedStore]) -> NetworkDesk:
    return NetworkDesk(*filled)


@pytest.fixture(scope="module")
def devices(filled: tuple[Database, EmbeddedStore]) -> DeviceDesk:
    return DeviceDesk(*filled)


@pytest.fixture(scope="module")
def flows(filled: tuple[Database, EmbeddedStore]) -> FlowDesk:
    return FlowDesk(*filled)


def test_talkers_are_counted_by_one_witness_alone(network: NetworkDesk):
    """The firewall and the exporter tell of the same 64,000 bytes; they are not added."""
    found = network.overview(PROVINCE, **DAY, now=NOW)
    assert found.kind == "sensor"
    assert found.flows_by_kind == {"sensor": 6, "export": 1, "suricata": 0, "firewall": 5}
    assert [(one.key, one.bytes, one.packets, one.flows) for one in found.agencies] == [
        ("sxd", 65_000, 650, 2),
        ("skhcn", 6_000, 60, 3),
        ("", 300, 3, 1),
    ]
    assert [(one.key, one.bytes) for one in found.systems][:2] == [
        ("ht-011", 65_000),
        ("ht-006", 6_000),
    ]
    assert found.agencies[0].name == "Sở Xây dựng"


def test_a_firewall_without_totals_is_summed_there_and_back(network: NetworkDesk):
    found = network.overview(PROVINCE, **DAY, now=NOW, kind="firewall")
    assert [(one.key, one.bytes, one.flows) for one in found.agencies] == [
        ("sxd", 64_000 + 800 + 120, 5)
    ]


def test_addresses_stand_by_what_they_sent_not_by_how_often(network: NetworkDesk):
    found = network.overview(PROVINCE, **DAY, now=NOW)
    assert [(one.key, one.bytes, one.flows) for one in found.addresses] == [
        ("10.14.8.44", 60_000, 1),
        ("10.60.0.9", 3_000, 3),
        ("10.14.8.45", 500, 1),
        ("192.0.2.9", 300, 1),
    ]


def test_blocked_and_allowed_are_the_firewalls_decisions_alone(network: NetworkDesk):
    """Suricata's ``allowed`` is no firewall's."""
    found = network.overview(PROVINCE, **DAY, now=NOW)
    assert (found.allowed, found.blocked) == (2, 3)


def test_an_input_says_what_it_is_known_to_miss(network: NetworkDesk):
    relay, sensor = network.inputs(PROVINCE, **DAY, now=NOW)
    assert (relay.agent.row.name, sensor.agent.row.name) == (RELAY, SENSOR)
    assert (relay.missing, relay.lost, relay.kernel_lost, relay.kernel_times) == (7, 3, 42, 2)
    assert (relay.lag, relay.silent, relay.drop_rate) == (timedelta(seconds=7), 1, None)
    assert (sensor.drop_rate, sensor.missing, sensor.lag) == (0.035, 0, timedelta(0))


def test_a_device_is_known_by_its_events(devices: DeviceDesk):
    found = devices.device(PROVINCE, FIREWALL, **DAY)
    assert [(one.dataset, one.events) for one in found.sent] == [
        ("fortigate.traffic", 5),
        ("unparsed", 2),
    ]
    assert found.sent[0].per_minute == pytest.approx(5 / 1440)
    assert (found.unparsed, found.set_aside, found.kernel_lost) == (2, 1, 42)
    assert found.offsets == (150.5, 150.5)
    assert (found.agency_name, found.level) == ("Sở Xây dựng", 3)
    assert found.system_name.startswith("Cơ sở dữ liệu hồ sơ cấp phép xây dựng")
    assert (found.sites, found.addresses) == ((RELAY,), ("10.20.0.1",))
    assert [stream.row.name for stream in found.streams] == [STREAM]
    assert (found.streams[0].missing, found.streams[0].lost, found.is_silent) == (7, 3, True)
    assert [alert.id for alert in found.alerts] == ["CB-900001"]


def test_a_sensor_shows_the_share_it_missed(devices: DeviceDesk):
    found = devices.device(PROVINCE, SENSOR, **DAY)
    assert (found.drop_rate, found.is_silent) == (0.035, False)


def test_a_quiet_period_does_not_make_a_device_unknown(devices: DeviceDesk):
    """Who it is stays known for 30 days."""
    found = devices.device(PROVINCE, FIREWALL, start=NOW, end=NOW + timedelta(hours=1))
    assert (found.events, found.is_silent, found.agency_name) == (0, True, "Sở Xây dựng")


@pytest.mark.parametrize("name", ["nobody", '"', "a OR *", "*", "\\", "\u202e", "x" * 200])
def test_a_name_that_nothing_bears_is_not_found(devices: DeviceDesk, name: str):
    """Signs of the query language are text."""
    with pytest.raises(NotFound):
        devices.device(PROVINCE, name, **DAY)


def test_a_flow_is_told_by_all_its_witnesses_in_order(flows: FlowDesk):
    found = flows.flow(PROVINCE, FLOW, **DAY)
    assert found.witnesses == (
        "fortigate.traffic", "sensor.flow", "suricata.alert", "netflow.flow",
    )  # fmt: skip
    assert (found.total, [alert.id for alert in found.alerts]) == (4, ["CB-900001"])
    assert list(found.alerts_by_event.values()) == [("CB-900001",)]


def test_the_drop_rate_of_that_time_stands_beside_the_flow(flows: FlowDesk):
    (drop,) = flows.flow(PROVINCE, FLOW, **DAY).drops
    assert (drop.sensor, drop.greatest, drop.records) == (SENSOR.lower(), 0.035, 2)
    assert drop.mean == pytest.approx(0.035)


def test_another_flow_whose_id_differs_in_case_is_another_flow(flows: FlowDesk):
    found = flows.flow(PROVINCE, FLOW.swapcase(), **DAY)
    assert (found.events, found.total, found.alerts) == ((), 0, ())


def test_who_sees_one_agency_sees_nothing_of_another(
    network: NetworkDesk, devices: DeviceDesk, flows: FlowDesk
):
    found = network.overview(OFFICER, **DAY, now=NOW)
    assert (found.agencies, found.addresses, found.inputs, found.blocked) == ((), (), (), 0)
    told = flows.flow(OFFICER, FLOW, **DAY)
    assert (told.events, told.alerts, told.drops) == ((), (), ())
    with pytest.raises(NotFound):
        devices.device(OFFICER, FIREWALL, **DAY)


def test_an_officer_sees_the_own_part_of_a_shared_sensor(network: NetworkDesk, flows: FlowDesk):
    """The relay and the sensor are another agency's, the flows are not."""
    found = network.overview(CONSTRUCTION, **DAY, now=NOW)
    assert [one.key for one in found.agencies] == ["sxd"]
    assert found.inputs == ()
    assert len(flows.flow(CONSTRUCTION, FLOW, **DAY).events) == 4


def test_drops_that_one_may_not_see_are_not_said_to_be_none(devices: DeviceDesk):
    """The relay is of another agency: nothing is known of its kernel, which is not nothing."""
    found = devices.device(CONSTRUCTION, FIREWALL, **DAY)
    assert (found.kernel_lost, found.unparsed, found.sites) == (None, 2, ())


@settings(max_examples=200)
@given(st.text(max_size=60) | st.from_regex(r"1:[A-Za-z0-9+/]{26,28}=?\n?", fullmatch=True))
def test_any_text_is_a_community_id_or_a_clear_refusal(text: str):
    if re.fullmatch(r"1:[A-Za-z0-9+/]{27}=", text.strip(), re.ASCII):
        assert read_community_id(text) == text.strip()
    else:
        with pytest.raises(QueryError, match="Community ID"):
            read_community_id(text)
