"""The command line's settings, and the cache of logins with its file modes."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from hoopgate.cli.credentials import Credentials, CredentialsFile
from hoopgate.cli.problems import UnsafeError
from hoopgate.cli.settings import Settings, SettingsError, config_directory, settings

LOGIN = Credentials("https://id.example.com", "hoopgate", "the-token", 100.0, "the-refresh-token")


def write(home: Path, text: str) -> dict[str, str]:
    (home / "hoopgate").mkdir(exist_ok=True)
    (home / "hoopgate" / "cli.toml").write_text(text)
    return {"XDG_CONFIG_HOME": str(home)}


def test_the_environment_beats_the_file_which_beats_the_defaults(tmp_path: Path) -> None:
    environ = write(tmp_path, 'issuer = "https://file.example.com"\nclient_id = "file"\n')
    found = settings(environ | {"HOOPGATE_CLIENT_ID": "env", "HOOPGATE_API": ""})
    assert found == Settings("https://file.example.com", "env")


def test_a_token_in_the_environment_is_no_setting(tmp_path: Path) -> None:
    assert settings({"XDG_CONFIG_HOME": str(tmp_path), "HOOPGATE_TOKEN": "secret"}).token == "id_token"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('isuer = "x"', "isuer"),
        ("client_id = 5", "client_id"),
        ("issuer =", "cli.toml"),
        ('issuer = "http://id.example.com"', "https"),
        ('api = "ftp://127.0.0.1"', "https"),
        ('token = "refresh_token"', "id_token"),
    ],
)
def test_mistakes_name_the_place_and_the_remedy(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        settings(write(tmp_path, text))


def test_clear_text_is_allowed_on_loopback_alone(tmp_path: Path) -> None:
    environ = {"XDG_CONFIG_HOME": str(tmp_path)}
    for host in ("127.0.0.1:80", "[::1]:80", "localhost"):
        assert settings(environ | {"HOOPGATE_API": f"http://{host}"}).api == f"http://{host}"
    for host in ("127.0.0.1.evil.example.com", "localhost.evil.example.com", "0.0.0.0", "evil@127.0.0.1.nip.io"):
        with pytest.raises(SettingsError):
            settings(environ | {"HOOPGATE_API": f"http://{host}"})


def test_a_relative_xdg_directory_is_ignored() -> None:
    assert config_directory({"XDG_CONFIG_HOME": "relative"}) == Path.home() / ".config" / "hoopgate"


def test_the_cache_is_its_owners_alone(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        file = CredentialsFile(tmp_path / "new" / "hoopgate")
        with file.locked():
            file.save(LOGIN)
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "new" / "hoopgate").stat().st_mode) == 0o700
    for name in ("credentials.json", "credentials.lock"):
        assert stat.S_IMODE((tmp_path / "new" / "hoopgate" / name).stat().st_mode) == 0o600
    assert file.find() == LOGIN
    assert sorted(path.name for path in (tmp_path / "new" / "hoopgate").iterdir()) == [
        "credentials.json",
        "credentials.lock",
    ]


def test_a_directory_that_others_may_read_is_closed(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    CredentialsFile(tmp_path).save(LOGIN)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702])
def test_a_directory_that_others_may_write_is_refused(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    with pytest.raises(UnsafeError, match="chmod 700"):
        CredentialsFile(tmp_path).save(LOGIN)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o660, 0o604])
def test_a_file_that_others_may_read_is_not_used(tmp_path: Path, mode: int) -> None:
    file = CredentialsFile(tmp_path)
    file.save(LOGIN)
    (tmp_path / "credentials.json").chmod(mode)
    with pytest.raises(UnsafeError, match="hoopgate login"):
        file.find()


def test_a_link_in_the_caches_place_is_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.json"
    elsewhere.write_text(json.dumps({"version": 1, "logins": []}))
    elsewhere.chmod(0o600)
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    (home / "credentials.json").symlink_to(elsewhere)
    with pytest.raises(UnsafeError):
        CredentialsFile(home).find()
    (home / "credentials.lock").symlink_to(elsewhere)
    with pytest.raises(UnsafeError), CredentialsFile(home).locked():
        pass


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", '{"logins": 5}', '{"logins": [{}]}', '{"logins": [], "logins": []}']
)
def test_a_damaged_cache_says_so(tmp_path: Path, content: str) -> None:
    path = tmp_path / "credentials.json"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(UnsafeError, match="damaged"):
        CredentialsFile(tmp_path).find()


def test_logins_are_kept_by_issuer_and_client(tmp_path: Path) -> None:
    file = CredentialsFile(tmp_path)
    other = LOGIN._replace(issuer="https://other.example.com", token="other")
    file.save(LOGIN)
    file.save(other)
    assert file.find() == other
    assert file.find("https://id.example.com") == LOGIN
    assert file.find("https://id.example.com", "stranger") is None
    file.save(LOGIN._replace(token="renewed"))
    assert file.find() == LOGIN._replace(token="renewed")
    file.forget(LOGIN.issuer, LOGIN.client_id)
    assert file.find() == other


def test_no_representation_shows_a_token() -> None:
    assert "the-" not in repr(LOGIN)
