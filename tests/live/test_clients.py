"""Programs that people really use, unchanged, through the gateway."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import psycopg
import pytest

from tests.live.gate import Gate, World, wait_for


def program(world: World, name: str) -> str:
    found = world.server.programs.program(name)
    if not found.exists():
        pytest.skip(f"no {name} of the server's version")
    return str(found)


@pytest.mark.parametrize("target", ["open", "watched"])
def test_pgbench(gate: Gate, world: World, target: str) -> None:
    """Every kind of its queries, with several clients; the bank's books balance afterwards."""
    pgbench = program(world, "pgbench")
    dsn = gate.dsn(target)
    init = [pgbench, "-i", "-q", "-s", "1", "-I", "dtgvp" if target == "open" else "dtGp", dsn]
    done = gate.run("ada", init)
    assert done.code == 0, done.err
    for mode in ("simple", "extended", "prepared"):
        done = gate.run("ada", [pgbench, "-n", "-M", mode, "-c", "4", "-t", "50", dsn])
        assert done.code == 0, done.err
        assert "number of transactions actually processed: 200/200" in done.out
        assert "number of failed transactions: 0 (0.000%)" in done.out
    sums = world.behind("SELECT (SELECT sum(abalance) FROM pgbench_accounts) = sum(delta), count(*)"
                        "FROM pgbench_history")  # fmt: skip
    assert sums == "t|600"


def test_pgbench_with_pipelines(gate: Gate, world: World, tmp_path: Path) -> None:
    script = tmp_path / "pipeline.sql"
    script.write_text("\\startpipeline\n" + "SELECT id, name FROM plain WHERE id = 7;\n" * 20 + "\\endpipeline\n")
    done = gate.run("ada", [program(world, "pgbench"), "-n", "-M", "extended", "-c", "3", "-t", "30", "-f", str(script),
                            gate.dsn("watched")])  # fmt: skip
    assert done.code == 0, done.err
    assert "processed: 90/90" in done.out


@pytest.mark.parametrize("options", [["-Fp"], ["-Fp", "--inserts"], ["-Fp", "-j1", "--serializable-deferrable"]])
def test_pg_dump_is_the_same_as_directly(gate: Gate, world: World, options: list[str]) -> None:
    pg_dump = program(world, "pg_dump")
    tables = ["-t", "plain", "-t", "vault"]
    through = gate.run("ada", [pg_dump, *options, *tables, gate.dsn("open")])
    assert through.code == 0, through.err
    direct = subprocess.run(
        [pg_dump, *options, *tables, "-h", str(world.server.socket_directory), "-p", str(world.server.port), "-U",
         world.user, world.database], capture_output=True, text=True, check=True)  # fmt: skip

    def comparable(text: str) -> list[str]:  # \restrict and \unrestrict carry chance
        return [line for line in text.splitlines() if not line.startswith(("\\restrict", "\\unrestrict"))]

    assert comparable(through.out) == comparable(direct.stdout)
    assert "sk_clear_7" in through.out


def test_pg_dump_of_masked_columns_shows_none(gate: Gate, world: World) -> None:
    """Whatever it does (it may be refused), no clear value comes out."""
    done = gate.run("ada", [program(world, "pg_dump"), "-t", "vault", gate.dsn("watched")])
    assert "sk_clear" not in done.out + done.err
    assert "pw_clear" not in done.out + done.err


def test_psql_copy_both_ways(gate: Gate, world: World, tmp_path: Path) -> None:
    world.behind("TRUNCATE wide")
    source = tmp_path / "in.csv"
    source.write_text("".join(f'{number},"line ""{number}"""\n' for number in range(20_000)))
    target = tmp_path / "out.csv"
    for name in ("open", "watched"):
        done = gate.run("ada", gate.psql(name, "-c", "DELETE FROM wide", "-c", f"\\copy wide FROM '{source}' CSV", "-c",
                                         f"\\copy (SELECT * FROM wide ORDER BY a) TO '{target}' CSV"))  # fmt: skip
        assert done.code == 0, done.err
        assert "COPY 20000" in done.out
        assert sorted(target.read_text().splitlines()) == sorted(source.read_text().replace('"line ""', '"line ""')
                                                                 .splitlines())  # fmt: skip


