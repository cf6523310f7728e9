"""The catalogue: what it reads, when it reads, and that one read serves all."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from attrs import evolve
from psycopg import pq
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from hoopgate.catalogue import Catalogue, compile_masks
from hoopgate.catalogue.queries import FINGERPRINT, OTHERS, VERSIONS
from hoopgate.catalogue.session_view import session_query, session_relations
from hoopgate.catalogue.snapshot import Mentions, Snapshot
from hoopgate.config.limits import Limits
from hoopgate.config.model import Mask
from hoopgate.errors import CatalogueError, LimitError
from tests.masks.gate import catalogue_of, connect, fired, rows


@pytest.fixture
def connection(masks_dsn: str) -> Iterator[pq.PGconn]:
    made = connect(masks_dsn)
    yield made
    made.finish()


class Counted:
    """A query callback that counts, and can be told to wait or to fail."""

    def __init__(self, connection: pq.PGconn) -> None:
        self.connection = connection
        self.asked: list[str] = []
        self.held: list[Deferred[Any]] = []
        self.hold = False
        self.fault: Exception | None = None

    def __call__(self, sql: str) -> Deferred[Any]:
        self.asked.append(sql)
        if self.fault is not None:
            raise self.fault
        if self.hold:
            waiting: Deferred[Any] = Deferred()
            self.held.append(waiting)
            return waiting.addCallback(lambda _: rows(self.connection, sql))
        return succeed(rows(self.connection, sql))


def relation(snapshot: Snapshot, name: str, schema: str = "public") -> Any:
    (found,) = [each for each in snapshot.names[name] if each.schema == schema]
    return found


def test_reads_relations_with_columns_and_keys(connection: pq.PGconn) -> None:
    snapshot = fired(catalogue_of(connection).refresh())
    customers = relation(snapshot, "customers")
    assert [column.name for column in customers.columns][:3] == ["id", "email", "name"]
    assert customers.primary_key == (1,)
    assert relation(snapshot, "users", "app").columns[2].name == "Password"
    assert relation(snapshot, "pg_stats", "pg_catalog").system
    assert "lower" in snapshot.builtins
    assert {function.name for function in snapshot.functions.values()} >= {"peek", "safe_add", "l2_distance"}
    assert snapshot.function_names["l2_distance"][0].extension == "vector"
    assert "###" in snapshot.operators
    assert "boxed" in snapshot.casts


def test_what_views_read(connection: pq.PGconn) -> None:
    snapshot = fired(catalogue_of(connection).refresh())
    customers = relation(snapshot, "customers").oid
    views = {name: snapshot.views[relation(snapshot, name).oid] for name in snapshot.names if name.endswith("_view")}
    origins = {name: {at: flow.origin for at, flow in reads.outputs.items()} for name, reads in views.items()}
    assert origins["plain_view"] == {1: (customers, 1), 2: (customers, 3)}
    assert origins["direct_view"][2] == origins["nested_view"][2] == (customers, 2)
    assert views["plain_view"].narrow.every == frozenset()
    assert views["computed_view"].outputs[2].used == {(customers, 2)}
    assert views["row_view"].outputs[2].used == {(customers, 0)}  # pg_depend does not tell
    for name in ("filtering_view", "using_view", "grouped_view", "cte_view"):
        assert (customers, 2) in views[name].narrow.every, name
    assert (customers, 2) not in views["joined_view"].every
    assert not any(reads.opaque for reads in views.values())
    called = {name: [str(snapshot.functions[each]) for each in reads.functions] for name, reads in views.items()}
    assert called["function_view"] == ["public.peek"]
    assert called["operator_view"] == ["public.peek_op"]


def test_an_unchanged_catalogue_costs_one_row(connection: pq.PGconn) -> None:
    query = Counted(connection)
    catalogue = Catalogue(query, Clock())
    first = fired(catalogue.refresh())
    query.asked.clear()
    assert fired(catalogue.refresh()) is first
    assert query.asked == [FINGERPRINT]


CHANGES = (
    "CREATE TABLE zz (a int)",
    "ALTER TABLE orders ADD COLUMN zz int",
    "ALTER TABLE orders RENAME COLUMN note TO zz",
    "ALTER TABLE orders DROP COLUMN note CASCADE",
    "ALTER TABLE orders RENAME TO zz",
    "ALTER SCHEMA app RENAME TO zz",
    "ALTER TABLE masked_people NO INHERIT people",
    "CREATE OR REPLACE VIEW plain_view AS SELECT id, email AS name FROM customers",
    "CREATE FUNCTION zz() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE RULE zz AS ON DELETE TO orders DO ALSO NOTHING",
    "ALTER TYPE mood ADD VALUE 'zz'",
    "CREATE CAST (text AS mood) WITH INOUT",
    "DROP TABLE status",
    "ALTER FUNCTION safe_add(int, int) RENAME TO zz",
    "ALTER TABLE orders SET SCHEMA app",
    "ALTER TABLE status ADD PRIMARY KEY (id)",
)


@pytest.mark.parametrize("change", CHANGES)
def test_the_fingerprint_shows_any_definition(connection: pq.PGconn, change: str) -> None:
    before = rows(connection, FINGERPRINT)
    connection.exec_(b"BEGIN")
    result = connection.exec_(change.encode())
    assert result.status == pq.ExecStatus.COMMAND_OK, result.error_message
    assert rows(connection, FINGERPRINT) != before
    connection.exec_(b"ROLLBACK")
    assert rows(connection, FINGERPRINT) == before


def test_only_what_is_new_is_read(connection: pq.PGconn) -> None:
    query = Counted(connection)
    catalogue = Catalogue(query, Clock())
    fired(catalogue.refresh())
    query.asked.clear()
    connection.exec_(b"BEGIN; CREATE VIEW zz AS SELECT email AS e FROM customers")
    snapshot = fired(catalogue.refresh())
    connection.exec_(b"ROLLBACK")
    assert snapshot.views[relation(snapshot, "zz").oid].outputs[1].origin
    assert query.asked[:3] == [FINGERPRINT, VERSIONS, OTHERS]
    assert len(query.asked) == 6  # one relation, its row types, one rule
    assert all(" IN (" in asked and len(re.findall(r"[0-9]{5,}", asked)) < 5 for asked in query.asked[3:])


def test_single_flight(connection: pq.PGconn) -> None:
    query = Counted(connection)
    query.hold = True
    catalogue = Catalogue(query, Clock())
    first, second, third = catalogue.refresh(), catalogue.refresh(), catalogue.refresh()
    while query.held:
        query.held.pop(0).callback(None)
    assert fired(first) is fired(second) is fired(third)
    # Who came while the first was under way may have seen what it had not.
    assert query.asked.count(FINGERPRINT) == 2


def test_a_failure_reaches_all_callers_and_the_next_tries_again(connection: pq.PGconn) -> None:
    query = Counted(connection)
    told: list[bool] = []
    catalogue = Catalogue(query, Clock(), refreshed=told.append)
    query.fault = OSError("gone")
    with pytest.raises(OSError, match="gone"):
        fired(catalogue.refresh())
    query.fault = None
    assert fired(catalogue.current()) is catalogue.snapshot
    assert told == [False, True]


def test_age_decides_whether_to_wait(connection: pq.PGconn) -> None:
    clock = Clock()
    query = Counted(connection)
    catalogue = Catalogue(query, clock, refresh_every=5)
    assert catalogue.fresh is None
    fired(catalogue.current())
    query.asked.clear()
    clock.advance(4)
    assert catalogue.fresh is not None
    assert query.asked == []
    clock.advance(2)
    assert catalogue.fresh is not None  # and checked meanwhile
    assert query.asked == [FINGERPRINT]
    query.fault = OSError("gone")
    clock.advance(16)
    assert catalogue.fresh is None
    with pytest.raises(OSError, match="gone"):
        fired(catalogue.current())


def test_what_needs_no_look_is_what_a_look_would_say(connection: pq.PGconn) -> None:
    clock = Clock()
    catalogue = Catalogue(Counted(connection), clock, refresh_every=5)
    sure = catalogue.sure
    assert sure.fresh() is None
    first = fired(catalogue.current())
    assert sure.fresh() is None, "nobody has looked yet"
    assert catalogue.fresh is first
    clock.advance(5)
    assert sure.fresh() is first
    clock.advance(0.1)
    assert sure.fresh() is None, "a poll is due, which a look would begin"
    assert catalogue.fresh is first
    assert catalogue.fresh is first, "it was checked"
    assert sure.fresh() is first
    session = Session()
    catalogue.defined(session)
    assert sure.fresh() is None
    assert catalogue.fresh is first
    assert sure.fresh() is None, "at any moment that transaction may end"
    session.rested += 1
    fired(catalogue.current())
    assert catalogue.fresh is first
    assert sure.fresh() is first
    catalogue.outdated()
    assert sure.fresh() is None
    assert catalogue.fresh is None


def test_polls(connection: pq.PGconn) -> None:
    clock = Clock()
    query = Counted(connection)
    catalogue = Catalogue(query, clock, refresh_every=5)
    catalogue.start()
    clock.pump([5, 5])
    assert query.asked.count(FINGERPRINT) == 3
    query.fault = OSError("gone")
    clock.advance(5)  # logged, and polled again
    query.fault = None
    clock.advance(5)
    catalogue.stop()
    clock.advance(50)
    assert query.asked.count(FINGERPRINT) == 5


def test_reads_while_a_client_holds_the_hardest_lock(connection: pq.PGconn, masks_dsn: str) -> None:
    locking = connect(masks_dsn)
    locking.exec_(b"BEGIN; ALTER TABLE customers ADD COLUMN zz int")
    connection.exec_(b"SET statement_timeout = 2000")
    assert "zz" not in [each.name for each in relation(fired(catalogue_of(connection).refresh()), "customers").columns]
    locking.exec_(b"ROLLBACK")
    locking.finish()


def test_a_role_without_rights_can_read_it(connection: pq.PGconn) -> None:
    connection.exec_(b"BEGIN; CREATE ROLE nobody_zz; SET LOCAL ROLE nobody_zz")
    snapshot = fired(catalogue_of(connection).refresh())
    connection.exec_(b"ROLLBACK")
    assert relation(snapshot, "customers").columns


NAMES = [
    (None, "mine"),
    ("pg_temp", "mine"),
    ("public", "orders"),
    (None, "orders"),
    (None, "x'y\\"),
    ("no", "orders"),
    (None, "leads"),
]


def test_what_the_session_sees(connection: pq.PGconn) -> None:
    connection.exec_(
        b"SET search_path = other, public; BEGIN; CREATE TEMP TABLE mine (a int, g int GENERATED ALWAYS AS (a) STORED)"
    )
    for setting in (b"on", b"off"):
        connection.exec_(b"SET standard_conforming_strings = " + setting)
        found = session_relations(NAMES, rows(connection, session_query(NAMES)))
        mine = found[None, "mine"]
        assert mine is not None
        assert mine == found["pg_temp", "mine"]
        assert [(column.name, column.generated) for column in mine.columns] == [("a", False), ("g", True)]
        assert mine.persistence == "t"
        assert found["public", "orders"] == found[None, "orders"] is not None
        assert found[None, "x'y\\"] is None
        assert found["no", "orders"] is None
        leads = found[None, "leads"]
        assert leads is not None
        assert leads.schema == "other"


def test_asking_cannot_fail_for_want_of_rights_or_odd_paths(connection: pq.PGconn) -> None:
    connection.exec_(b"BEGIN; CREATE ROLE nobody_zz; REVOKE ALL ON SCHEMA app FROM PUBLIC; SET LOCAL ROLE nobody_zz")
    connection.exec_(b"SET search_path = nowhere")
    names = [("app", "users"), (None, "users")]
    found = session_relations(names, rows(connection, session_query(names)))
    connection.exec_(b"ROLLBACK")
    assert found["app", "users"] is not None
    assert found[None, "users"] is None


class Session:
    """As far as the catalogue knows sessions."""

    def __init__(self) -> None:
        self.rested = -1
        self.batch = 0
        self.transaction = "T"


def test_what_sessions_define_counts_from_their_transactions_end(connection: pq.PGconn) -> None:
    query = Counted(connection)
    catalogue = Catalogue(query, Clock())
    first = fired(catalogue.current())
    session = Session()
    catalogue.defined(session)
    assert catalogue.fresh is first  # nobody else sees it before
    query.asked.clear()
    session.rested += 1
    session.transaction = "I"
    assert catalogue.fresh is None
    query.fault = OSError("gone")
    with pytest.raises(OSError, match="gone"):
        fired(catalogue.current())
    assert catalogue.fresh is None  # it stays so until somebody has looked
    query.fault = None
    assert fired(catalogue.current()) is first
    assert catalogue.fresh is first
    assert query.asked == [FINGERPRINT, FINGERPRINT]


def test_a_check_under_way_does_not_count_for_what_is_defined_meanwhile(connection: pq.PGconn) -> None:
    query = Counted(connection)
    catalogue = Catalogue(query, Clock())
    fired(catalogue.current())
    query.hold = True
    early = catalogue.refresh()
    session = Session()
    catalogue.defined(session)
    session.rested += 1
    late = catalogue.current()
    query.held.pop(0).callback(None)
    assert fired(early) is catalogue.snapshot
    assert not late.called
    assert catalogue.fresh is None
    query.held.pop(0).callback(None)
    assert fired(late) is catalogue.snapshot
    assert catalogue.fresh is not None


def test_what_may_be_committed_is_looked_for_until_the_session_has_come_to_rest(connection: pq.PGconn) -> None:
    """Outside an explicit block a long message may have committed what it defined before it is at its end."""
    catalogue = Catalogue(Counted(connection), Clock())
    first = fired(catalogue.current())
    session = Session()
    session.transaction = "I"
    catalogue.defined(session)
    for _ in range(2):
        assert catalogue.fresh is None
        assert fired(catalogue.current()) is first
    session.rested += 1
    fired(catalogue.current())
    session.transaction = "T"  # what it does next is of no account
    assert catalogue.fresh is first


def test_a_commit_counts_while_the_session_works_on(connection: pq.PGconn) -> None:
    catalogue = Catalogue(Counted(connection), Clock())
    first = fired(catalogue.current())
    session = Session()
    catalogue.defined(session)
    assert catalogue.fresh is first
    catalogue.defined(session, over=True)
    assert catalogue.fresh is None
    fired(catalogue.current())
    assert catalogue.fresh is first


def test_what_others_tell_of_makes_the_snapshot_old(connection: pq.PGconn) -> None:
    query = Counted(connection)
    catalogue = Catalogue(query, Clock())
    first = fired(catalogue.current())
    query.hold = True
    early = catalogue.refresh()
    catalogue.outdated()  # as a check is under way, which may have missed it
    query.held.pop(0).callback(None)
    assert fired(early) is first
    assert catalogue.fresh is None
    late = catalogue.current()
    query.held.pop(0).callback(None)
    assert fired(late) is first
    assert catalogue.fresh is first


def test_many_sessions_that_define_are_not_kept(connection: pq.PGconn) -> None:
    catalogue = Catalogue(Counted(connection), Clock())
    fired(catalogue.current())
    for _ in range(3000):
        session = Session()
        catalogue.defined(session)
        session.rested += 1
    assert len(catalogue._definers) <= 1000
    assert catalogue.fresh is None


def test_a_target_that_does_not_answer_is_given_up(connection: pq.PGconn) -> None:
    clock = Clock()
    query = Counted(connection)
    catalogue = Catalogue(query, clock, limits=Limits(catalogue_read=7.0))
    query.hold = True
    waiting = catalogue.current()
    clock.advance(6.9)
    assert not waiting.called
    clock.advance(0.2)
    with pytest.raises(CatalogueError, match=r"limits\.catalogue_read"):
        fired(waiting)
    query.hold = False
    assert fired(catalogue.current()) is catalogue.snapshot


@pytest.mark.parametrize("name", ["catalogue_relations", "catalogue_columns", "catalogue_definitions"])
def test_a_catalogue_beyond_a_limit_is_not_read(connection: pq.PGconn, name: str) -> None:
    query = Counted(connection)
    catalogue = Catalogue(query, Clock(), limits=evolve(Limits(), **{name: 10}))
    with pytest.raises(LimitError, match=rf"limits\.{name}"):
        fired(catalogue.current())
    assert len(query.asked) == 3  # the fingerprint, the versions, what is small
    assert catalogue.fresh is None


def test_a_definition_beyond_its_limit_is_opaque(connection: pq.PGconn) -> None:
    snapshot = fired(Catalogue(Counted(connection), Clock(), limits=Limits(catalogue_definition=1000)).current())
    assert snapshot.views[relation(snapshot, "computed_view").oid].opaque
    (peek,) = snapshot.function_names["peek"]
    assert snapshot.bodies[peek.oid].relations  # a short one
    snapshot = fired(Catalogue(Counted(connection), Clock(), limits=Limits(catalogue_definition=20)).current())
    body = snapshot.bodies[peek.oid]
    assert isinstance(body, Mentions)
    assert "too long" in body.problem


MORE_CHANGES = (
    *CHANGES,
    "ALTER TYPE mood RENAME TO temper",
    "ALTER TYPE boxed RENAME ATTRIBUTE v TO w",
    "ALTER TABLE addressed ALTER email TYPE varchar(50)",
    "CREATE TYPE zz AS (a int, b mood)",
    "CREATE DOMAIN zz AS text; ALTER TABLE docs ALTER body TYPE zz",
    "DROP VIEW plain_view",
    "DROP FUNCTION safe_add",
    "CREATE OR REPLACE FUNCTION safe_add(int, int) RETURNS int LANGUAGE sql AS 'SELECT id FROM orders'",
    "CREATE AGGREGATE zz (text) (SFUNC = textcat, STYPE = text)",
    "CREATE TABLE zz PARTITION OF events FOR VALUES FROM ('2030-01-01') TO ('2031-01-01')",
    "ALTER TABLE events DETACH PARTITION events_2024",
    "ALTER EXTENSION vector DROP FUNCTION l2_distance(vector, vector)",
    "CREATE TABLE zz (LIKE customers INCLUDING ALL)",
    "ALTER DOMAIN address RENAME TO zz",
)


@pytest.mark.parametrize("change", MORE_CHANGES)
def test_reading_what_changed_gives_what_reading_all_does(connection: pq.PGconn, change: str) -> None:
    catalogue = catalogue_of(connection)
    fired(catalogue.refresh())
    connection.exec_(b"BEGIN; SET LOCAL search_path = public")
    result = connection.exec_(change.encode())
    assert result.status == pq.ExecStatus.COMMAND_OK, result.error_message
    connection.exec_(b"SET LOCAL search_path = ''")
    for _ in range(2):
        catalogue.snapshot = catalogue.snapshot and evolve(catalogue.snapshot, fingerprint="")  # look closely
        old, new = fired(catalogue.refresh()), fired(catalogue_of(connection).refresh())
        for what in ("relations", "views", "rules", "functions", "bodies", "types", "operators", "casts"):
            assert getattr(old, what) == getattr(new, what), what
        assert sorted(old.inherits) == sorted(new.inherits)
        assert sorted(old.generated) == sorted(new.generated)
        connection.exec_(b"ROLLBACK")


def test_indexes_are_made_before_a_snapshot_is_shown(connection: pq.PGconn) -> None:
    catalogue = catalogue_of(connection)
    masks = (Mask("emails", ("*.*.email",)),)
    index = fired(catalogue.prepared(masks, ()))
    assert catalogue.index(index.snapshot, masks, ()) is index
    connection.exec_(b"BEGIN; CREATE TABLE public.zz (email text, other text)")
    made = connection.exec_(b"CREATE VIEW public.vv AS SELECT lower(email) AS e FROM public.zz")
    assert made.status == pq.ExecStatus.COMMAND_OK, made.error_message
    snapshot = fired(catalogue.refresh())
    connection.exec_(b"ROLLBACK")
    kept = catalogue._indexes._newest[masks, ()]
    assert kept.snapshot is snapshot
    assert kept.masked == compile_masks(snapshot, masks).masked
    assert kept.derived == compile_masks(snapshot, masks).derived
    (table,), (view,) = kept.relations("public", "zz"), kept.relations("public", "vv")
    assert set(kept.masked[table.oid]) == {1}
    assert (view.oid, 1) in kept.derived


def test_long_work_lets_others_have_their_turn(connection: pq.PGconn) -> None:
    clock = Clock()
    turns: list[float] = []

    def query(sql: str) -> Deferred[Any]:
        clock.advance(0.004)
        return succeed(rows(connection, sql))

    def breathe() -> Deferred[None]:
        turns.append(clock.seconds())
        return succeed(None)

    fired(Catalogue(query, clock, breathe=breathe).refresh())
    assert len(turns) > 3


def test_what_others_are_changing_is_moving_until_they_rest(connection: pq.PGconn) -> None:
    catalogue = Catalogue(Counted(connection), Clock())
    one, other = Session(), Session()
    assert not catalogue.moving(one)
    before = catalogue.changes
    one.batch = 2  # two are under way before it
    catalogue.defining(one)
    assert catalogue.changes > before
    assert not catalogue.moving(one)
    assert catalogue.moving(other)
    one.rested = 1
    assert catalogue.moving(other)
    one.rested = 2
    assert not catalogue.moving(other)


def test_others_are_told_of_definitions_until_the_session_rests(connection: pq.PGconn) -> None:
    told: list[str] = []
    clock = Clock()
    catalogue = Catalogue(Counted(connection), clock, tell=lambda: told.append("changed"))
    session = Session()
    catalogue.defined(session)  # in an explicit block, at whose end we hear of a COMMIT
    assert len(told) == 1
    clock.advance(1)
    assert len(told) == 1
    session.transaction = "I"
    catalogue.defined(session)
    assert len(told) == 2
    session.rested += 1
    clock.advance(1)
    assert len(told) == 3
    clock.advance(1)
    assert len(told) == 3
    catalogue.outdated()
    assert len(told) == 3
