"""Real SSH software through our transports: a client, our server's side, our client's side, a server."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import random
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.conch.ssh.keys import Key

from hoopgate.conch import MODERN
from hoopgate.conch.certificates import issue
from hoopgate.conch.ciphers import MAC_NAMES, NAMES, authenticated
from hoopgate.development.processes import free_port
from tests.conch import peers
from tests.conch.peers import USER, Relay, keygen, missing, program, relay, running, ssh, ssh_command, sshd

pytestmark = pytest.mark.live

OPENSSH = missing("sshd", "ssh", "ssh-keygen")
CIPHERS = [name.decode() for name in NAMES]
MACS = [name.decode() for name in MAC_NAMES]
PAIRS = [
    *[(name.decode(), "") for name in NAMES if authenticated(name)],
    *[(name.decode(), mac) for name in NAMES if not authenticated(name) for mac in MACS],
]
OFTEN = {"rekey_bytes": 1 << 20, "bulk_bytes": 1 << 20}  # new keys every megabyte


class Place:
    """An sshd, the relay before it, and the key that opens both."""

    def __init__(self, folder: Path, target: int, key: Path, through: Relay) -> None:
        self.folder, self.target, self.key, self.through = folder, target, key, through

    @property
    def port(self) -> int:
        return self.through.port


@pytest.fixture
def place(everybody: Place) -> Place:
    everybody.through.forget()
    return everybody


@pytest.fixture(scope="module")
def everybody(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    if OPENSSH:
        pytest.skip(OPENSSH)
    folder = tmp_path_factory.mktemp("conch")
    key = keygen(folder / "id")
    with sshd(folder, key) as target, relay(folder, target, key) as through:
        yield Place(folder, target, key, through)


def told(through: Relay) -> dict[str, Any]:
    """What our server's side says of the connection that has just ended."""
    found: dict[str, Any] = through.report()["in"]
    return found


# --- clients of ours


@pytest.mark.parametrize(("cipher", "mac"), PAIRS)
def test_openssh_by_every_cipher(place: Place, cipher: str, mac: str) -> None:
    more = ["-c", cipher, *(["-m", mac] if mac else [])]
    done = subprocess.run(
        [*ssh_command(place.port), *more, "cat; echo wrong >&2; exit 3"],
        input=b"hello" * 30_000,
        capture_output=True,
        timeout=30,
    )
    assert (done.returncode, done.stdout, done.stderr) == (3, b"hello" * 30_000, b"wrong\n")
    seen = told(place.through)
    assert seen["strict"]
    assert seen["agreed"][1:] == [cipher, mac]


@pytest.mark.parametrize("method", [name.decode() for name in MODERN.key_exchanges])
def test_openssh_by_every_key_exchange(place: Place, method: str) -> None:
    known = subprocess.run(["ssh", "-Q", "kex"], capture_output=True, text=True, check=True).stdout.split()
    if method not in known:
        pytest.skip(f"this OpenSSH does not know {method}")
    done = ssh(place.port, "-o", f"KexAlgorithms={method}", "echo hi")
    assert done.stdout == b"hi\n", done.stderr
    assert told(place.through)["agreed"][0] == method


def test_openssh_with_nothing_in_common_hears_so(place: Place) -> None:
    done = ssh(place.port, "-c", "aes256-cbc", "true")
    assert done.returncode == 255
    assert told(place.through)["finished"] == [3, "no common cipher; yours: aes256-cbc"]


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
@pytest.mark.parametrize("certified", [False, True])
def test_openssh_verifies_our_host_keys(place: Place, kind: str, certified: bool, tmp_path: Path) -> None:
    host = keygen(tmp_path / "host", kind)
    ca = Key.fromFile(str(keygen(tmp_path / "ca")))
    blob = Key.fromFile(f"{host}.pub").blob()
    if certified:
        made = issue(
            ca._keyObject, blob, as_kind="host", key_id="h", principals=["gate"], valid_after=0, valid_before=1 << 40
        )
        (tmp_path / "host-cert").write_bytes(made)
        ca_line = Path(tmp_path / "ca.pub").read_text()
        (tmp_path / "known").write_text(f"@cert-authority gate {ca_line}")
    else:
        (tmp_path / "known").write_text(f"gate {Path(f'{host}.pub').read_text()}")
    certificate = str(tmp_path / "host-cert") if certified else None
    with relay(tmp_path, place.target, place.key, host_keys=[[str(host), certificate]]) as through:
        strict = ["-o", "StrictHostKeyChecking=yes", "-o", f"UserKnownHostsFile={tmp_path / 'known'}"]
        command = ["ssh", "-F", "none", *strict, "-o", "HostKeyAlias=gate", *ssh_command(through.port)[3:], "echo hi"]
        done = subprocess.run(command, capture_output=True, timeout=30)
        assert done.stdout == b"hi\n", done.stderr


