"""Indicator values as people write them, in the one form in which they are compared.

Defanged spellings are read (``hxxp://``, ``[.]``, ``(dot)``, ``[@]``), since warnings are sent that way.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from urllib.parse import urlsplit

from soc.errors import IndicatorError
from soc.model.indicator import Kind
from soc.normalise.addresses import ip_address

LONGEST_VALUE = 2_048  # characters
DOT = re.compile(r"\[\.\]|\(\.\)|\{\.\}|\[dot\]|\(dot\)", re.IGNORECASE)
AT = re.compile(r"\[@\]|\(@\)|\[at\]|\(at\)", re.IGNORECASE)
SCHEME = re.compile(r"^h(xx|tt|\*\*)p(s?)(\[:\]|:)//", re.IGNORECASE)
HASH = re.compile(r"[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64}")
LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
JA4 = re.compile(r"[tqd](1[0-3]|s[23]|d[123]|00)[di]\d{4}[0-9a-z]{2}_[0-9a-f]{12}_[0-9a-f]{12}")
USUAL_PORTS = {"http": 80, "https": 443, "ftp": 21}
GREATEST_NETWORK = {
    4: 8,
    6: 16,
}  # the shortest prefix that is still a warning and not half the Internet


def refanged(text: str) -> str:
    """The value without the marks that keep it from being clicked.

    >>> refanged("hxxps://xau[.]example/a"), refanged("ke[at]xau(dot)example")
    ('https://xau.example/a', 'ke@xau.example')
    """
    text = AT.sub("@", DOT.sub(".", text.strip()))
    return SCHEME.sub(lambda found: f"http{found[2].lower()}://", text)


def read_value(text: str, kind: Kind | None = None) -> tuple[Kind, str]:
    """Kind and canonical form of a written value; the kind is guessed when it is not given.

    Raises:
        IndicatorError: it is none of the kinds, or not of the one given.

    >>> read_value("Xau[.]EXAMPLE."), read_value("203.0.113.7/32"), read_value("HTTP://Xau.example:80/A")
    ((<Kind.DOMAIN: 'domain'>, 'xau.example'), (<Kind.IP: 'ip'>, '203.0.113.7'), (<Kind.URL: 'url'>, 'xau.example/A'))
    """
    if len(text) > LONGEST_VALUE:
        raise IndicatorError(
            f"a value has at most {LONGEST_VALUE} characters, this has {len(text)}"
        )
    bare = refanged(text)
    if not bare or not bare.isprintable():
        raise IndicatorError("the value is empty or holds control characters", value=text)
    for reader in _READERS if kind is None else _BY_KIND[kind]:
        found = reader(bare)
        if found is not None:
            return found
    wanted = f"a value of the kind {kind}" if kind else f"one of {', '.join(Kind)}"
    raise IndicatorError(f"this is not {wanted}", value=text)


def _address(text: str) -> tuple[Kind, str] | None:
    address = ip_address(text)
    return None if address is None else (Kind.IP, address)


def _network(text: str) -> tuple[Kind, str] | None:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
    if network.num_addresses == 1:
        return Kind.IP, str(network.network_address)
    least = GREATEST_NETWORK[network.version]
    if network.prefixlen < least:
        raise IndicatorError(f"a network larger than /{least} is no warning", value=text)
    return Kind.NETWORK, str(network)


def _hash(text: str) -> tuple[Kind, str] | None:
    small = text.lower()
    return (Kind.HASH, small) if HASH.fullmatch(small) else None


def _ja4(text: str) -> tuple[Kind, str] | None:
    return (Kind.JA4, text) if JA4.fullmatch(text) else None


def _email(text: str) -> tuple[Kind, str] | None:
    local, at, host = text.rpartition("@")
    if not at or not local or len(local) > 64 or re.search(r"[\s/@<>]", local):
        return None
    name = domain(host)
    return None if name is None else (Kind.EMAIL, f"{local.lower()}@{name}")


def _url(text: str) -> tuple[Kind, str] | None:
    if "://" not in text and "/" not in text:
        return None
    canonical = url(text)
    return None if canonical is None else (Kind.URL, canonical)


def _domain(text: str) -> tuple[Kind, str] | None:
    name = domain(text.removeprefix("*."))
    return None if name is None else (Kind.DOMAIN, name)


def domain(text: str) -> str | None:
    """A host name in small ASCII letters (IDNA), with at least one dot; None where it is none.

    >>> domain("Cảnh-Báo.example."), domain("localhost"), domain("10.0.0.1")
    ('xn--cnh-bo-tta3502d.example', None, None)
    """
    name = text.rstrip(".").lower()
    if not name.isascii():
        try:
            name = name.encode("idna").decode("ascii")
        except UnicodeError:
            return None
    labels = name.split(".")
    if not 2 <= len(labels) <= 64 or len(name) > 253 or labels[-1].isdigit():
        return None
    return name if all(LABEL.fullmatch(label) for label in labels) else None


def url(text: str) -> str | None:
    """Host, port where unusual, path and query of a URL, without scheme and fragment: proxies log it in many ways.

    >>> url("https://Xau.example:443/a?b=1#c"), url("xau.example/"), url("http://[2001:DB8::1]:8080/x")
    ('xau.example/a?b=1', 'xau.example/', '[2001:db8::1]:8080/x')
    """
    try:
        parts = urlsplit(text if "://" in text else f"//{text}")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return None
    address = ip_address(host)
    name = address or domain(host)
    if name is None:
        return None
    where = f"[{name}]" if ":" in name else name
    if port is not None and port != USUAL_PORTS.get(parts.scheme.lower()):
        where = f"{where}:{port}"
    query = f"?{parts.query}" if parts.query else ""
    return f"{where}{parts.path or '/'}{query}"


Reader = Callable[[str], tuple[Kind, str] | None]
_READERS: tuple[Reader, ...] = (_address, _network, _hash, _ja4, _email, _url, _domain)
_BY_KIND: dict[Kind, tuple[Reader, ...]] = {
    Kind.IP: (_address, _network),
    Kind.NETWORK: (_address, _network),  # one of a single address is an address
    Kind.HASH: (_hash,),
    Kind.JA4: (_ja4,),
    Kind.EMAIL: (_email,),
    Kind.URL: (_url,),
    Kind.DOMAIN: (_domain,),
}
