"""The sources of our own, on real files and a real reactor."""

from __future__ import annotations

import os
import stat

import pytest
import pytest_twisted
from twisted.internet import reactor

from hoopgate.config.model import SecretRef
from hoopgate.errors import SecretError
from hoopgate.secrets import Secrets, secret_sources
from hoopgate.secrets.env import EnvironmentSource
from hoopgate.secrets.material import permission_fault, read_file

CERTIFICATE = b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
KEY = b"-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n"


def laid(tmp_path, value, mode):
    path = tmp_path / "secret"
    path.write_bytes(value)
    path.chmod(mode)
    return str(path)


@pytest.mark.parametrize("written", [b"s3cret", b"s3cret\n", b"s3cret\r\n"])
def test_one_trailing_newline_is_not_part_of_it(tmp_path, written):
    assert read_file(laid(tmp_path, written, 0o600), "file:x") == b"s3cret"
    assert read_file(laid(tmp_path, written + b"\n", 0o400), "file:x") != b"s3cret\n\n"


@pytest.mark.parametrize(
    ("mode", "value", "fault"),
    [
        (0o600, KEY, ""),
        (0o400, KEY, ""),
        (0o644, KEY, "everybody may read"),
        (0o604, KEY, "everybody may read"),
        (0o620, KEY, "others may write"),
        (0o602, KEY, "others may write"),
        (0o644, CERTIFICATE, ""),
        (0o664, CERTIFICATE, "others may write"),
        (0o644, CERTIFICATE + KEY, "everybody may read"),
        (0o644, b"plain", "everybody may read"),
    ],
)
def test_whose_permissions_are_refused(tmp_path, mode, value, fault):
    path = laid(tmp_path, value, mode)
    if not fault:
        assert read_file(path, "file:x") == value.removesuffix(b"\n")
        return
    with pytest.raises(SecretError, match=fault) as caught:
        read_file(path, "file:x")
    assert "MIIB" not in str(caught.value)


def status(mode, owner):
    return os.stat_result((stat.S_IFREG | mode, 0, 0, 1, owner, 0, 1, 0, 0, 0))


def test_the_group_may_read_only_what_root_owns(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert permission_fault(status(0o640, 0), public=False) == ""
    assert "its group may read" in permission_fault(status(0o640, 1000), public=False)
    assert "belongs to user 1001" in permission_fault(status(0o600, 1001), public=True)


@pytest.mark.parametrize("text", [b"", b"\n", b"\r\n"])
def test_empty_files(tmp_path, text):
    with pytest.raises(SecretError, match="is empty"):
        read_file(laid(tmp_path, text, 0o600), "file:x")


def test_what_is_no_file_of_ours(tmp_path):
    with pytest.raises(SecretError, match="cannot be read: No such file"):
        read_file(str(tmp_path / "none"), "file:x")
    with pytest.raises(SecretError, match="not a regular file"):
        read_file(str(tmp_path), "file:x")
    os.mkfifo(tmp_path / "fifo", 0o600)
    with pytest.raises(SecretError, match="not a regular file"):  # and does not hang
        read_file(str(tmp_path / "fifo"), "file:x")
    with pytest.raises(SecretError, match="is larger than"):
        read_file(laid(tmp_path, b"x" * 65_537, 0o600), "file:x")
    with pytest.raises(SecretError, match="cannot be read"):
        read_file("/x\0y", "file:x")


@pytest_twisted.ensureDeferred
async def test_all_sources_through_the_cache(tmp_path, monkeypatch):
    path = laid(tmp_path, b"from file\n", 0o600)
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "shop").write_bytes(b"from systemd")
    (credentials / "shop").chmod(0o440)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    monkeypatch.setenv("SHOP_PASSWORD", "from environment")
    secrets = Secrets(secret_sources(reactor), reactor)
    assert await secrets.get(SecretRef("file", path)) == b"from file"
    assert await secrets.get(SecretRef("systemd", "shop")) == b"from systemd"
    assert await secrets.get(SecretRef("env", "SHOP_PASSWORD")) == b"from environment"
    laid(tmp_path, b"rotated", 0o600)
    assert await secrets.get(SecretRef("file", path)) == b"from file"
    assert await secrets.refresh(SecretRef("file", path)) == b"rotated"
    assert await secrets.get(SecretRef("file", path)) == b"rotated"


@pytest.mark.parametrize(
    ("ref", "says"),
    [
        (SecretRef("env", "HOOPGATE_NO_SUCH"), "is not set"),
        (SecretRef("env", "EMPTY_ONE"), "is empty"),
        (SecretRef("systemd", "../shadow"), "is not the name of a credential"),
        (SecretRef("systemd", ".."), "is not the name of a credential"),
        (SecretRef("systemd", "none"), "cannot be read"),
        (SecretRef("file", "/nonexistent/x"), "cannot be read"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_what_cannot_be_had(ref, says, tmp_path, monkeypatch):
    monkeypatch.setenv("EMPTY_ONE", "")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    secrets = Secrets(secret_sources(reactor), reactor)
    with pytest.raises(SecretError, match=says):
        await secrets.get(ref)


@pytest_twisted.ensureDeferred
async def test_no_credentials_directory(monkeypatch):
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    secrets = Secrets(secret_sources(reactor), reactor)
    with pytest.raises(SecretError, match="LoadCredential="):
        await secrets.get(SecretRef("systemd", "shop"))


def test_no_log_of_a_source_shows_the_environment() -> None:
    assert "hunter2" not in repr(EnvironmentSource({b"PASSWORD": b"hunter2"}))
