"""``soc network``: the pages of the network for those who only have a shell."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from soc.model.scope import Scope
    from soc.ports import EventStore
    from soc.records.database import Database
    from soc.respond.device_desk import Device
    from soc.respond.network_desk import Input

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)
Since = Annotated[str, typer.Option(help="How far back: 15m, 24h, 7d.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]


@app.callback()
def network() -> None:
    """The network: who moves how much, one device, one flow."""


@app.command("overview")
def overview(
    since: Since = "24h",
    kind: Annotated[
        str, typer.Option(help="Count by this witness: sensor, export, suricata, firewall.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Top talkers, blocked against allowed, lag and drops of each input, one a line.

    Example: soc network overview --since 1h --kind firewall
    """
    from soc.cli.case import print_line
    from soc.cli.times import duration
    from soc.respond.network_desk import KINDS, NetworkDesk

    if kind and kind not in KINDS:
        raise typer.BadParameter(f"{kind!r} is no witness; the witnesses are {', '.join(KINDS)}")
    now = datetime.now(UTC)
    with _site() as (scope, database, store):
        found = NetworkDesk(database, store).overview(
            scope, start=now - duration(since), end=now, now=now, kind=kind
        )
    groups = {"agency": found.agencies, "system": found.systems, "address": found.addresses}
    for of, talkers in groups.items():
        for one in talkers:
            line = {"of": of, "told_by": found.kind, **asdict(one)}
            shown = one.name or one.key or "(unowned)"
            text = f"{of:<8}  {one.bytes:>16} B  {one.packets:>12} pkt  {one.flows:>10} flows  "
            print_line(line, text + _shown(shown), as_json=as_json)
    verdicts = {"of": "firewalls", "allowed": found.allowed, "blocked": found.blocked}
    text = f"firewalls  {found.allowed} allowed  {found.blocked} blocked"
    print_line(verdicts, text, as_json=as_json)
    for each in found.inputs:
        print_line(_input(each), _input_text(each), as_json=as_json)


@app.command("device")
def device(
    name: Annotated[str, typer.Argument(help="Its name, as in host.name.")],
    since: Since = "24h",
    as_json: Json = False,
) -> None:
    """One firewall, router, sensor or server: whose it is, what it sends, what is missing.

    Example: soc network device FG-TTDL --since 7d
    """
    from soc.cli.case import print_line
    from soc.cli.times import duration
    from soc.respond.device_desk import DeviceDesk

    now = datetime.now(UTC)
    with _site() as (scope, database, store):
        found = DeviceDesk(database, store).device(
            scope, name, start=now - duration(since), end=now
        )
    plain = _device(found)
    if as_json:
        print_line(plain, "", as_json=True)
        return
    for key, value in plain.items():
        if key not in ("sent", "alerts"):
            print(f"{key:<14}{_shown(value)}")
    for one in found.sent:
        print(f"{'sends':<14}{_shown(one.dataset)}  {one.events}  {one.per_minute:.2f} a minute")
    for alert in found.alerts:
        print(f"{'alert':<14}{alert.id}  {alert.severity}  {_shown(alert.title)}")


@app.command("flow")
def flow(
    community_id: Annotated[str, typer.Argument(help="network.community_id of an event.")],
    since: Since = "7d",
    as_json: Json = False,
) -> None:
    """Everything that speaks of one flow, the earliest first; what the sensors missed then, on stderr.

    Example: soc network flow 1:LQU9qZlK+B5F3KDmev6m5PMibrg= --since 30d
    """
    from soc.cli.case import print_line
    from soc.cli.search import event_line
    from soc.cli.times import duration
    from soc.respond.flow_desk import FlowDesk

    now = datetime.now(UTC)
    with _site() as (scope, database, store):
        found = FlowDesk(database, store).flow(
            scope, community_id, start=now - duration(since), end=now
        )
    for event in found.events:
        alerts = found.alerts_by_event.get(event.id, ())
        dataset = event.fields.get("event.dataset", event.source)
        text = f"{event.observed_at:%Y-%m-%d %H:%M:%SZ}  {dataset!s:<20} {event.host:<20} "
        text += f"{event.fields.get('source.ip', '')} > {event.fields.get('destination.ip', '')}"
        print_line(
            {**event_line(event), "soc.alerts": list(alerts)},
            _shown(f"{text}  {' '.join(alerts)}".rstrip()),
            as_json=as_json,
        )
    print(f"{len(found.events)} of {found.total} events", file=sys.stderr)
    for drop in found.drops:
        share = f"{drop.greatest:.2%} at worst, {drop.mean:.2%} on average"
        print(f"{_shown(drop.sensor or '-')} missed packets then: {share}", file=sys.stderr)
    if found.events and not found.sensor_records:
        print("no packet sensor spoke within a minute of the flow", file=sys.stderr)


@contextmanager
def _site() -> Iterator[tuple[Scope, Database, EventStore]]:
    from soc.cli.case import open_database
    from soc.model.scope import Scope
    from soc.site.events import open_store

    with open_database() as (settings, database):
        store = open_store(settings, writable=False)
        try:
            yield Scope.province("command line"), database, store
        finally:
            store.close()


def _shown(value: object) -> str:
    """For a terminal: control signs of a hostile name do nothing."""
    text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return "".join(sign if sign.isprintable() else f"\\u{ord(sign):04x}" for sign in text)


def _input(one: Input) -> dict[str, Any]:
    """Times are RFC 3339 in UTC; the lag is in seconds, the drop rate a share of 0-1."""
    return {
        "of": "input",
        "name": one.agent.row.name,
        "kind": one.agent.row.kind,
        "agency": one.agent.agency_name or None,
        "state": one.agent.state,
        "last_data": one.last_data_at,
        "lag_seconds": None if one.lag is None else one.lag.total_seconds(),
        "streams": one.streams,
        "silent": one.silent,
        "missing": one.missing,
        "lost": one.lost,
        "kernel_lost": one.kernel_lost,
        "drop_rate": one.drop_rate,
    }


def _input_text(one: Input) -> str:
    lag = "-" if one.lag is None else f"{one.lag.total_seconds():.1f} s"
    drop = "-" if one.drop_rate is None else f"{one.drop_rate:.2%}"
    return (
        f"input     {_shown(one.agent.row.name):<24} {one.agent.state:<8} lag {lag}  silent {one.silent}"
        f"/{one.streams}  missing {one.missing}  lost {one.lost}  kernel {one.kernel_lost}  dropped {drop}"
    )


def _device(found: Device) -> dict[str, Any]:
    return {
        "name": found.name,
        "registered": found.asset is not None,
        "agency": found.agency_name or None,
        "system": found.system_name or None,
        "level": found.level,
        "sites": list(found.sites),
        "addresses": list(found.addresses),
        "products": list(found.products),
        "zones": list(found.zones),
        "silent": found.is_silent,
        "events": found.events,
        "unparsed": found.unparsed,
        "set_aside": found.set_aside,
        "clock_offset": list(found.offsets) if found.offsets else None,
        "drop_rate": found.drop_rate,
        "kernel_lost": found.kernel_lost,
        "missing": sum(stream.missing for stream in found.streams),
        "lost": sum(stream.lost for stream in found.streams),
        "sent": [asdict(one) for one in found.sent],
        "alerts": [alert.id for alert in found.alerts],
    }
