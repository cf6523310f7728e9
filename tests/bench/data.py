"""What the server holds: pgbench's four tables, and a table of people to scan."""

from __future__ import annotations

from hoopgate.development.postgres import PostgresServer
from tests.bench.peers import DATABASE, PASSWORD, USER

# Nothing may hide in the server: it is the same for all, and what it holds fits into memory.
SETTINGS = {
    "shared_buffers": "512MB",
    "max_wal_size": "4GB",
    "max_connections": "300",
    "autovacuum": "off",
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
}
SCALE = 100_000  # rows of accounts to a branch, as pgbench has it
TABLES = """
CREATE TABLE pgbench_branches (bid int PRIMARY KEY, bbalance int, filler char(88));
CREATE TABLE pgbench_tellers (tid int PRIMARY KEY, bid int, tbalance int, filler char(84));
CREATE TABLE pgbench_history (tid int, bid int, aid int, delta int, mtime timestamp, filler char(22));
CREATE TABLE pgbench_accounts (aid int, bid int, abalance int, filler char(84));
CREATE TABLE people (id int, name text, email text, iban text, city text, born date, balance numeric(12, 2));
CREATE UNLOGGED TABLE sink (id int, name text, email text, iban text, city text, born date, balance numeric(12, 2));
INSERT INTO pgbench_branches SELECT g, 0, '' FROM generate_series(1, {branches}) g;
INSERT INTO pgbench_tellers SELECT g, 1 + (g - 1) / 10, 0, '' FROM generate_series(1, {branches} * 10) g;
INSERT INTO pgbench_accounts SELECT g, 1 + (g - 1) / 100000, 0, md5(g::text) FROM generate_series(1, {accounts}) g;
ALTER TABLE pgbench_accounts ADD PRIMARY KEY (aid);
INSERT INTO people SELECT g, initcap(substr(md5(g::text), 1, 7) || ' ' || substr(md5(g::text), 8, 9)),
    substr(md5(g::text), 1, 12) || '@example.org', 'DE' || lpad((g::bigint * 7919)::text, 20, '0'),
    (ARRAY['Aachen', 'Bergen', 'Chur', 'Delft', 'Espoo', 'Freiburg'])[1 + g % 6], date '1950-01-01' + g % 20000,
    (g * 37 % 1000000) / 100.0 FROM generate_series(1, {people}) g;
VACUUM (FREEZE, ANALYZE);
"""
PERSON = b"%d\tAnn Example Person\tann.example@example.org\tDE00000000000012345678\tFreiburg\t1980-02-03\t1234.56\n"


def load(server: PostgresServer, *, accounts: int, people: int) -> None:
    server.execute(f"CREATE ROLE {USER} LOGIN PASSWORD '{PASSWORD}'; CREATE DATABASE {DATABASE} OWNER {USER};")
    branches = max(accounts // SCALE, 1)
    server.execute(TABLES.format(branches=branches, accounts=accounts, people=people), DATABASE, user=USER)
    server.execute("CHECKPOINT")
