"""Views that would let people write under a name for which more is allowed."""

from __future__ import annotations

import pytest

from hoopgate.config.model import What
from tests.policy.samples import config, decide, rule

BASE = (
    rule("read", "allow", what=What(effect=("read",))),
    rule("own", "allow", what=What(effect=("schema",), object=("scratch.*", "public.mine", "pg_temp.*"))),
    rule("waits", "hold", what=What(effect=("delete",), object=("*.careful",))),
    rule("few", "deny", what=What(effect=("write", "delete"), object=("public.orders",), bounded=False)),
    rule("write", "allow", what=What(effect=("write", "delete"),
                                     object=("scratch.*", "public.orders", "public.mine", "pg_temp.*"))),
)  # fmt: skip
NARROW = config(*BASE)


@pytest.mark.parametrize(
    ("sql", "then"),
    [
        ("CREATE VIEW scratch.v AS SELECT * FROM public.salaries", "deny"),
        ("CREATE OR REPLACE VIEW scratch.v AS TABLE salaries", "deny"),
        ("CREATE VIEW scratch.v (x) AS SELECT id FROM ONLY public.salaries s WHERE id > 3", "deny"),
        ("CREATE TEMP VIEW mine AS SELECT * FROM public.salaries", "deny"),
        ("CREATE VIEW pg_temp.v AS SELECT * FROM public.salaries", "deny"),
        ("CREATE VIEW scratch.v AS SELECT * FROM public.orders", "deny"),  # all of them, through the view
        ("CREATE VIEW scratch.v AS SELECT * FROM scratch.careful", "hold"),
        ("CREATE VIEW scratch.v AS SELECT * FROM scratch.t", "allow"),
        ("CREATE VIEW scratch.v AS SELECT DISTINCT * FROM public.salaries", "allow"),
        ("CREATE VIEW scratch.v AS SELECT region, sum(pay) FROM public.salaries GROUP BY region", "allow"),
        ("CREATE VIEW scratch.v AS SELECT * FROM public.salaries LIMIT 10", "allow"),
        ("CREATE VIEW scratch.v AS SELECT * FROM public.salaries JOIN public.orders USING (id)", "allow"),
        ("CREATE VIEW scratch.v AS SELECT * FROM public.salaries UNION ALL SELECT * FROM scratch.t", "allow"),
        ("CREATE MATERIALIZED VIEW scratch.v AS SELECT * FROM public.salaries", "allow"),
    ],
)
def test_a_view_opens_nothing(sql: str, then: str) -> None:
    assert decide(NARROW, sql, search_path=("public",)).then == then


def test_who_may_write_nothing_makes_views_of_what_may_be_read() -> None:
    reader = config(BASE[0], rule("own", "allow", what=What(effect=("schema",))))
    for sql in (
        "CREATE VIEW scratch.v AS SELECT * FROM public.salaries",
        "CREATE TEMP VIEW v AS SELECT * FROM salaries",
    ):
        assert decide(reader, sql, search_path=("public",)).then == "allow"


def test_the_reason_names_what_would_be_written() -> None:
    found = decide(NARROW, "CREATE VIEW scratch.v AS SELECT * FROM public.salaries", search_path=("public",))
    assert found.reason == "no rule allows UPDATE on public.salaries (through the view scratch.v)"
