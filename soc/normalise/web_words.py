"""Requests and answers of the web as ECS fields: for servers, proxies and what writes like them."""

from __future__ import annotations

from soc.model.event import Fields
from soc.normalise.addresses import ip_address, port_number
from soc.normalise.fields import GREATEST_LONG
from soc.normalise.network_words import count

LONGEST_EXTENSION = 16
NOTHING = frozenset({"", "-"})


def add_url(fields: Fields, written: str) -> None:
    """A request's target as it was written: a path, a whole address, or ``host:port`` of a CONNECT.

    >>> fields: Fields = {}
    >>> add_url(fields, "http://www.example.com:8080/a/b.php?x=1")
    >>> fields["url.domain"], fields["url.port"], fields["url.path"], fields["url.query"], fields["url.extension"]
    ('www.example.com', 8080, '/a/b.php', 'x=1', 'php')
    """
    if written in NOTHING:
        return
    fields["url.original"] = written
    scheme, slashes, rest = written[:20].partition("://")
    if slashes and scheme.isalnum():
        fields["url.scheme"] = scheme.lower()
        rest = written[len(scheme) + 3 :]
        ends = [place for sign in "/?#" if (place := rest.find(sign)) >= 0]
        end = min(ends, default=len(rest))
        add_domain(fields, rest[:end].rpartition("@")[2])
        add_path(fields, rest[end:])
    elif written[0] in "/*?":
        add_path(fields, written)
    elif written.rpartition(":")[2].isdecimal() and "/" not in written:
        add_domain(fields, written)
    else:
        add_path(fields, written)


def add_domain(fields: Fields, written: str) -> None:
    """``host`` or ``host:port`` of a request; an address that is the host is where the request went."""
    host, port = written, ""
    if written.startswith("["):
        host, _, port = written[1:].partition("]")
        port = port.removeprefix(":")
    elif written.count(":") == 1:
        host, _, port = written.partition(":")
    if host not in NOTHING:
        fields["url.domain"] = host
        if (address := ip_address(host)) is not None:
            fields.setdefault("destination.ip", address)
    if (number := port_number(port)) is not None:
        fields["url.port"] = number


def add_path(fields: Fields, written: str) -> None:
    """``/path?query``."""
    path, question, query = written.partition("?")
    if path:
        fields["url.path"] = path
        name, dot, extension = path.rpartition("/")[2].rpartition(".")
        if name and dot and extension.isalnum() and len(extension) <= LONGEST_EXTENSION:
            fields["url.extension"] = extension
    if question and query:
        fields["url.query"] = query


def add_status(fields: Fields, written: str) -> None:
    """The answer's number, and whether it was one of success: below 400."""
    if len(written) == 3 and written.isascii() and written.isdecimal() and written != "000":
        status = int(written)
        fields["http.response.status_code"] = status
        fields["event.outcome"] = "success" if status < 400 else "failure"


def add_duration(fields: Fields, written: str, nanoseconds: int) -> None:
    """A duration in units of ``nanoseconds``."""
    number = count(written)
    if number is not None:
        fields["event.duration"] = min(number * nanoseconds, GREATEST_LONG)