def test_psql_backslash_commands_and_scripts(gate: Gate, world: World) -> None:
    script = """
\\set ON_ERROR_STOP 1
\\d plain
\\dt
\\dn+
\\df pg_catalog.abs
\\l
\\du
\\conninfo
SELECT 1 AS one \\gset
\\echo gset :one
SELECT id, name, amount FROM plain WHERE id < 4 \\crosstabview id name amount
SELECT $1::int + $2::int \\bind 40 2 \\g
\\startpipeline
SELECT 'piped' \\bind \\sendpipeline
\\endpipeline
BEGIN;
DECLARE c CURSOR FOR SELECT id FROM plain ORDER BY id;
FETCH 2 FROM c;
COMMIT;
\\set FETCH_COUNT 50
SELECT id FROM plain ORDER BY id LIMIT 120;
\\watch i=0.1 c=3
\\echo end
"""
    done = gate.run("ada", gate.psql("open"), input=script)
    assert done.code == 0, done.err
    assert "gset 1" in done.out
    assert "42" in done.out.splitlines()
    assert "piped" in done.out
    assert done.out.rstrip().endswith("end")


def test_psql_listens(gate: Gate, world: World) -> None:
    done = gate.run("ada", gate.psql("open"), input="LISTEN live;\nNOTIFY live, 'heard';\nSELECT 1;\n")
    assert 'notification "live" with payload "heard"' in done.out


def test_a_notification_comes_to_an_idle_client(gate: Gate, world: World) -> None:
    with gate.connect("open") as listener, gate.connect("open") as other:
        listener.execute("LISTEN idle_client")
        other.execute("NOTIFY idle_client, 'wake up'")
        heard = [note.payload for note in listener.notifies(timeout=5, stop_after=1)]
    assert heard == ["wake up"]


def test_debian_psql_over_tls(gate: Gate) -> None:
    if shutil.which("psql") is None:
        pytest.skip("no psql with TLS here")
    done = gate.run("ada", gate.psql("open", "-c", "\\conninfo", "-c", "SELECT 'over TLS'", listener="tls"))
    assert done.code == 0, done.err
    assert "TLSv1.3" in done.out
    assert "over TLS" in done.out
    wrong = gate.dsn("open", listener="tls").replace("host=localhost", "host=elsewhere.example hostaddr=127.0.0.1")
    done = gate.run("ada", ["psql", "-X", "-d", wrong, "-c", "SELECT 1"])
    assert done.code == 2
    assert "does not match host name" in done.err


def test_psycopg_async_pool_and_pipeline(gate: Gate, world: World) -> None:
    import asyncio

    async def work() -> list[tuple[int, ...]]:
        async def one(number: int) -> tuple[int, ...]:
            async with await psycopg.AsyncConnection.connect(
                gate.dsn("watched"), password=gate.token("ada"), autocommit=True
            ) as connection:
                async with connection.pipeline():
                    cursors = [await connection.execute("SELECT %s::int", (number * 10 + i,)) for i in range(10)]
                return tuple([(await cursor.fetchone() or (None,))[0] for cursor in cursors])

        return await asyncio.gather(*(one(number) for number in range(8)))

    assert asyncio.run(work()) == [tuple(n * 10 + i for i in range(10)) for n in range(8)]


def test_cancelling_from_psycopg(gate: Gate) -> None:
    from concurrent.futures import ThreadPoolExecutor

    for listener in ("plain", "tls"):
        with gate.connect("open", listener=listener) as connection, ThreadPoolExecutor(1) as pool:
            running = pool.submit(connection.execute, "SELECT pg_sleep(20)")
            wait_for(lambda c=connection: c.pgconn.transaction_status == psycopg.pq.TransactionStatus.ACTIVE, "it runs")
            time.sleep(0.2)
            connection.cancel_safe(timeout=5)
            with pytest.raises(psycopg.errors.QueryCanceled):
                running.result(10)
            assert connection.execute("SELECT 1").fetchone() == (1,)
