"""What the gateway keeps for itself: whole, private, and never somebody else's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hoopgate.config.model import Config, Gateway
from hoopgate.errors import SecretError
from hoopgate.kept_keys import kept_key, private_directory
from hoopgate.recorders.keys import own_key


def test_a_key_is_made_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "key"
    assert kept_key(path, lambda: b"one") == b"one"
    assert kept_key(path, lambda: b"two") == b"one"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_key_that_ends_in_a_newline_stays_whole(tmp_path: Path) -> None:
    assert kept_key(tmp_path / "key", lambda: b"x" * 31 + b"\n") == b"x" * 31 + b"\n"


def test_a_start_that_was_killed_leaves_no_half_key(tmp_path: Path) -> None:
    def killed() -> bytes:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kept_key(tmp_path / "key", killed)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / f".key.{os.getpid()}").write_bytes(b"half")  # killed so hard that nothing was tidied
    assert kept_key(tmp_path / "key", lambda: b"whole") == b"whole"


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o604, 0o622])
def test_a_key_that_others_may_have_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key"
    kept_key(path, lambda: b"one")
    path.chmod(mode)
    if os.geteuid() == 0 and not mode & 0o027:
        return  # root's files may be read by their group
    with pytest.raises(SecretError, match=f"{mode:04o}"):
        kept_key(path, lambda: b"two")


def test_a_symbolic_link_in_place_of_a_key_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "theirs").write_bytes(b"known to them")
    (tmp_path / "key").symlink_to(tmp_path / "theirs")
    with pytest.raises(OSError, match="symbolic"):
        kept_key(tmp_path / "key", lambda: b"mine")


def test_a_damaged_recorder_key_says_where_and_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "recorder-key.pem"
    own_key(path)
    path.write_bytes(b"")
    with pytest.raises(SecretError, match=r"recorder-key.pem.*restore it, or remove it"):
        own_key(path)


def test_the_state_directory_is_ours_alone(tmp_path: Path) -> None:
    state = tmp_path / "state"
    private_directory(state)
    assert state.stat().st_mode & 0o777 == 0o700
    state.chmod(0o755)
    private_directory(state)
    assert state.stat().st_mode & 0o777 == 0o700
    state.chmod(0o777)
    with pytest.raises(SecretError, match="0777 and others may write it"):
        private_directory(state)


@pytest.mark.parametrize("content", [b"", b"x" * 31])
def test_a_token_key_that_was_cut_off_stops_the_start(tmp_path: Path, content: bytes) -> None:
    from hoopgate.boot import _token_key

    path = tmp_path / "token-key"
    path.write_bytes(content)
    path.chmod(0o600)
    config = Config(Path("hoopgate.toml"), "v1", gateway=Gateway(state=tmp_path))
    with pytest.raises(SecretError, match="a key of tokens has 32"):
        _token_key(config, None).send(None)  # type: ignore[arg-type]
