"""What can go wrong in the agent, and what the person at the keyboard can do about it.

AgentError
├── ConfigError      agent.yaml or an argument cannot be used       (start is refused)
├── NotEnrolled      no identity in this home                       (enrol first)
├── SpoolError       the disk does not take the spool               (durable inputs wait)
├── SpoolInUse       another agent runs in this home                (start is refused)
└── LinkError        the platform was not reached, or TLS failed    (retried)
"""

from __future__ import annotations


class AgentError(Exception):
    """Base of the errors that the agent raises on purpose."""


class ConfigError(AgentError):
    """``agent.yaml`` or an argument cannot be used; the text names the key."""


class NotEnrolled(AgentError):
    """There is no identity in this home."""


class SpoolError(AgentError):
    """The disk does not take what the spool must write."""


class SpoolInUse(AgentError):
    """Another agent works in this home."""


class LinkError(AgentError):
    """The platform could not be reached, or did not prove to be the platform."""