def test_fifty_megabytes_each_way_with_new_keys_every_megabyte(place: Place, tmp_path: Path) -> None:
    data = random.Random(5).randbytes(50 << 20)
    (tmp_path / "data").write_bytes(data)
    digest = hashlib.sha256(data).hexdigest().encode()
    with relay(tmp_path, place.target, place.key, limits=OFTEN) as through:
        with (tmp_path / "data").open("rb") as source:
            up = subprocess.run(
                [*ssh_command(through.port), "sha256sum"], stdin=source, capture_output=True, timeout=60
            )
        assert up.stdout.startswith(digest), up.stderr
        assert through.report()["in"]["exchanges"] >= 20
        down = ssh(through.port, f"cat {tmp_path / 'data'}")
        assert hashlib.sha256(down.stdout).hexdigest().encode() == digest, down.stderr
        report = through.report()
        assert report["in"]["exchanges"] >= 20
        assert report["out"]["exchanges"] >= 20


def test_both_ways_at_once_with_both_sides_asking_for_new_keys(place: Place, tmp_path: Path) -> None:
    """What two transports that produce for each other once hung on."""
    data = random.Random(6).randbytes(8 << 20)
    with relay(tmp_path, place.target, place.key, limits=OFTEN) as through:
        command = [*ssh_command(through.port), "-o", "RekeyLimit=1M", "cat"]
        done = subprocess.run(command, input=data, capture_output=True, timeout=60)
    assert done.stdout == data, done.stderr


def test_a_default_openssh_gets_aes_gcm_for_bulk(place: Place) -> None:
    assert len(ssh(place.port, "head -c 12M /dev/zero").stdout) == 12 << 20
    seen = told(place.through)
    assert seen["agreed"][1].endswith("gcm@openssh.com")
    assert seen["exchanges"] == 2


@pytest.mark.parametrize("own", [True, False])
def test_a_client_that_does_not_read_costs_no_memory(place: Place, tmp_path: Path, own: bool) -> None:
    """On our transport and on Twisted's."""
    with relay(tmp_path, place.target, place.key, own=own, limits=OFTEN) as through:
        statm = Path(f"/proc/{through.process.pid}/statm")
        with subprocess.Popen([*ssh_command(through.port), "head -c 80M /dev/zero"], stdout=subprocess.PIPE) as client:
            assert client.stdout is not None
            assert client.stdout.read(1 << 20)
            before = int(statm.read_text().split()[1])
            subprocess.run(["sleep", "1.5"], check=True)
            grown = (int(statm.read_text().split()[1]) - before) * os.sysconf("SC_PAGE_SIZE")
            assert grown < 16 << 20
            assert sum(len(part) for part in iter(lambda: client.stdout.read(1 << 20), b"")) == 79 << 20


def test_scp_and_sftp(place: Place, tmp_path: Path) -> None:
    data = random.Random(7).randbytes(3 << 20)
    (tmp_path / "from").write_bytes(data)
    options = [word for word in ssh_command(place.port)[1:-1] if word not in ("-p", str(place.port))]
    for old in ([], ["-O"]):
        to = f"{USER}@127.0.0.1:{tmp_path / 'to'}"
        done = subprocess.run(
            ["scp", *old, *options, "-P", str(place.port), tmp_path / "from", to], capture_output=True, timeout=30
        )
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "to").read_bytes() == data
        (tmp_path / "to").unlink()
        told(place.through)


@pytest.mark.parametrize("cipher", ["chacha20-poly1305@openssh.com", "aes256-ctr"])
def test_dropbears_client(place: Place, cipher: str) -> None:
    if reason := missing("dbclient"):
        pytest.skip(reason)
    command = ["dbclient", "-y", "-y", "-p", str(place.port), "-c", cipher, f"{USER}@127.0.0.1", "echo hi"]
    done = subprocess.run(command, capture_output=True, timeout=30, env={**os.environ, "HOME": str(place.folder)})
    if b"No matching algo" in done.stderr and cipher == "aes256-ctr":
        place.through.report()
        pytest.skip("this dropbear has no MAC that is computed over what is sent (encrypt-then-MAC)")
    assert done.stdout == b"hi\n", done.stderr
    assert told(place.through)["strict"]


