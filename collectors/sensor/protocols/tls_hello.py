"""ClientHello and ServerHello: what they offer, and the fingerprints JA3, JA3S and JA4.

Formats: RFC 8446, 5246, 6066 (SNI), 7301 (ALPN), 8701 (GREASE); JA3/JA3S as published by Salesforce; JA4 (TLS client
only) as published by FoxIO under BSD-3. The rest of JA4+ is under another licence and is not made here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import md5, sha256

from collectors.sensor.conversation import text
from collectors.sensor.errors import NotThisProtocol

SNI, GROUPS, POINTS, SIGNATURES, ALPN, VERSIONS = 0, 10, 11, 13, 16, 43
EARLY_DATA, KEY_SHARE = 42, 51
VERSION_TEXT = {
    0x0002: "s2", 0x0300: "s3", 0x0301: "10", 0x0302: "11", 0x0303: "12", 0x0304: "13",
    0xFEFF: "d1", 0xFEFD: "d2", 0xFEFC: "d3",
}  # fmt: skip
RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
"""The random of a ServerHello that is a HelloRetryRequest."""
NOTHING_HASHED = "000000000000"


@dataclass(slots=True)
class Hello:
    """A ClientHello or ServerHello, values as they stand there, GREASE included."""

    version: int
    random: bytes
    session: bytes
    ciphers: list[int]
    extensions: list[int] = field(default_factory=list)
    server_name: str = ""
    protocols: list[bytes] = field(default_factory=list)  # ALPN
    versions: list[int] = field(default_factory=list)
    groups: list[int] = field(default_factory=list)
    points: list[int] = field(default_factory=list)
    signatures: list[int] = field(default_factory=list)

    @property
    def highest(self) -> int:
        """The version that counts: the highest offered, or the one chosen."""
        return max(without_grease(self.versions), default=self.version)

    @property
    def is_retry(self) -> bool:
        return self.random == RETRY


def is_grease(value: int) -> bool:
    """Reserved values that clients mix in at random (RFC 8701).

    >>> is_grease(0x3A3A), is_grease(0x1301)
    (True, False)
    """
    return value & 0x0F0F == 0x0A0A and value >> 8 == value & 0xFF


def without_grease(values: list[int]) -> list[int]:
    return [value for value in values if value & 0x0F0F != 0x0A0A or not is_grease(value)]


def client_hello(body: bytes) -> Hello:
    """Read the body of a ClientHello.

    Raises:
        NotThisProtocol: a length in it points outside.
    """
    if len(body) < 38:
        raise NotThisProtocol("a ClientHello is cut off")
    hello = Hello(_u16(body, 0), body[2:34], b"", [])
    hello.session, at = _counted(body, 34, 1)
    raw, at = _counted(body, at, 2)
    hello.ciphers = _pairs(raw)
    _, at = _counted(body, at, 1)  # compression
    _read_extensions(hello, body, at, is_client=True)
    return hello


def server_hello(body: bytes) -> Hello:
    """Read the body of a ServerHello: the cipher is the only one in ``ciphers``.

    Raises:
        NotThisProtocol: a length in it points outside.
    """
    if len(body) < 38:
        raise NotThisProtocol("a ServerHello is cut off")
    hello = Hello(_u16(body, 0), body[2:34], b"", [])
    hello.session, at = _counted(body, 34, 1)
    if at + 3 > len(body):
        raise NotThisProtocol("a ServerHello is cut off")
    hello.ciphers = [_u16(body, at)]
    _read_extensions(hello, body, at + 3, is_client=False)
    return hello


def _read_extensions(hello: Hello, body: bytes, at: int, *, is_client: bool) -> None:
    if at + 2 > len(body):
        return
    raw, _ = _counted(body, at, 2)
    for kind, value in _extensions(raw):
        hello.extensions.append(kind)
        if kind == SNI and is_client:
            hello.server_name = _server_name(value)
        elif kind == ALPN:
            hello.protocols = list(_names(value[2:]))
        elif kind == VERSIONS:
            hello.versions = _pairs(value[1:] if is_client else value)
        elif kind == GROUPS and is_client:
            hello.groups = _pairs(value[2:])
        elif kind == POINTS and is_client:
            hello.points = list(value[1:])
        elif kind == SIGNATURES and is_client:
            hello.signatures = _pairs(value[2:])


def _extensions(raw: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 4 <= len(raw):
        size = _u16(raw, at + 2)
        if at + 4 + size > len(raw):
            raise NotThisProtocol("an extension is longer than the list")
        yield _u16(raw, at), raw[at + 4 : at + 4 + size]
        at += 4 + size


def _server_name(value: bytes) -> str:
    if len(value) < 5 or value[2] != 0:
        return ""
    return text(value[5 : 5 + _u16(value, 3)])


def _names(raw: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(raw):
        yield raw[at + 1 : at + 1 + raw[at]]
        at += 1 + raw[at]


def _pairs(raw: bytes) -> list[int]:
    return [raw[at] << 8 | raw[at + 1] for at in range(0, len(raw) - 1, 2)]


def _counted(body: bytes, at: int, width: int) -> tuple[bytes, int]:
    """(the bytes behind a length of ``width`` bytes, where they end)."""
    start = at + width
    end = start + int.from_bytes(body[at:start], "big")
    if end > len(body) or start > len(body):
        raise NotThisProtocol("a length points outside the hello")
    return body[start:end], end


def _u16(body: bytes, at: int) -> int:
    return body[at] << 8 | body[at + 1]


def ja3(hello: Hello) -> str:
    """JA3 of a ClientHello: the MD5 of its version, ciphers, extensions, groups and point formats."""
    lists = (hello.ciphers, hello.extensions, hello.groups, hello.points)
    joined = ["-".join(map(str, without_grease(values))) for values in lists]
    return _md5(",".join([str(hello.version), *joined]))


def ja3s(hello: Hello) -> str:
    """JA3S of a ServerHello."""
    extensions = "-".join(map(str, hello.extensions))
    return _md5(f"{hello.version},{hello.ciphers[0]},{extensions}")


def _md5(said: str) -> str:
    return md5(said.encode("ascii"), usedforsecurity=False).hexdigest()


def ja4(hello: Hello, carrier: str = "t") -> str:
    """JA4 of a ClientHello. ``carrier``: t TCP, q QUIC, d DTLS."""
    ciphers, extensions = without_grease(hello.ciphers), without_grease(hello.extensions)
    hashed = sorted(f"{one:04x}" for one in extensions if one not in (SNI, ALPN))
    said = ",".join(hashed)
    if signatures := without_grease(hello.signatures):
        said += "_" + ",".join(f"{one:04x}" for one in signatures)
    head = (
        f"{carrier}{VERSION_TEXT.get(hello.highest, '00')}"
        f"{'d' if SNI in extensions else 'i'}{min(len(ciphers), 99):02}"
        f"{min(len(extensions), 99):02}{alpn_letters(hello.protocols)}"
    )
    offered = ",".join(sorted(f"{one:04x}" for one in ciphers))
    return f"{head}_{_sha256(offered)}_{_sha256(said) if hashed else NOTHING_HASHED}"


def alpn_letters(protocols: list[bytes]) -> str:
    """First and last letter of the first protocol; 99 where it is not ASCII, hexadecimal where it has no letters.

    >>> alpn_letters([b"http/1.1"]), alpn_letters([]), alpn_letters([b"\\xaa\\xbb"])
    ('h1', '00', '99')
    """
    first = protocols[0] if protocols else b""
    if not first:
        return "00"
    if first[0] > 127:
        return "99"
    ends = first[:1] + first[-1:]
    if ends.isalnum():
        return ends.decode("ascii")
    shown = first.hex()
    return shown[0] + shown[-1]


def _sha256(said: str) -> str:
    return sha256(said.encode("ascii")).hexdigest()[:12] if said else NOTHING_HASHED
