"""The platform's own authority and the door's certificate."""

from __future__ import annotations

import ssl
import stat
from datetime import timedelta

import pytest
from cryptography import x509

from soc.receive.certificates import DOOR_LASTS, door_certificate
from tests.receive.builders import NOW


def names_of(path) -> list[str]:
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    sans = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return sorted(str(name.value) for name in sans)


def test_the_certificate_names_this_machine_and_what_is_configured(tmp_path):
    """Names and addresses, IPv6 too."""
    made = door_certificate(tmp_path, ["soc.tinh.gov.vn", "10.1.2.3"], NOW)
    assert names_of(made.certificate) == [
        "10.1.2.3",
        "127.0.0.1",
        "::1",
        "localhost",
        "soc.tinh.gov.vn",
    ]


def test_keys_are_for_their_owner_only(tmp_path):
    """The door's and the authority's."""
    made = door_certificate(tmp_path, [], NOW)
    for path in (made.key, tmp_path / "ca.key"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_second_start_keeps_what_is_there(tmp_path):
    """Agents pin the authority."""
    first = door_certificate(tmp_path, [], NOW)
    before = [path.read_bytes() for path in (first.ca, first.certificate, first.key)]
    again = door_certificate(tmp_path, [], NOW + timedelta(days=100))
    assert [path.read_bytes() for path in (again.ca, again.certificate, again.key)] == before


@pytest.mark.parametrize(
    ("names", "later"), [([], DOOR_LASTS - timedelta(days=29)), (["new.name"], timedelta(0))]
)
def test_the_door_s_certificate_is_renewed_but_not_the_authority(tmp_path, names, later):
    """Thirty days before its end, or when the names change."""
    first = door_certificate(tmp_path, [], NOW)
    before = (first.ca.read_bytes(), first.certificate.read_bytes())
    again = door_certificate(tmp_path, names, NOW + later)
    assert again.ca.read_bytes() == before[0]
    assert again.certificate.read_bytes() != before[1]


def test_a_death_between_key_and_certificate_is_mended(tmp_path):
    """A key that is not the certificate's is made again."""
    made = door_certificate(tmp_path, [], NOW)
    made.key.write_bytes((tmp_path / "ca.key").read_bytes())
    again = door_certificate(tmp_path, [], NOW)
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(again.certificate, again.key)


def test_openssl_accepts_the_chain(tmp_path):
    """Strictly, as newer Pythons do: a real handshake in memory."""
    from datetime import UTC, datetime

    made = door_certificate(tmp_path, [], datetime.now(UTC))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(made.certificate, made.key)
    client = ssl.create_default_context(cafile=str(made.ca))
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname="localhost"),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    for _ in range(4):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    assert ends[0].getpeercert()["subject"] == ((("commonName", "SOC door"),),)
