"""Masked values that a session moves into temporary tables stay masked there, whatever becomes of the tables."""

from __future__ import annotations

from typing import Any

import pytest

from hoopgate.config.model import Mask
from hoopgate.guards.mask_moved import COLUMNS, KIN, RELATIONS, MovedValues
from hoopgate.policy.lineage.results import Moved
from hoopgate.policy.sql.parser import parse
from tests.masks.gate import Gate

CARD = Mask("cards", ("*.card",), kind="keep-last")
NOTHING = Mask("none", ("*.x",), kind="null")


def noted(moved: MovedValues, *statements: str) -> MovedValues:
    for text in statements:
        for statement in parse(text).statements:
            ((kind, value),) = statement.items()
            moved.note(kind, value)
    return moved


def holding(**columns: Mask) -> MovedValues:
    moved = MovedValues()
    moved.move((Moved("t", columns),))
    return moved


def test_what_was_moved_adds_up() -> None:
    moved = holding(a=CARD)
    moved.move((Moved("t", {"a": NOTHING, "b": CARD}), Moved("u", {"c": CARD})))
    assert {name: dict(columns) for name, columns in moved.masks.items()} == {
        "t": {"a": NOTHING, "b": CARD},
        "u": {"c": CARD},
    }
    moved.move((Moved("t", {"a": CARD}),))
    assert moved.masks["t"]["a"] is NOTHING  # the severer one stays


@pytest.mark.parametrize(
    ("statement", "name", "column"),
    [
        ("ALTER TABLE t RENAME TO u", "u", "a"),
        ("ALTER TABLE t RENAME TO u", "t", "a"),  # it may be undone
        ("ALTER TABLE t RENAME COLUMN a TO b", "t", "b"),
        ("ALTER TABLE t RENAME COLUMN a TO b", "t", "a"),
        ("ALTER TABLE t INHERIT p", "p", "a"),
        ("CREATE TEMP TABLE c () INHERITS (t)", "c", "a"),
        ("CREATE TEMP TABLE t () INHERITS (p)", "p", "a"),
        ("CREATE TEMP TABLE t PARTITION OF p DEFAULT", "p", "a"),
        ("ALTER TABLE p ATTACH PARTITION t DEFAULT", "p", "a"),
        ("ALTER TABLE t INHERIT p; ALTER TABLE p INHERIT q", "q", "a"),
        ("ALTER TABLE t INHERIT p; ALTER TABLE p RENAME TO q", "q", "a"),
        ("ALTER TABLE t INHERIT p; ALTER TABLE p RENAME COLUMN a TO z", "t", "z"),
        ("ALTER TABLE t ADD COLUMN z text GENERATED ALWAYS AS (upper(a)) STORED", "t", "z"),
        ("ALTER TABLE t ALTER COLUMN z TYPE text USING a || ''", "t", "z"),
        ("ALTER TABLE t RENAME TO u; ALTER TABLE u RENAME COLUMN a TO b", "u", "b"),
    ],
)
def test_masks_follow_renaming_and_inheritance(statement: str, name: str, column: str) -> None:
    assert noted(holding(a=CARD), statement).masks[name][column] is CARD


def test_what_is_moved_later_follows_as_well() -> None:
    moved = noted(MovedValues(), "CREATE TEMP TABLE t () INHERITS (p)")
    moved.move((Moved("t", {"a": CARD}),))
    assert moved.masks["p"]["a"] is CARD


@pytest.mark.parametrize("statement", ["DROP TABLE t", "TRUNCATE t", "ALTER TABLE t DROP COLUMN a", "DISCARD ALL"])
def test_nothing_makes_a_name_clear_again(statement: str) -> None:
    assert noted(holding(a=CARD), statement).masks["t"]["a"] is CARD


def test_there_is_room_for_so_much() -> None:
    moved = MovedValues()
    for number in range(RELATIONS):
        step = (Moved(f"t{number}", {"a": CARD}),)
        assert moved.room_for(step)
        moved.move(step)
    assert not moved.room_for((Moved("one_more", {"a": CARD}),))
    assert moved.room_for((Moved("t1", {"b": CARD}),))
    assert moved.room_for(())
    assert not moved.room_for((Moved("t1", {f"c{number}": CARD for number in range(COLUMNS)}),))


def test_where_kinship_overflows_nothing_is_moved_any_more() -> None:
    moved = MovedValues()
    for number in range(KIN):
        noted(moved, f"ALTER TABLE c{number} INHERIT p")
    assert not moved.room_for((Moved("t", {"a": CARD}),))
    assert not moved.room_for(())  # nor joined


# --- in a session, against a real server


def cells(output: Any) -> list[bytes | None]:
    assert output.refused is None, output.refused
    assert output.errors == []
    return [cell for row in output.rows for cell in row]


