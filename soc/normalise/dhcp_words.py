"""Leases of addresses as ECS fields: the client is the source, whatever server tells of it."""

from __future__ import annotations

from soc.model.event import Fields
from soc.normalise.addresses import ip_address
from soc.normalise.network_words import NONE_OF_IT, hardware_address

FAILED = frozenset({"nak", "decline", "no-address", "denied", "address-in-use", "dropped"})
ENDED = frozenset({"release", "expired", "deleted"})


def add_lease(
    fields: Fields, action: str, *, address: str = "", mac: str = "", name: str = ""
) -> None:
    """What happened to whose address; ``action`` is discover, offer, request, ack, nak, release ...

    >>> fields: Fields = {}
    >>> add_lease(fields, "ack", address="10.1.2.3", mac="00:11:22:33:44:55", name="may01")
    >>> fields["source.ip"], fields["source.mac"], fields["source.domain"], fields["event.outcome"]
    ('10.1.2.3', '00-11-22-33-44-55', 'may01', 'success')
    """
    fields["event.category"] = ["network"]
    fields["network.protocol"] = "dhcp"
    fields["event.action"] = action
    kind = "denied" if action in FAILED else "end" if action in ENDED else "protocol"
    fields["event.type"] = ["protocol"] if kind == "protocol" else ["protocol", kind]
    if action in FAILED:
        fields["event.outcome"] = "failure"
    elif action == "ack":
        fields["event.outcome"] = "success"
    if (found := ip_address(address)) is not None:
        fields["source.ip"] = found
        fields["dhcp.address"] = found
    hardware = hardware_address(mac)
    if hardware is not None:
        fields["source.mac"] = hardware
    elif mac not in NONE_OF_IT:
        fields["dhcp.client_id"] = mac
    if name not in NONE_OF_IT:
        fields["source.domain"] = name
