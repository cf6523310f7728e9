"""Replication: refused unless a rule names it, refused where a mask is in force, and streamed where it may be."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hoopgate.development.postgres import HBA, EmbeddedPostgres, Options
from tests.live.conftest import Make
from tests.live.gate import Gate, wait_for

TARGET = """
[[target]]
name = "source"
protocol = "postgresql"
hosts = ["127.0.0.1:{port}"]
database = "postgres"
tls = "disable"
[target.role.copier]
password = "file:$directory/secrets/copier"
"""
ORDINARY = """
[[rule]]
name = "ordinary-work"
what = { effect = ["read", "write", "delete", "transfer", "session"] }
then = "allow"
"""
REPLICAS = """
[[rule]]
name = "replicas"
what = { command = ["REPLICATION", "IDENTIFY_SYSTEM", "START_REPLICATION", "READ_REPLICATION_SLOT", "SHOW"] }
then = "allow"
"""
MASKED = """
[[mask]]
name = "everything-secret"
columns = ["*.*.secret"]
"""


class Source:
    """A server of its own that lets replicas in."""

    def __init__(self) -> None:
        hba = (*HBA, "host replication all 127.0.0.1/32 scram-sha-256")
        self.server = EmbeddedPostgres(options=Options(hba=hba)).start()
        self.password = secrets.token_urlsafe(18)
        self.server.execute(f"CREATE ROLE copier LOGIN REPLICATION PASSWORD '{self.password}'")


@pytest.fixture(scope="module")
def source() -> Iterator[Source]:
    made = Source()
    yield made
    made.server.stop()


def gate_to(make_gate: Make, source: Source, rules: str) -> Gate:
    gate = make_gate(TARGET.format(port=source.server.port) + rules, start=False)
    gate.secret("copier", source.password)
    return gate.start()


def psql(gate: Gate, source: Source, *commands: str) -> subprocess.CompletedProcess[str]:
    where = f"host=127.0.0.1 port={gate.ports['plain']} user=copier dbname=source sslmode=disable replication=true"
    asked = [part for command in commands for part in ("-c", command)]
    return run(gate, [str(source.server.psql), "-X", where, *asked])


def run(gate: Gate, command: list[str], seconds: float = 20) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": "/usr/bin:/bin", "PGPASSWORD": gate.token("ada")}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=seconds, check=False)


def test_a_rule_for_ordinary_work_opens_no_replication(make_gate: Make, source: Source) -> None:
    gate = gate_to(make_gate, source, ORDINARY)
    refused = psql(gate, source, "IDENTIFY_SYSTEM")
    assert refused.returncode != 0
    assert "REPLICATION" in refused.stderr
    assert "default-deny" in refused.stderr


def test_a_mask_in_force_closes_replication(make_gate: Make, source: Source) -> None:
    gate = gate_to(make_gate, source, REPLICAS + MASKED)
    refused = psql(gate, source, "IDENTIFY_SYSTEM")
    assert refused.returncode != 0
    assert "masks in force" in refused.stderr


def test_commands_are_judged_one_by_one(make_gate: Make, source: Source) -> None:
    gate = gate_to(make_gate, source, REPLICAS)
    done = psql(gate, source, "IDENTIFY_SYSTEM", "DROP_REPLICATION_SLOT nothing", "BASE_BACKUP", "SHOW wal_level")
    assert "systemid" in done.stdout
    assert "replica" in done.stdout
    assert done.stderr.count("default-deny") == 2


def test_the_log_streams_through_the_gateway(make_gate: Make, source: Source, tmp_path: Path) -> None:
    gate = gate_to(make_gate, source, REPLICAS)
    where = f"host=127.0.0.1 port={gate.ports['plain']} user=copier dbname=source sslmode=disable"
    command = [str(source.server.client("pg_receivewal")), "-D", str(tmp_path), "-d", where, "--no-loop", "-s", "1"]
    environment = {"PATH": "/usr/bin:/bin", "PGPASSWORD": gate.token("ada")}
    streaming = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        wait_for(lambda: any(tmp_path.glob("*.partial")), "the first segment")
        source.server.execute(
            "CREATE TABLE streamed AS SELECT 'needle in the log ' || n AS t FROM generate_series(1, 99) n"
        )
        source.server.execute("SELECT pg_switch_wal()")

        def arrived() -> bool:
            return any(b"needle in the log 42" in path.read_bytes() for path in tmp_path.iterdir())

        wait_for(arrived, "the rows in the log")
    finally:
        streaming.terminate()
        _, errors = streaming.communicate(timeout=20)
    assert "error" not in errors
