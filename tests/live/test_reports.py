"""What the server tells beside answers while masks are in force: settings, tags of commands, notifications, plans."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hoopgate.codecs.postgresql import messages as m
from tests.live.gate import Gate, World
from tests.live.wire import Wire, error, extended, rows, types

SECRET = b"sk_clear_"
SETUP = """
CREATE TABLE reporting (id int, label text);
CREATE FUNCTION tell_settings() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE found text := (SELECT secret_key FROM vault WHERE id = NEW.id);
BEGIN
    PERFORM set_config('application_name', found, false);
    PERFORM set_config('TimeZone', replace(replace(found, '_', ''), 'skclear', 'SKCLEAR'), false);
    PERFORM set_config('search_path', found || ', public', false);
    PERFORM pg_notify('told', found);
    RETURN NEW;
END $$;
CREATE TRIGGER tell BEFORE INSERT ON reporting FOR EACH ROW EXECUTE FUNCTION tell_settings();
"""


@pytest.fixture(scope="module", autouse=True)
def reporting(world: World) -> None:
    world.behind(SETUP)
    world.behind(f"ALTER TABLE reporting OWNER TO {world.user}; ALTER FUNCTION tell_settings() OWNER TO {world.user}")


@pytest.fixture
def wire(gate: Gate) -> Iterator[Wire]:
    with gate.wire("watched") as made:
        yield made


def reports(got: list[bytes]) -> dict[bytes, bytes]:
    return dict(m.parse_parameter_status(raw) for raw in got if raw[:1] == b"S")


def test_code_that_writes_values_into_settings(wire: Wire, gate: Gate, world: World) -> None:
    """First without the gateway's masks: the server does report them."""
    with gate.wire("open") as clear:
        got = clear.query("INSERT INTO reporting VALUES (1, 'x')")
        assert reports(got)[b"application_name"] == b"sk_clear_1"
    for data in (m.query(b"INSERT INTO reporting VALUES (2, 'x')"), extended("INSERT INTO reporting VALUES (3, 'x')")):
        got = wire.ask(data)
        assert "E" not in types(got)
        assert reports(got) == {}
        assert SECRET not in b"".join(got).lower()
    got = wire.query("SELECT 1")
    assert SECRET not in b"".join(got)


def test_what_the_client_sets_is_told(wire: Wire) -> None:
    assert reports(wire.query("SET application_name = 'my app'")) == {b"application_name": b"my app"}
    assert reports(wire.query("SET TIME ZONE 'europe/berlin'")) == {b"TimeZone": b"Europe/Berlin"}
    assert reports(wire.query("SET TIME ZONE 5"))[b"TimeZone"] == b"<+05>-05"
    assert reports(wire.query("RESET TIME ZONE"))[b"TimeZone"] == wire.parameters[b"TimeZone"]
    assert reports(wire.query("SET DateStyle = 'German'"))[b"DateStyle"].startswith(b"German")
    got = wire.ask(extended("SELECT set_config('application_name', $1, false)", b"by parameter", describe=False))
    assert reports(got) == {b"application_name": b"by parameter"}
    wire.query("BEGIN")
    assert reports(wire.query("SET LOCAL application_name = 'brief'")) == {b"application_name": b"brief"}
    assert reports(wire.query("ROLLBACK")) == {b"application_name": b"by parameter"}


def test_plans_show_the_clients_own_words(wire: Wire) -> None:
    """EXPLAIN runs, shows conditions as they were written, and no value that is stored."""
    for sql in (
        "EXPLAIN SELECT * FROM vault WHERE secret_key = 'mine'",
        "EXPLAIN (ANALYZE, VERBOSE, TIMING OFF) SELECT * FROM vault WHERE secret_key > 'mine' ORDER BY password",
        "EXPLAIN (ANALYZE, FORMAT JSON) SELECT upper(secret_key) FROM vault WHERE secret_key <> 'mine'",
    ):
        got = wire.query(sql)
        assert "E" not in types(got), error(got)
        plan = b"".join(cell or b"" for row in rows(got) for cell in row)
        assert b"mine" in plan
        assert SECRET not in plan
        assert b"pw_clear_" not in plan


def test_a_generic_plan_names_parameters(wire: Wire) -> None:
    wire.query("PREPARE q (text) AS SELECT id FROM vault WHERE secret_key = $1")
    got = wire.query("EXPLAIN (ANALYZE) EXECUTE q ('mine')")
    assert "E" not in types(got), error(got)
    assert SECRET not in b"".join(got)


def test_notifications_are_not_passed_on(wire: Wire) -> None:
    """Triggers notify with what they like; who may not listen hears nothing."""
    assert "E" in types(wire.query("LISTEN told"))
    got = wire.query("INSERT INTO reporting VALUES (4, 'x')")
    assert "A" not in types(got)


def test_tags_and_names_of_columns_hold_no_values(wire: Wire) -> None:
    got = wire.query("SELECT secret_key AS sk_mine, upper(secret_key), (SELECT password) FROM vault WHERE id < 3")
    assert [raw for raw in got if raw[:1] == b"C"] == [m.command_complete("SELECT 2")]
    names = [column.name for column in m.parse_row_description(got[0])]
    assert names[:2] == ["sk_mine", "upper"]
    assert SECRET not in b"".join(got)


def test_errors_of_what_runs_are_told_in_general(gate: Gate) -> None:
    """As another person: each of these is a probe."""
    with gate.wire("watched", person="grace") as wire:
        _errors(wire)


def _errors(wire: Wire) -> None:
    for sql in (
        "SELECT secret_key::int FROM vault",
        "SELECT id FROM vault WHERE secret_key::int = 1",
        "SELECT secret_key::regclass FROM vault",
        "SELECT 1 FROM vault ORDER BY secret_key::uuid",
        "SELECT id FROM vault WHERE 1 / (CASE WHEN secret_key > 'a' THEN 0 ELSE 1 END) = 1",
    ):
        for data in (m.query(sql.encode()), extended(sql, describe=False)):
            got = wire.ask(data)
            assert "E" in types(got)
            fields = error(got)
            assert SECRET not in b"".join(got)
            assert "D" not in fields
            assert fields["C"][:2] in ("22", "42")
    fields = error(wire.query("SELECT no_such_column, secret_key FROM vault"))
    assert (fields["M"], fields["P"]) == ('column "no_such_column" does not exist', "8")
