"""The configuration for OpenSSH's client: what stands in it, and that nobody but us can have anything stand in it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from hoopgate.cli.problems import RefusedError, UnreachableError, UnsafeError
from hoopgate.cli.reach import Listener, Reach, Target, read_reach
from hoopgate.cli.settings import Settings, SettingsError
from hoopgate.cli.ssh_config import Files, known_hosts, render
from hoopgate.cli.ssh_keys import key_pair, write_file

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0" + "x" * 40
OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1" + "x" * 40
REACH = Reach(
    "gate.example.com",
    (Target("web", "ssh", ("root", "deploy")), Target("shop", "postgresql", ("app",)), Target("db1", "ssh", ("app",))),
    (Listener("connect", 8444, False, (KEY,)), Listener("ssh", 2222, False, (KEY, OTHER))),
)
FILES = Files(("/opt/with space/hoopgate",), Path("/home/ada/.config/hoopgate/known_hosts"), Path("/home/ada/id"))


def asked(path: Path, host: str) -> dict[str, str]:
    """What OpenSSH itself makes of the file for a host."""
    ssh = shutil.which("ssh")
    if ssh is None:
        pytest.skip("OpenSSH's client, which only the system's packages have, is not here")
    done = subprocess.run([ssh, "-G", "-F", str(path), host], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return dict(line.split(" ", 1) for line in done.stdout.splitlines() if " " in line)


def test_openssh_reads_it_as_it_is_meant(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(render(REACH, REACH.gate, FILES, ca="/etc/ca 1%.pem"))
    web = asked(path, "web")
    assert web["user"] == "root"
    assert web["proxycommand"] == (
        "'/opt/with space/hoopgate' connect --gate gate.example.com:8444 --ca '/etc/ca 1%%.pem' %h %p"
    )
    assert web["hostkeyalias"] == "hoopgate.gate.example.com"
    assert web["userknownhostsfile"].strip('"') == "/home/ada/.config/hoopgate/known_hosts"
    assert web["stricthostkeychecking"] in ("true", "yes")
    assert (web["forwardagent"], web["forwardx11"], web["pubkeyauthentication"]) == ("no", "no", "false")
    assert asked(path, "db1")["user"] == "app"
    assert "proxycommand" not in asked(path, "shop")  # PostgreSQL is none of ssh's
    gate = asked(path, "gate.example.com")
    assert (gate["port"], gate["certificatefile"].strip('"')) == ("2222", "/home/ada/id-cert.pub")
    assert "proxycommand" not in gate


def test_a_suffix_keeps_names_apart(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(render(REACH, REACH.gate, FILES, suffix=".gate"))
    assert asked(path, "web.gate")["hostname"] == "web"
    assert "proxycommand" not in asked(path, "web")


def test_the_gateways_keys_are_known_once() -> None:
    assert known_hosts(REACH) == f"hoopgate.gate.example.com {KEY}\nhoopgate.gate.example.com {OTHER}\n"


def test_without_a_port_for_everything_there_is_nothing_to_write() -> None:
    with pytest.raises(RefusedError, match="connect"):
        _ = REACH._replace(listeners=REACH.listeners[1:]).gate
    with pytest.raises(RefusedError):
        _ = REACH._replace(listeners=(Listener("connect", 1, True, ()),)).gate


@pytest.mark.parametrize("path", ['/home/a"b', "/home/a\nProxyCommand evil", "/home/${HOME}"])
def test_a_path_that_would_be_read_otherwise_is_refused(path: str) -> None:
    with pytest.raises(SettingsError):
        render(REACH, REACH.gate, Files(("hoopgate",), Path(path) / "known_hosts", Path("/id")))
    with pytest.raises(SettingsError):
        render(REACH, REACH.gate, Files(("hoop\ngate",), Path("/known_hosts"), Path("/id")))


def answer(**changes: Any) -> dict[str, Any]:
    target = {"name": "web", "protocol": "ssh", "roles": ["root"], **changes.pop("target", {})}
    listener = {"name": "c", "protocol": "connect", "port": 443, "plaintext": False, "host_keys": [KEY],
                **changes.pop("listener", {})}  # fmt: skip
    return {"targets": [target], "listeners": [listener], **changes}


def test_an_answer_of_the_api_is_read() -> None:
    found = read_reach(Settings(api="https://[::1]:8443"), answer())
    assert found.targets == (Target("web", "ssh", ("root",)),)
    assert found.gate == "[::1]:443"
    assert found.tunnel_keys == (KEY,)


@pytest.mark.parametrize(
    "wrong",
    [
        {"target": {"name": "web\n    ProxyCommand evil"}},
        {"target": {"name": "*"}},
        {"target": {"roles": ["root\nx"]}},
        {"target": {"name": 5}},
        {"listener": {"port": "22; evil"}},
        {"listener": {"port": 0}},
        {"listener": {"host_keys": ["ssh-ed25519 AAAA\nevil ssh-rsa BBBB"]}},
        {"listener": {"host_keys": ["* ssh-ed25519 AAAAC3NzaC1lZDI1NTE5"]}},
        {"targets": None},
        {"listeners": {}},
    ],
)
def test_an_answer_that_would_write_other_lines_is_refused(wrong: dict[str, Any]) -> None:
    given = answer(**wrong)
    if wrong == {"listeners": {}}:
        del given["listeners"]
    with pytest.raises(UnreachableError, match="no list of targets"):
        read_reach(Settings(), given)


# --- the key pair


def test_a_key_pair_is_made_once_and_is_its_owners(tmp_path: Path) -> None:
    path = tmp_path / "new" / "id_ed25519"
    public = key_pair(path)
    assert key_pair(path) == public
    assert path.with_name("id_ed25519.pub").read_text().startswith(public)
    assert [oct(each.stat().st_mode & 0o777) for each in (path.parent, path)] == ["0o700", "0o600"]


def test_a_key_that_others_could_read_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / "id_ed25519"
    key_pair(path)
    path.chmod(0o640)
    with pytest.raises(UnsafeError, match="open to others"):
        key_pair(path)
    path.chmod(0o600)
    write_file(path, "not a key")
    with pytest.raises(UnsafeError, match="no key of ours"):
        key_pair(path)