def test_putty(place: Place) -> None:
    if reason := missing("plink"):
        pytest.skip(reason)
    listed = subprocess.run(
        ["ssh-keygen", "-l", "-f", f"{place.folder / 'relay_host'}.pub"], capture_output=True, text=True, check=True
    )
    command = ["plink", "-batch", "-ssh", "-hostkey", listed.stdout.split()[1], "-P", str(place.port)]
    done = subprocess.run([*command, f"{USER}@127.0.0.1", "echo hi"], capture_output=True, timeout=30)
    assert done.stdout == b"hi\n", done.stderr
    assert told(place.through)["strict"]


@pytest.mark.parametrize("cipher", ["aes256-gcm@openssh.com", "aes128-gcm@openssh.com", "aes256-ctr"])
def test_paramiko(place: Place, cipher: str) -> None:
    paramiko = pytest.importorskip("paramiko")
    client = paramiko.Transport(("127.0.0.1", place.port))
    if cipher not in client._preferred_ciphers:
        client.close()
        pytest.skip(f"this paramiko has no {cipher}")
    client.get_security_options().ciphers = (cipher,)
    client.start_client(timeout=20)
    client.auth_none(USER)
    client.renegotiate_keys()  # it cannot do so while a channel is being closed
    channel = client.open_session()
    channel.exec_command("cat")
    channel.sendall(b"hello" * 20_000)
    channel.shutdown_write()
    assert b"".join(iter(lambda: channel.recv(65_536), b"")) == b"hello" * 20_000
    client.close()
    seen = told(place.through)
    assert seen["agreed"][1] == cipher
    assert seen["exchanges"] == 2


def test_paramiko_gets_new_keys_in_the_midst_of_bulk(place: Place, tmp_path: Path) -> None:
    """It sends by threads, and prefers CTR: so it is asked for AES-GCM while both sides are sending."""
    paramiko = pytest.importorskip("paramiko")
    with relay(tmp_path, place.target, place.key, limits=OFTEN) as through:
        client = paramiko.Transport(("127.0.0.1", through.port))
        client.start_client(timeout=20)
        client.auth_none(USER)
        channel = client.open_session()
        channel.exec_command("head -c 3M /dev/zero; cat >/dev/null; echo end")
        sending = threading.Thread(target=lambda: (channel.sendall(bytes(3 << 20)), channel.shutdown_write()))
        sending.start()
        got = b"".join(iter(lambda: channel.recv(65_536), b""))
        sending.join(30)
        client.close()
        assert got == bytes(3 << 20) + b"end\n"
        seen = through.report()["in"]
        assert seen["exchanges"] >= 3
        assert seen["agreed"][1].endswith("gcm@openssh.com")


@pytest.mark.parametrize(("cipher", "mac"), PAIRS)
def test_asyncssh(place: Place, cipher: str, mac: str) -> None:
    asyncssh = pytest.importorskip("asyncssh")

    async def session() -> Any:
        options: dict[str, Any] = {"encryption_algs": [cipher], "known_hosts": None, "username": USER, "config": None}
        if mac:
            options["mac_algs"] = [mac]
        async with asyncssh.connect("127.0.0.1", place.port, rekey_bytes=100_000, **options) as client:
            return await client.run("cat", input="hello" * 100_000)

    done = asyncio.run(asyncio.wait_for(session(), 30))
    assert done.stdout == "hello" * 100_000
    seen = told(place.through)
    assert seen["agreed"][1:] == [cipher, mac]
    assert seen["exchanges"] > 2


def test_asyncssh_by_ml_kem(place: Place) -> None:
    asyncssh = pytest.importorskip("asyncssh")
    if b"mlkem768x25519-sha256" not in asyncssh.kex.get_kex_algs():
        pytest.skip("this asyncssh has no ML-KEM: it needs liboqs, which is no package of PyPI")

    async def session() -> Any:
        algorithms = ["mlkem768x25519-sha256"]
        async with asyncssh.connect(
            "127.0.0.1", place.port, kex_algs=algorithms, known_hosts=None, username=USER, config=None
        ) as client:
            return await client.run("echo hi")

    assert asyncio.run(asyncio.wait_for(session(), 30)).stdout == "hi\n"
    assert told(place.through)["agreed"][0] == "mlkem768x25519-sha256"


# --- servers to us


@pytest.mark.parametrize(("cipher", "mac"), PAIRS)
def test_sshd_by_every_cipher(place: Place, cipher: str, mac: str, tmp_path: Path) -> None:
    wanted = {"ciphers": [cipher], **({"macs": [mac]} if mac else {})}
    with relay(tmp_path, place.target, place.key, out=wanted) as through:
        done = ssh(through.port, "head -c 300000 /dev/zero; exit 4")
        assert (done.returncode, len(done.stdout)) == (4, 300_000)
        seen = through.report()["out"]
    assert seen["agreed"][1:] == [cipher, mac]
    assert seen["strict"]


