"""What the configuration says of the gateway reaches those who have to know it; connects to targets are timed."""

from __future__ import annotations

import psycopg
import pytest

from hoopgate.codecs.postgresql import messages
from tests.live.gate import Gate
from tests.live.wire import notice


def test_a_failed_login_says_where_tokens_come_from(gate: Gate) -> None:
    with pytest.raises(psycopg.OperationalError) as refused:
        psycopg.connect(gate.dsn("open"), password="garbage")
    issuer = gate.world.people.url
    assert f"hoopgate login --issuer {issuer} --client-id hoopgate" in str(refused.value)


def test_a_hold_says_where_it_is_decided(gate: Gate) -> None:
    with gate.wire("ruled") as wire:
        wire.send(messages.query(b"DELETE FROM held"))
        said = notice([wire.message()])
        assert f"https://localhost:{gate.ports['api']}" in said["H"]


def test_connects_to_targets_are_timed(gate: Gate) -> None:
    def connects() -> float:
        _, text = gate.http("/metrics")
        lines = (line for line in text.splitlines() if line.startswith("hoopgate_upstream_connect_seconds_count"))
        return sum(float(line.rpartition(" ")[2]) for line in lines)

    before = connects()
    with gate.connect("open") as connection:
        connection.execute("SELECT 1")
    assert connects() == before + 1
