"""The flow stamps the country and network of an event's addresses, once, as it arrives."""

from __future__ import annotations

import pytest
from mmdb_writer import MMDBWriter
from netaddr import IPSet

from soc.collect import discovery
from soc.model.event import Event
from soc.model.register import Owner
from soc.normalise.places import Places
from tests.receive.builders import NOW, Owners, a_batch, a_flow


@pytest.fixture
def placed(tmp_path, monkeypatch):
    """A reader whose record is the source's address, and a file that knows 8.8.8.0/24."""
    path = tmp_path / "places.mmdb"
    writer = MMDBWriter()
    writer.insert_network(IPSet(["8.8.8.0/24"]), {"country": {"iso_code": "US"}})
    writer.to_db_file(str(path))
    monkeypatch.setattr(
        discovery,
        "read",
        lambda record: [Event("plain", NOW, {"source.ip": record.raw.decode()}, record.raw)],
    )
    return Places([path])


def test_a_stored_event_has_its_place(database, store, sender, placed):
    """A private address beside it has none."""
    a_flow(database, store, places=placed).take([a_batch(sender, ["8.8.8.8", "10.0.0.1"])], NOW)
    public, private = store.events()
    assert public.fields["source.geo.country_iso_code"] == "US"
    assert "source.geo.country_iso_code" not in private.fields


def test_an_address_of_the_register_has_no_place(database, store, sender, placed):
    """Though it is public and the file knows it."""
    owners = Owners({"8.8.8.8": Owner("agency-1")})
    flow = a_flow(database, store, places=placed, ownership=owners)
    flow.take([a_batch(sender, ["8.8.8.8"])], NOW)
    (event,) = store.events()
    assert "source.geo.country_iso_code" not in event.fields