@pytest.mark.parametrize("host_key", ["ssh-ed25519", "ecdsa-sha2-nistp256", "rsa-sha2-512", "rsa-sha2-256"])
def test_sshd_by_every_host_key(place: Place, host_key: str, tmp_path: Path) -> None:
    with relay(tmp_path, place.target, place.key, out={"host_keys": [host_key]}) as through:
        assert ssh(through.port, "echo hi").stdout == b"hi\n"


def test_sshd_that_wants_new_keys_every_megabyte(place: Place, tmp_path: Path) -> None:
    with (
        sshd(tmp_path, place.key, "RekeyLimit 1M") as target,
        relay(tmp_path, target, place.key) as through,
    ):
        assert len(ssh(through.port, "head -c 12M /dev/zero").stdout) == 12 << 20
        assert through.report()["out"]["exchanges"] >= 6


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_sshd_lets_us_in_with_a_certificate(place: Place, kind: str, tmp_path: Path) -> None:
    ca = Key.fromFile(str(keygen(tmp_path / "ca")))
    key = keygen(tmp_path / "holder", kind)
    certificate = issue(
        ca._keyObject,
        Key.fromFile(f"{key}.pub").blob(),
        as_kind="user",
        key_id="just in time",
        principals=[USER],
        valid_after=0,
        valid_before=1 << 40,
        critical_options={"force-command": "echo forced", "source-address": "127.0.0.0/8"},
    )
    (tmp_path / "certificate").write_bytes(certificate)
    with (
        sshd(tmp_path, place.key, f"TrustedUserCAKeys {tmp_path / 'ca.pub'}", "AuthorizedKeysFile none") as target,
        relay(tmp_path, target, key, certificate=str(tmp_path / "certificate")) as through,
    ):
        assert ssh(through.port, "echo asked").stdout == b"forced\n"


def test_dropbears_server(place: Place, tmp_path: Path) -> None:
    if reason := missing("dropbear", "dropbearkey"):
        pytest.skip(reason)
    host, port = tmp_path / "dropbear_host", free_port()
    subprocess.run([str(program("dropbearkey")), "-t", "ed25519", "-f", host], check=True, capture_output=True)
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True, mode=0o700)
    command = [str(program("dropbear")), "-F", "-E", "-p", f"127.0.0.1:{port}", "-r", str(host)]
    with (
        running(command, port, tmp_path / "dropbear.log"),
        relay(tmp_path, port, place.key) as through,
    ):
        # it reads the keys of the account's own home, which is not ours to write into: so it is the refusal that we see
        done = ssh(through.port, "true")
        report = through.report()
        assert done.returncode == 255
        assert report["out"]["strict"]
        assert report["out"]["agreed"][1] == "chacha20-poly1305@openssh.com"
        assert "nothing is left to log in with" in report["out"]["finished"][1]


# --- the scanner


def audit(port: int) -> dict[str, Any]:
    pytest.importorskip("ssh_audit")
    command = [sys.executable, "-m", "ssh_audit.ssh_audit", "-jj", "--skip-rate-test", "-p", str(port), "127.0.0.1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def complaints(found: dict[str, Any]) -> set[tuple[str, str, str]]:
    """Failures and warnings: (which, of what, why)."""
    said = set()
    for kind in ("kex", "key", "enc", "mac"):
        for entry in found[kind]:
            for level in ("fail", "warn"):
                for words in entry["notes"].get(level, []):
                    said.add((level, entry["algorithm"], words))
    return said


@pytest.mark.parametrize("variant", ["modern", "pq"])
def test_ssh_audit(place: Place, variant: str, tmp_path: Path) -> None:
    with relay(tmp_path, place.target, place.key, **({"in": "pq"} if variant == "pq" else {})) as through:
        found = audit(through.port)
    said = complaints(found)
    if variant == "pq":
        assert said == set()
    else:
        assert {(level, name) for level, name, _ in said} <= {
            ("warn", "curve25519-sha256"),
            ("warn", "curve25519-sha256@libssh.org"),
        }
        assert all("post-quantum" in words for *_, words in said), said
    assert found["cves"] == []
    assert {entry["algorithm"] for entry in found["kex"]} >= {"mlkem768x25519-sha256", "kex-strict-s-v00@openssh.com"}
    assert re.search("gcm", json.dumps(found["enc"]))


def test_the_peers_are_found() -> None:
    assert peers.missing("no-such-program").startswith("no-such-program: not installed")
