"""The key and the signature."""

from __future__ import annotations

import pytest

from collectors.agent.errors import ConfigError
from collectors.agent.identity import Identity, load_identity, make_key, public_bytes
from tests.agent.small_platform import verify


def signed(tmp_path, body: bytes) -> tuple[bytes, dict[str, str]]:
    key = make_key(tmp_path)
    headers = Identity("a-1", "n", "https://x", key).sign("POST", "/v1/batches", body, created=1)
    return public_bytes(key), {name.lower(): text for name, text in headers.items()}


def test_a_signature_verifies_by_the_rfc(tmp_path):
    public, headers = signed(tmp_path, b"body")
    assert verify(public, "POST", "/v1/batches", headers, b"body")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/v1/batches", b"body"),
        ("POST", "/v1/config", b"body"),
        ("POST", "/v1/batches", b"bode"),
    ],
)
def test_a_signature_covers_method_path_and_body(tmp_path, method, path, body):
    public, headers = signed(tmp_path, b"body")
    assert not verify(public, method, path, headers, body)


def test_nonces_do_not_repeat(tmp_path):
    inputs = {signed(tmp_path, b"")[1]["signature-input"] for _ in range(100)}
    assert len(inputs) == 100


def test_the_key_is_made_once_and_for_its_owner_only(tmp_path):
    first = public_bytes(make_key(tmp_path))
    assert public_bytes(make_key(tmp_path)) == first
    assert (tmp_path / "key.pem").stat().st_mode & 0o777 == 0o600


def test_a_key_that_others_may_read_is_refused(home):
    (home / "key.pem").chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        load_identity(home)
