"""What options records say of sampling and of the exporter's start, and what a flow's rate is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from collectors.flow_export.exporters import Domain, Sampler

GREATEST_RATE = 2**31
ALL: Sampler = ("all", 0)


def rate_of(said: Mapping[str, Any]) -> int | None:
    """One in how many packets was counted, where the record says so.

    v9: elements 34 and 50; IPFIX (RFC 5477): 305 with 306, 309 with 310, 311.

    >>> rate_of({"samplingPacketInterval": 1, "samplingPacketSpace": 99}), rate_of({"samplingProbability": 0.01})
    (100, 100)
    """
    for name in ("samplingInterval", "samplerRandomInterval"):
        if rate := _whole(said.get(name)):
            return rate
    interval, space = said.get("samplingPacketInterval"), said.get("samplingPacketSpace")
    if (taken := _whole(interval)) and isinstance(space, int):
        return _whole(round((taken + space) / taken))
    if (taken := _whole(interval)) and space is None:
        return taken  # exporters that tell the interval alone mean one in so many
    size, population = _whole(said.get("samplingSize")), _whole(said.get("samplingPopulation"))
    if size and population:
        return _whole(round(population / size))
    probability = said.get("samplingProbability")
    if isinstance(probability, float) and 1 / GREATEST_RATE < probability <= 1:
        return _whole(round(1 / probability))
    return None


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and 1 <= value <= GREATEST_RATE else None


def learn(domain: Domain, said: Mapping[str, Any]) -> None:
    """Keep what an options record says of the domain."""
    started = said.get("systemInitTimeMilliseconds")
    if isinstance(started, int):
        domain.started_us = started
    rate = rate_of(said)
    if rate is not None:
        domain.learn_rate(_sampler(said, "scopeInterface", "ingressInterface"), rate)


def rate_for(domain: Domain, flow: Mapping[str, Any]) -> int:
    """The rate of a flow: its own word, else that of its sampler, its interface, or all."""
    own = rate_of(flow)
    if own is not None or not domain.rates:
        return own or 1
    for sampler in (_sampler(flow), _sampler(flow, "ingressInterface"), ALL):
        if sampler in domain.rates:
            return domain.rates[sampler]
    return 1


def _sampler(said: Mapping[str, Any], *interfaces: str) -> Sampler:
    for kind, names in (("interface", interfaces), ("sampler", ("samplerId", "selectorId"))):
        for name in names:
            if isinstance(said.get(name), int):
                return kind, said[name]
    return ALL
