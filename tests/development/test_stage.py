"""Where the demo puts things, which ports it takes, and what its sample and certificates are."""

from __future__ import annotations

import base64
import socket
import ssl
import threading
from pathlib import Path

import pytest
from cryptography import x509

from hoopgate.config.load import load
from hoopgate.development import sample, stage
from hoopgate.development.certificates import Authority
from hoopgate.development.processes import Kept, StartError

ED25519 = b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + bytes(range(32))  # the blob of a public key


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> stage.Stage:
    """A stage whose parts have not been started, but whose files are there."""
    directory, temporary, lock = stage._directory(tmp_path / ".hoopgate")
    ports = stage.choose_ports()
    server = stage.EmbeddedPostgres(options=stage.Options(port=ports.postgres))
    server.port = ports.postgres
    for name in ("app_ro", "app_rw", "box"):
        stage._private(directory / "secrets" / name, "secret")
    made = stage.Stage(directory, ports, server, temporary, lock)
    made.box.port, made.box.host_key = 22, f"ssh-ed25519 {base64.b64encode(ED25519).decode()}"
    return made


def test_its_configuration_has_no_mistake(made: stage.Stage) -> None:
    made._write_config()
    config = load(made.config)
    assert [rule.name for rule in config.rules][:2] == ["no-schema-changes", "spring-cleaning"]
    assert {listener.address for listener in config.listeners} == {"127.0.0.1"}
    assert [listener.name for listener in config.listeners if listener.plaintext] == ["plaintext"]
    assert config.issuers[0].development


def test_everything_is_private(made: stage.Stage) -> None:
    made._write_config()
    assert made.directory.stat().st_mode & 0o777 == 0o700
    for path in made.directory.rglob("*"):
        secret = path.suffix == ".key" or path.parent.name == "secrets" or path == made.config
        if secret and path.is_file():
            assert path.stat().st_mode & 0o777 == 0o600, path


def test_a_second_demo_has_a_directory_of_its_own(tmp_path: Path) -> None:
    base = tmp_path / ".hoopgate"
    first, _, lock = stage._directory(base)
    second, _, other = stage._directory(base)
    assert (first.name, second.name) == ("demo", "demo-2")
    (first / "recordings" / "old").touch()
    lock.close()
    again, _, lock = stage._directory(base)
    assert again == first
    assert not (first / "recordings" / "old").exists()
    lock.close()
    other.close()


def test_a_directory_of_somebody_elses_is_left_alone(tmp_path: Path) -> None:
    precious = tmp_path / "demo" / "precious"
    precious.parent.mkdir()
    precious.touch()
    directory, _, lock = stage._directory(tmp_path)
    assert directory.name == "demo-2"
    assert precious.exists()
    lock.close()


def test_ports_in_use_are_no_obstacle(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr(stage, "USUAL_PORTS", dict.fromkeys(stage.USUAL_PORTS, port))
        ports = stage.choose_ports()
    found = [getattr(ports, name) for name in stage.USUAL_PORTS]
    assert port not in found
    assert len(set(found)) == len(found)


def test_what_cannot_start_shows_its_log(tmp_path: Path) -> None:
    kept = Kept(["/bin/sh", "-c", "echo this is why >&2; exit 3"], log=tmp_path / "log")
    with pytest.raises(StartError, match="this is why"):
        kept.wait_until(lambda: False, "the thing")
    kept.stop()


def luhn(digits: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def test_the_sample_is_the_same_each_time_and_nobodys() -> None:
    script = sample.script()
    assert script == sample.script()
    rows = script.partition("COPY customers FROM stdin;\n")[2].partition("\\.\n")[0].splitlines()
    customers = [row.split("\t") for row in rows]
    assert len(customers) == sample.CUSTOMERS
    assert len({row[2] for row in customers}) == sample.CUSTOMERS
    assert all(row[2].rpartition("@")[2].startswith("example.") for row in customers)
    cards = [row[7] for row in customers if row[7] != "\\N"]
    assert len(cards) > 1000
    assert all(luhn(card) and len(card) == 16 and card.startswith("9999") for card in cards)


def test_certificates_are_good_for_a_strict_client(tmp_path: Path) -> None:
    authority = Authority()
    certificate, key = authority.server(["localhost", "127.0.0.1"]).write(tmp_path, "server")
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(certificate, key)
    asking = ssl.create_default_context(cadata=authority.pem.decode())
    asking.verify_flags |= ssl.VERIFY_X509_STRICT
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            peer, _ = listener.accept()
            with serving.wrap_socket(peer, server_side=True) as secure:
                secure.sendall(b"hello")

        thread = threading.Thread(target=answer)
        thread.start()
        for name in ("127.0.0.1",):
            with (
                socket.create_connection(listener.getsockname()) as raw,
                asking.wrap_socket(raw, server_hostname=name) as secure,
            ):
                assert secure.recv(5) == b"hello"
        thread.join()
    assert key.stat().st_mode & 0o777 == 0o600


def test_a_client_certificate_is_for_clients_alone() -> None:
    pair = Authority().client("cert")
    certificate = x509.load_pem_x509_certificate(pair.certificate)
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert [one._name for one in usage] == ["clientAuth"]
