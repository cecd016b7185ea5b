"""Syslog over TLS on real sockets: who is let in, and how a device is named."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from collectors.agent.config import config_from, inputs_of
from collectors.agent.errors import ConfigError
from collectors.agent.inputs.syslog import PEERS_NAMED, Streams
from collectors.agent.inputs.syslog_streams import Certificates, SyslogStreams, certificate_name
from collectors.agent.spool import Spool
from tests.agent.conftest import wait_until
from tests.agent.inputs_at_work import at_work, can_connect, free_port, payloads

NOW = datetime.now(UTC)


def a_certificate(folder: Path, name: str, signer: str = "") -> Path:
    """``NAME.pem`` and ``NAME.key``, signed by another or by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuer, signing = subject, key
    if signer:
        issuer = x509.load_pem_x509_certificate((folder / f"{signer}.pem").read_bytes()).subject
        signing = serialization.load_pem_private_key((folder / f"{signer}.key").read_bytes(), None)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(hours=1))
        .not_valid_after(NOW + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=not signer, path_length=None), critical=True)
        .sign(signing, hashes.SHA256())
    )
    (folder / f"{name}.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / f"{name}.key").write_bytes(private)
    return folder / f"{name}.pem"


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    folder = tmp_path / "keys"
    folder.mkdir()
    for name, signer in (("ca", ""), ("relay", "ca"), ("fw-01", "ca"), ("stranger", "")):
        a_certificate(folder, name, signer)
    return folder


@contextmanager
def a_door(folder: Path, keys: Path, *, with_clients: bool) -> Iterator[tuple[Spool, int]]:
    port = free_port(socket.SOCK_STREAM)
    files = Certificates(
        keys / "relay.pem", keys / "relay.key", keys / "ca.pem" if with_clients else None
    )
    door = SyslogStreams("tls", ("127.0.0.1", port), certificates=files)
    with at_work(folder / "spool", door) as (spool, _):
        wait_until(lambda: can_connect(port))
        yield spool, port


def connect(keys: Path, port: int, name: str = "") -> ssl.SSLSocket:
    context = ssl.create_default_context(cafile=str(keys / "ca.pem"))
    context.check_hostname = False
    if name:
        context.load_cert_chain(keys / f"{name}.pem", keys / f"{name}.key")
    plain = socket.create_connection(("127.0.0.1", port), timeout=10)
    return context.wrap_socket(plain)


def say(keys: Path, port: int, name: str) -> None:
    """Send a line and read; TLS 1.3 tells a client only then that it was not let in."""
    with connect(keys, port, name) as one:
        one.sendall(b"<1>no\n")
        if one.recv(1) == b"":
            raise ConnectionResetError


def test_messages_over_tls_are_kept(tmp_path: Path, keys: Path) -> None:
    """Counted (RFC 5425) or with newlines; what stands there without its end when the peer closes, too."""
    with a_door(tmp_path, keys, with_clients=False) as (spool, port):
        with connect(keys, port) as one:
            one.sendall(b"5 <1>ab<2>second\n<3>last")
        wanted = [b"<1>ab", b"<2>second", b"<3>last"]
        wait_until(lambda: payloads(spool, f"syslog:tls:{port}/127.0.0.1") == wanted)


def test_a_device_is_named_by_its_certificate(tmp_path: Path, keys: Path) -> None:
    with a_door(tmp_path, keys, with_clients=True) as (spool, port):
        with connect(keys, port, "fw-01") as one:
            one.sendall(b"<1>one\n")
        wait_until(lambda: payloads(spool, f"syslog:tls:{port}/127.0.0.1/fw-01") == [b"<1>one"])


@pytest.mark.parametrize("name", ["", "stranger"])
def test_who_shows_no_good_certificate_is_not_let_in(tmp_path: Path, keys: Path, name: str) -> None:
    """The others go on."""
    with a_door(tmp_path, keys, with_clients=True) as (spool, port):
        with pytest.raises(OSError):
            say(keys, port, name)
        with connect(keys, port, "fw-01") as one:
            one.sendall(b"<1>yes\n")
        wait_until(lambda: payloads(spool, f"syslog:tls:{port}/127.0.0.1/fw-01") == [b"<1>yes"])
        assert payloads(spool, f"syslog:tls:{port}/127.0.0.1") == []


def test_a_key_that_cannot_be_read_is_a_blind_spot(tmp_path: Path, keys: Path) -> None:
    files = Certificates(keys / "relay.pem", keys / "absent.key")
    door = SyslogStreams("tls", ("127.0.0.1", 1), certificates=files)
    with at_work(tmp_path / "spool", door) as (_, notices):
        wait_until(lambda: "No such file" in notices.blind_spots.get("syslog:tls:1", ""))


def test_a_certificate_s_name_names_no_other_stream() -> None:
    """Slashes would; alternative names come before the common name."""
    common = {"subject": ((("commonName", "a/b"),),)}
    assert certificate_name(common) == "a_b"
    assert certificate_name(common | {"subjectAltName": (("IP Address", "x"), ("DNS", "d"))}) == "d"
    assert certificate_name(None) == ""


def test_made_up_addresses_do_not_make_endless_streams() -> None:
    streams = Streams("udp", 514)
    names = {streams.of(f"2001:db8::{number:x}") for number in range(PEERS_NAMED + 100)}
    assert len(names) == PEERS_NAMED + 1
    assert "syslog:udp:514" in names


def test_doors_are_named_in_the_configuration(tmp_path: Path) -> None:
    entry = {
        "kind": "syslog",
        "udp": "0.0.0.0:514",
        "tls": "[::]:6514",
        "relp": "0.0.0.0:2514",
        "relp_tls": "0.0.0.0:2515",
        "certificate": "a.pem",
        "key": "a.key",
        "source": "fortigate",
    }
    made = inputs_of(config_from({"inputs": [entry]}, tmp_path))
    assert [one.name for one in made] == [
        "syslog:udp:514",
        "syslog:tls:6514",
        "syslog:relp:2514",
        "syslog:relp_tls:2515",
    ]


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ({}, "name at least one"),
        ({"tls": "0.0.0.0:6514"}, "certificate and key"),
        ({"relp": "2514x"}, "host:port"),
    ],
)
def test_a_door_that_cannot_be_is_refused(tmp_path: Path, entry: dict, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        config_from({"inputs": [{"kind": "syslog"} | entry]}, tmp_path)
