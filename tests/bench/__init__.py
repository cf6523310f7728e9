"""pgbench direct, through pgbouncer, haproxy and hoopgate, interleaved in one run: ``python -m tests.bench``."""
