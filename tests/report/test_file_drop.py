from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from soc.errors import DeliveryError
from soc.report.national.file_drop import FILES, read_package, write_package
from soc.report.national.link import Message

KEY = Ed25519PrivateKey.generate()
MESSAGE = Message("nc-1", "A05", "Báo cáo", "a.txt", "text/plain", "tiếng Việt".encode())


def test_a_package_is_read_on_the_other_side_with_the_same_bytes(tmp_path):
    """And nothing half-written stays beside it."""
    package = read_package(write_package(MESSAGE, tmp_path, KEY), KEY.public_key())
    assert (package.key, package.recipient, package.content) == ("nc-1", "A05", MESSAGE.content)
    assert [path.name for path in tmp_path.iterdir()] == ["nc-1"]


def test_another_key_is_told(tmp_path):
    """Only the province's own key counts."""
    folder = write_package(MESSAGE, tmp_path, KEY)
    with pytest.raises(DeliveryError, match="signature"):
        read_package(folder, Ed25519PrivateKey.generate().public_key())


@pytest.mark.parametrize("name", sorted(FILES))
@given(content=st.binary(max_size=100))
def test_any_other_bytes_in_any_file_are_refused(tmp_path_factory, name, content):
    """Hostile or worn, a medium is not believed."""
    folder = write_package(MESSAGE, tmp_path_factory.mktemp("medium"), KEY)
    if content == (folder / name).read_bytes():
        return
    (folder / name).write_bytes(content)
    with pytest.raises(DeliveryError):
        read_package(folder, KEY.public_key())


def test_a_package_under_another_name_or_with_a_stranger_in_it_is_refused(tmp_path):
    """An old package is not passed off as a new one."""
    folder = write_package(MESSAGE, tmp_path, KEY)
    with pytest.raises(DeliveryError, match="another name"):
        read_package(folder.rename(tmp_path / "nc-2"), KEY.public_key())
    (tmp_path / "nc-2" / "autorun.inf").write_text("x")
    with pytest.raises(DeliveryError, match="autorun"):
        read_package(tmp_path / "nc-2", KEY.public_key())


def test_a_package_is_not_written_over(tmp_path):
    """What is on the medium may be on its way."""
    write_package(MESSAGE, tmp_path, KEY)
    with pytest.raises(DeliveryError, match="already"):
        write_package(MESSAGE, tmp_path, KEY)


@pytest.mark.parametrize("key", ["../x", "", ".", "..", "a/b"])
def test_a_key_that_leaves_the_folder_is_refused(tmp_path, key):
    """Keys become folders."""
    with pytest.raises(DeliveryError, match="folder"):
        write_package(Message(key, "A05", "s", "a", "text/plain", b"x"), tmp_path, KEY)
    assert list(tmp_path.iterdir()) == []
