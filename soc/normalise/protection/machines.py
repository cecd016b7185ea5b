"""By which name a machine is the same one in the feed, the register and among the agents."""

from __future__ import annotations

from soc.normalise.addresses import ip_address


def machine_key(name: str) -> str:
    r"""A host name without its domain, folded; an address as it is.

    >>> machine_key("SXD-PC-021.sxd.example.vn"), machine_key("SXD\\sxd-pc-021"), machine_key("10.1.0.7")
    ('sxd-pc-021', 'sxd-pc-021', '10.1.0.7')
    """
    text = name.rpartition("\\")[2].strip().rstrip(".")
    return text if ip_address(text) else text.partition(".")[0].casefold()
