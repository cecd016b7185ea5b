"""What can go wrong in the sensor."""

from __future__ import annotations


class SensorError(Exception):
    """The root of the sensor's errors."""


class CaptureError(SensorError):
    """A capture file is none, or ends in the middle of a packet; the packets before were read."""


class NotThisProtocol(SensorError):
    """The bytes do not follow the protocol that they seemed to be."""
