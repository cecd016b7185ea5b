"""One connection to the platform: HTTPS with the platform's own CA, kept open between requests."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from collectors.agent.errors import ConfigError, LinkError

TIMEOUT_SECONDS = 60.0
ADDRESSES_FILE = "platform.json"  # of the home: where the platform was when the host was isolated
STALE = (http.client.RemoteDisconnected, ConnectionError, http.client.CannotSendRequest)


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes

    def facts(self) -> dict[str, Any]:
        """The JSON object of the body, empty where there is none."""
        try:
            found = json.loads(self.body)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def reason(self) -> str:
        return str(self.facts().get("reason") or self.body[:200].decode("utf-8", "replace"))


class Link:
    """Not shared between threads."""

    def __init__(self, platform: str, ca: Path, addresses: Path | None = None) -> None:
        """Prepare; nothing is opened yet.

        Args:
            addresses: file with the platform's addresses, for when its name cannot be resolved: an isolated host
                has no DNS. The certificate is checked against the name in any case.

        Raises:
            ConfigError: not an https address, or no usable CA file.
        """
        parts = urlsplit(platform)
        if parts.scheme != "https" or not parts.hostname:
            raise ConfigError(f"the platform's address must be https://host:port, not {platform!r}")
        self.host, self.port = parts.hostname, parts.port or 8601
        try:
            self._tls = ssl.create_default_context(cafile=str(ca))
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"the CA file {ca} cannot be used: {error}") from error
        self._tls.minimum_version = ssl.TLSVersion.TLSv1_2
        self._addresses = addresses
        self._connection: http.client.HTTPSConnection | None = None

    def request(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send and wait for the whole answer.

        A connection that the platform closed while it was idle is opened again once.

        Raises:
            LinkError: not reached, not the platform, or no answer in time.
        """
        was_open = self._connection is not None
        try:
            return self._exchange(method, path, body, headers or {})
        except STALE as error:
            self.close()
            if not was_open:
                raise self._error(error) from error
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise self._error(error) from error
        try:
            return self._exchange(method, path, body, headers or {})
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise self._error(error) from error

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def abort(self) -> None:
        """Break off a request that another thread is waiting for."""
        connection = self._connection
        if connection is not None and connection.sock is not None:
            with contextlib.suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)

    def _exchange(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        if self._connection is None:
            self._connection = http.client.HTTPSConnection(
                self.host, self.port, timeout=TIMEOUT_SECONDS, context=self._tls
            )
            setattr(self._connection, "_create_connection", self._reach)  # noqa: B010 - http.client's own seam
            self._connection.connect()
            # A small request must not wait for the acknowledgement of the one before.
            self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connection.request(method, path, body or None, dict(headers))
        response = self._connection.getresponse()
        content = response.read()
        found = {name.lower(): text for name, text in response.getheaders()}
        if response.will_close:
            self.close()
        return Answer(response.status, found, content)

    def _reach(self, place: tuple[str, int], *more: Any) -> socket.socket:
        """Connect by the name, or by the addresses kept for it."""
        try:
            return socket.create_connection(place, *more)
        except socket.gaierror:
            for address in self._kept_addresses():
                with contextlib.suppress(OSError):
                    return socket.create_connection((address, place[1]), *more)
            raise

    def _kept_addresses(self) -> list[str]:
        try:
            facts = json.loads(self._addresses.read_bytes()) if self._addresses else {}
            return [str(one) for one in facts["addresses"] if facts["host"] == self.host]
        except (OSError, ValueError, KeyError, TypeError):
            return []

    def _error(self, error: Exception) -> LinkError:
        return LinkError(f"{self.host}:{self.port}: {error or type(error).__name__}")
