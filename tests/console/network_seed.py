"""A few minutes of one network with figures made by hand: a relay, a sensor that drops, a firewall, an exporter."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from soc.model.event import Event, event_id, signal_id
from soc.model.scope import Scope
from soc.records.agents import AgentRow, StreamRow
from soc.records.alerts import AlertRow
from soc.records.batches import SetAsideRow, SignalRow
from soc.records.database import Database
from soc.records.silence import SilenceEpisodeRow
from soc.store.embedded import EmbeddedStore

PROVINCE = Scope.province("seed")
FLOW = "1:LQU9qZlK+B5F3KDmev6m5PMibrg="
FIREWALL, SENSOR, RELAY = "FG-TTDL", "sensor-ttdl", "relay-ttdl"
STREAM = "syslog:tls:6514/10.20.0.1"
LOG = {
    "event.category": ["network"], "event.module": "fortigate", "event.dataset": "fortigate.traffic",
    "observer.type": "firewall", "observer.product": "FortiGate", "agent.id": "ag-relay",
    "soc.stream": STREAM, "soc.peer_ip": "10.20.0.1", "host.name": FIREWALL,
}  # fmt: skip
SEEN = {
    "event.category": ["network"], "event.module": "sensor", "event.dataset": "sensor.flow",
    "event.type": ["connection", "end"], "observer.type": "sensor", "agent.id": "ag-sensor",
    "soc.stream": "packets:eth1", "host.name": SENSOR,
}  # fmt: skip


def ends(source: str, sent: int, destination: str, received: int) -> dict[str, Any]:
    """Two addresses with what each sent; a packet is 100 bytes."""
    return {
        "source.ip": source, "source.bytes": sent, "source.packets": sent // 100,
        "destination.ip": destination, "destination.bytes": received,
        "destination.packets": received // 100,
    }  # fmt: skip


def whole(sent: int, received: int) -> dict[str, Any]:
    return {
        "network.bytes": sent + received,
        "network.packets": sent // 100 + received // 100,
    }


def network_events(now: datetime) -> list[Event]:
    """Seven of the sensor, five of the firewall, one of the exporter, one of Suricata, two notices, two unparsed."""
    made: list[Event] = []

    def add(
        minutes: float, agency: str | None, system: str | None, fields: dict[str, Any], host: str
    ) -> None:
        at = now - timedelta(minutes=minutes)
        owned = {"soc.agency_id": agency, "soc.system_id": system, "soc.level": 3}
        made.append(
            Event(
                source="made_up", observed_at=at, raw=b"line %d" % len(made),
                fields={**fields, **{key: value for key, value in owned.items() if value}},
                id=event_id("net", "00", "s", len(made) + 1, 0),
                received_at=at + timedelta(seconds=2), agency_id=agency, system_id=system, level=3,
                host=host,
            )
        )  # fmt: skip

    pair = ends("10.14.8.44", 60_000, "203.0.113.5", 4_000)
    drop = {"sensor.drop_rate": 0.035}
    flow = {"network.community_id": FLOW, "source.port": 50096, "destination.port": 443}
    add(30, "sxd", "HT-011", SEEN | pair | whole(60_000, 4_000) | flow | drop, SENSOR)
    add(
        28,
        "sxd",
        "HT-011",
        SEEN | ends("10.14.8.45", 500, "10.1.1.1", 500) | whole(500, 500),
        SENSOR,
    )
    for number in range(3):
        few = ends("10.60.0.9", 1_000, "10.1.1.1", 1_000)
        add(25 - number, "skhcn", "HT-006", SEEN | few | whole(1_000, 1_000), SENSOR)
    add(20, None, None, SEEN | ends("192.0.2.9", 300, "10.1.1.1", 0) | whole(300, 0), SENSOR)
    counts = {"event.module": "sensor", "event.dataset": "sensor.counts", "agent.id": "ag-sensor"}
    add(29.5, "skhcn", None, counts | drop | {"host.name": SENSOR}, SENSOR)
    allowed = {
        "event.action": "close",
        "event.outcome": "success",
        "event.type": ["connection", "allowed"],
    }
    denied = {
        "event.action": "deny",
        "event.outcome": "failure",
        "event.type": ["connection", "denied"],
    }
    add(
        30.2,
        "sxd",
        "HT-011",
        LOG | pair | allowed | flow | {"soc.clock.offset_seconds": 150.5},
        FIREWALL,
    )
    add(15, "sxd", "HT-011", LOG | ends("10.14.8.46", 700, "10.1.1.1", 100) | allowed, FIREWALL)
    for number in range(3):
        add(
            10 - number,
            "sxd",
            "HT-011",
            LOG | ends("203.0.113.77", 40, "10.1.1.1", 0) | denied,
            FIREWALL,
        )
    told = {
        "event.dataset": "netflow.flow",
        "event.category": ["network"],
        "event.module": "flow_export",
    }
    add(
        29.8,
        "sxd",
        "HT-011",
        told | pair | whole(60_000, 4_000) | flow | {"host.name": "rt-1"},
        "rt-1",
    )
    eve = {"event.dataset": "suricata.alert", "event.kind": "alert", "event.action": "allowed",
           "observer.type": "ids", "rule.name": "GENERIC POST", "event.category": ["network"]}  # fmt: skip
    add(
        29.9,
        "sxd",
        "HT-011",
        eve | flow | {"host.name": "ids-1", "message": "GENERIC POST"},
        "ids-1",
    )
    notice = {"event.dataset": "soc.agent", "event.action": "kernel_lost", "agent.id": "ag-relay"}
    for number, lost in ((1, 40), (2, 2)):
        add(number, "skhcn", None, notice | {"soc.agent.lost": lost, "host.name": RELAY}, RELAY)
    strange = {"event.dataset": "unparsed", "agent.id": "ag-relay", "soc.stream": STREAM}
    for number in (3, 4):
        add(number, "sxd", "HT-011", strange | {"host.name": FIREWALL, "message": "?"}, FIREWALL)
    return made


def network_rows(now: datetime, events: list[Event]) -> list[Any]:
    """The relay and the sensor with their streams, one silence, one alert of the flow, one line set aside."""
    hit = next(event for event in events if event.fields.get("event.dataset") == "suricata.alert")
    agents = [
        AgentRow(
            id=key, name=name, kind=kind, agency_id="skhcn", public_key=key.encode().ljust(32),
            enrolled_at=now - timedelta(days=9), last_seen_at=now - timedelta(seconds=9),
        )
        for key, name, kind in (("ag-relay", RELAY, "relay"), ("ag-sensor", SENSOR, "endpoint"))
    ]  # fmt: skip
    heard = now - timedelta(minutes=3)
    return [
        *agents,
        StreamRow(
            agent_id="ag-relay", incarnation="aa", name=STREAM, source="fortigate", agency_id="sxd",
            ranges=[[1, 90], [101, 200]], losses=[[91, 93, "spool full"]], records=190,
            last_received_at=heard, last_observed_at=heard - timedelta(seconds=7),
        ),
        StreamRow(
            agent_id="ag-sensor", incarnation="bb", name="packets:eth1", source="sensor",
            agency_id="skhcn", ranges=[[1, 7]], losses=[], records=7, last_received_at=heard,
            last_observed_at=heard,
        ),
        SilenceEpisodeRow(
            id="s1", agent_id="ag-relay", stream=STREAM, agency_id="sxd",
            last_heard_at=now - timedelta(hours=5), noticed_at=now - timedelta(hours=4),
        ),
        SetAsideRow(
            id="sa-net", agent_id="ag-relay", stream=STREAM, source="fortigate", reason="cut",
            raw=b"<1", host=FIREWALL, agency_id="sxd", received_at=heard,
        ),
        AlertRow(
            id="CB-900001", number=900_001, rule_id="r-net", title="POST to a bare address",
            title_vi="Gửi POST tới địa chỉ trần", severity="high", priority=70, entity="source.ip:10.14.8.44",
            host=FIREWALL, agency_id="sxd", system_id="HT-011", fields={"network.community_id": FLOW},
            first_seen_at=hit.observed_at, last_seen_at=hit.observed_at, created_at=now,
        ),
        SignalRow(
            id=signal_id("r-net", hit.id), rule_id="r-net", rule_title="POST", level="high",
            event_id=hit.id, observed_at=hit.observed_at, received_at=hit.received_at,
            agency_id="sxd", system_id="HT-011", host=FIREWALL, entity="source.ip:10.14.8.44",
            alert_id="CB-900001",
        ),
    ]  # fmt: skip


def fill_network(database: Database, store: EmbeddedStore, now: datetime) -> None:
    """Put it all into a site whose register is the demo's."""
    events = network_events(now)
    store.append(PROVINCE, events)
    with database.write(PROVINCE) as session:
        session.add_all(network_rows(now, events))
