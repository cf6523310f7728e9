"""Which messages turn names elsewhere before they name something."""

from __future__ import annotations

import pytest

from hoopgate.policy.sql.moving import moved_names
from hoopgate.policy.sql.parser import parse


@pytest.mark.parametrize(
    ("sql", "made"),
    [
        ("SELECT 1 FROM t", None),
        ("SET search_path TO public", None),
        ("SELECT 1 FROM t; RESET search_path", None),
        ("RESET search_path; SELECT 1 FROM public.t", None),
        ("RESET work_mem; SELECT 1 FROM t", None),
        ("SET statement_timeout = 0; SELECT 1 FROM t", None),
        ("SHOW search_path; SELECT 1 FROM t", None),
        ("BEGIN; UPDATE t SET a = 1 WHERE b = 2; COMMIT", None),
        ("PREPARE p AS SELECT 1 FROM t; EXECUTE p", None),
        ("RESET search_path; SELECT 1 FROM t", set()),
        ("RESET ALL; DELETE FROM t", set()),
        ("DISCARD ALL; DELETE FROM t", set()),
        ("SET search_path TO DEFAULT; DELETE FROM t", set()),
        ("SET LOCAL search_path = public; DELETE FROM t", set()),
        ("SELECT set_config('search_path', '', false); DELETE FROM t", set()),
        ("SELECT set_config($1, $2, false); DELETE FROM t", set()),
        ("ROLLBACK; DELETE FROM t", set()),
        ("COMMIT; DELETE FROM t", set()),
        ("ROLLBACK TO a; DELETE FROM t", set()),
        ("SET ROLE x; DELETE FROM t", set()),
        ("SELECT mine(); DELETE FROM t", set()),
        ("EXECUTE p; DELETE FROM t", set()),
        ("CREATE SCHEMA app; SELECT 1 FROM t", {"app"}),
        ("ALTER SCHEMA a RENAME TO b; SELECT 1 FROM t", {"a", "b"}),
    ],
)
def test_moved_names(sql: str, made: set[str] | None) -> None:
    assert moved_names(parse(sql)) == made