MOVES = [
    "CREATE TEMP TABLE t AS SELECT id, card::text AS x, name FROM customers",
    "SELECT id, card::text AS x, name INTO TEMP t FROM customers",
    "CREATE TEMP TABLE t (id int, x text, name text); INSERT INTO t SELECT id, card::text, name FROM customers",
    "CREATE TEMP TABLE t (id int, x text, name text); INSERT INTO pg_temp.t SELECT id, card::text, name FROM customers",
    "CREATE TEMP TABLE t AS SELECT id, ''::text AS x, name FROM customers;"
    " UPDATE t SET x = (SELECT card::text FROM customers c WHERE c.id = t.id)",
    "CREATE TEMP TABLE t AS SELECT id, ''::text AS x, name FROM customers;"
    " UPDATE t SET x = c.card FROM customers c WHERE c.id = t.id",
    "PREPARE p AS SELECT id, card::text AS x, name FROM customers; CREATE TEMP TABLE t AS EXECUTE p",
    "CREATE TEMP TABLE t AS WITH a AS (SELECT * FROM customers) SELECT id, reverse(card::text) AS x, name FROM a",
]


@pytest.mark.parametrize("moves", MOVES)
def test_moved_values_are_masked_and_the_rest_is_not(gate: Gate, moves: str) -> None:
    gate.run("BEGIN")
    for text in moves.split(";"):
        output = gate.run(text)
        if output.refused is not None:  # nothing moved, then
            return
        assert output.errors == []
    row = cells(gate.run("SELECT id, x, upper(name), length(x), t FROM t WHERE id = 1"))
    assert row[0] == b"1"
    assert row[2] == b"NAME1"
    assert row[4] is None
    shown = gate.run("SELECT * FROM t; SELECT x || '!' FROM t; TABLE t; SELECT max(x) FROM t").everything()
    assert b"4111999" not in shown
    assert b"1000999" not in shown  # reversed
    assert gate.run("COPY t TO STDOUT").copied.count(b"4111999") == 0
    assert gate.run("COPY (SELECT reverse(x) FROM t) TO STDOUT").copied.count(b"9991114") == 0


@pytest.mark.parametrize(
    "later",
    [
        "ALTER TABLE t RENAME TO u",
        "CREATE TEMP TABLE u AS SELECT * FROM t",
        "CREATE TEMP TABLE u (LIKE t); INSERT INTO u TABLE t",
        "ALTER TABLE t RENAME COLUMN x TO y; CREATE TEMP TABLE u AS TABLE t",
        "CREATE TEMP TABLE u (id int, x text, name text); ALTER TABLE t INHERIT u",
        "CREATE TEMP VIEW u AS SELECT * FROM t",
        "CREATE TEMP VIEW u AS SELECT md5(x) AS x FROM t",
        "SAVEPOINT a; DROP TABLE t; CREATE TEMP TABLE t (id int, x text, name text); ROLLBACK TO a;"
        " ALTER TABLE t RENAME TO u",
    ],
)
def test_masks_stay_wherever_the_values_go(gate: Gate, later: str) -> None:
    gate.run("BEGIN")
    assert gate.run(MOVES[0]).refused is None
    for text in later.split(";"):
        if gate.run(text).refused is not None:
            return
    for query in ("SELECT * FROM u", "SELECT upper(u::text) FROM u", "SELECT row_to_json(u) FROM u"):
        output = gate.run(query)
        assert b"4111999" not in output.everything(), (query, output)


def test_a_table_of_clear_values_stays_clear_beside(gate: Gate) -> None:
    gate.run("BEGIN")
    gate.run(MOVES[0])
    gate.run("CREATE TEMP TABLE clear AS SELECT id, name FROM customers")
    assert cells(gate.run("SELECT upper(name), id * 2 FROM clear WHERE id = 2")) == [b"NAME2", b"4"]
    assert cells(gate.run("SELECT upper(name) FROM customers WHERE id = 2")) == [b"NAME2"]


def test_committed_and_in_another_transaction(gate: Gate) -> None:
    assert gate.run(MOVES[0]).refused is None
    assert gate.run("SELECT 1").refused is None
    assert cells(gate.run("SELECT upper(x), name FROM t WHERE id = 1")) == [b"****", b"name1"]
    assert gate.run("DROP TABLE t").refused is None
    gate.run("CREATE TEMP TABLE t (id int, x text)")
    gate.run("INSERT INTO t VALUES (1, 'mine')")
    assert cells(gate.run("SELECT x FROM t")) == [b"****"]  # the name held masked values once


def test_too_many_tables_are_refused(gate: Gate) -> None:
    assert gate.guard.masks()  # now it has a memory
    assert gate.guard.masks()  # brings the guard's memory with it
    gate.guard._memory.moved.move(tuple(Moved(f"t{number}", {"a": CARD}) for number in range(RELATIONS)))
    refused = gate.run(MOVES[0]).refused
    assert refused is not None
    assert refused.sqlstate == "54000"
    assert gate.run("SELECT name FROM customers").refused is None
