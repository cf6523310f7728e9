"""Two witnesses on each column: a table of what lineage and the wire may say, and what becomes of the column."""

from __future__ import annotations

import pytest

from hoopgate.catalogue.index import MaskIndex, compile_masks
from hoopgate.catalogue.snapshot import ColumnInfo, Relation, Snapshot
from hoopgate.config.model import Mask
from hoopgate.frames import Column
from hoopgate.guards.witness import NOTHING_OWN, UNWITNESSED, Cell, Own, severer, witnessed
from hoopgate.policy.lineage.relations import UNSEEN
from hoopgate.policy.lineage.results import Output

CARD = Mask("cards", ("public.customers.card",), kind="keep-last")
MAIL = Mask("mails", ("public.customers.mail",), kind="fixed")
TABLE, OTHER, TEMP, LATER, GONE = 16500, 16501, 16502, 16503, 16999
ID, CARD_AT, MAIL_AT = (TABLE, 1), (TABLE, 2), (TABLE, 3)


def relation(oid: int, schema: str, name: str, *columns: str, kind: str = "r") -> Relation:
    return Relation(oid, schema, name, kind, columns=tuple(ColumnInfo(n, c, 25) for n, c in enumerate(columns, 1)))


@pytest.fixture(scope="module")
def index() -> MaskIndex:
    made = (
        relation(TABLE, "public", "customers", "id", "card", "mail"),
        relation(OTHER, "public", "orders", "id", "note"),
        relation(TEMP, "pg_temp_3", "mine", "id", "x"),
        relation(1259, "pg_catalog", "pg_class", "oid", "relname"),
    )
    return compile_masks(Snapshot(1, "x", {each.oid: each for each in made}), (CARD, MAIL))


def column(origin: tuple[int, int] | None) -> Column:
    table, attnum = origin or (0, 0)
    return Column("c", table, attnum, 25, -1, -1, 0)


CLEAR = None
HIDDEN = Cell(UNWITNESSED, True, "disagreed")


@pytest.mark.parametrize(
    ("said", "wire", "becomes"),
    [
        # both say: not masked
        (Output(ID), ID, CLEAR),
        (Output(), None, CLEAR),
        (Output((OTHER, 1), others=(ID,)), ID, CLEAR),
        (Output((TABLE, -1)), (TABLE, -1), CLEAR),
        (Output(), (TABLE, -1), CLEAR),  # a row's place: nothing of its values
        (Output((1259, 2)), (1259, 2), CLEAR),
        # both say: masked
        (Output(CARD_AT, mask=CARD), CARD_AT, Cell(CARD, False, "column")),
        (Output(MAIL_AT, mask=MAIL), MAIL_AT, Cell(MAIL, False, "column")),
        (Output((OTHER, 2), others=(CARD_AT,), mask=CARD), CARD_AT, Cell(CARD, False, "column")),
        (Output((TABLE, 0), mask=CARD), (TABLE, 0), Cell(CARD, False, "column")),
        # computed with what is masked
        (Output(None, mask=CARD, derived=True), None, Cell(CARD, True, "derived")),
        (Output(None, mask=CARD), None, Cell(CARD, True, "derived")),
        (Output(CARD_AT, mask=CARD, derived=True), CARD_AT, Cell(CARD, True, "derived")),
        # lineage knows of nothing masked, the wire of a masked column
        (Output(), CARD_AT, Cell(CARD, True, "disagreed")),
        (Output(ID), CARD_AT, Cell(CARD, True, "disagreed")),
        (Output(CARD_AT), CARD_AT, Cell(CARD, True, "disagreed")),
        # the wire of nothing masked, lineage of a masked column
        (Output(CARD_AT, mask=CARD), None, Cell(CARD, True, "disagreed")),
        (Output(CARD_AT, mask=CARD), ID, Cell(CARD, True, "disagreed")),
        (Output(ID, mask=CARD, derived=True), ID, Cell(CARD, True, "derived")),
        # they mean different columns, neither of them masked
        (Output(ID), (OTHER, 1), HIDDEN),
        (Output(ID), None, HIDDEN),
        (Output(), ID, HIDDEN),
        (Output((OTHER, 1), others=((OTHER, 2),)), ID, HIDDEN),
        # and different masks: the one that shows less, of the whole value
        (Output(CARD_AT, mask=CARD), MAIL_AT, Cell(MAIL, True, "disagreed")),
        (Output(MAIL_AT, mask=MAIL), CARD_AT, Cell(MAIL, True, "disagreed")),
        (Output(CARD_AT, mask=MAIL), CARD_AT, Cell(MAIL, True, "disagreed")),
        # nobody knows the relation
        (Output((GONE, 1)), (GONE, 1), Cell(UNSEEN, True, "unknown")),
        (Output(), (GONE, 1), Cell(UNSEEN, True, "unknown")),
        (Output((TABLE, 9)), (TABLE, 9), Cell(UNSEEN, True, "unknown")),  # a column that came meanwhile
        (Output(None, mask=CARD, derived=True), (GONE, 1), Cell(UNSEEN, True, "unknown")),
    ],
)
@pytest.mark.parametrize("clear", [True, False])
def test_both(index: MaskIndex, said: Output, wire: tuple[int, int] | None, becomes: Cell | None, clear: bool) -> None:
    cells, unknown = witnessed([said], [column(wire)], index, NOTHING_OWN, clear=clear)
    if becomes is not None and becomes.why == "unknown":
        assert unknown
        assert cells[0] is not None
        assert cells[0].derived
        return
    assert cells == [becomes]
    assert not unknown


@pytest.mark.parametrize("count", [0, 1, 3])
def test_another_number_of_columns_masks_all_of_them(index: MaskIndex, count: int) -> None:
    wire = [column(CARD_AT), column(None)]
    cells, _ = witnessed([Output()] * count, wire, index, NOTHING_OWN, clear=True)
    assert cells == [Cell(CARD, True, "disagreed"), HIDDEN]


def test_without_lineage_only_a_known_clear_origin_passes(index: MaskIndex) -> None:
    wire = [column(ID), column(None), column(CARD_AT)]
    cells, _ = witnessed(None, wire, index, NOTHING_OWN, clear=False)
    assert cells == [None, Cell(UNWITNESSED, True, "unknown"), Cell(CARD, False, "column")]


def test_nor_where_the_statement_is_known_to_reach_nothing_masked(index: MaskIndex) -> None:
    wire = [column(ID), column(None), column(CARD_AT)]
    cells, _ = witnessed(None, wire, index, NOTHING_OWN, clear=True)
    assert cells == [None, None, Cell(CARD, False, "column")]


# --- what the session alone knows


@pytest.mark.parametrize("oid", [TEMP, LATER])
def test_what_was_moved_into_a_table_of_the_session_is_hidden_whole(index: MaskIndex, oid: int) -> None:
    mine = relation(oid, "pg_temp_3", "mine", "id", "x")
    own = Own({LATER: mine}, {"mine": {"x": CARD}})
    wire = [column((oid, 1)), column((oid, 2)), column((oid, 0))]
    cells, unknown = witnessed(None, wire, index, own, clear=True)
    assert cells == [None, Cell(CARD, True, "derived"), Cell(CARD, True, "derived")]
    assert not unknown
    said = [Output((oid, 1)), Output((oid, 2), mask=CARD), Output((oid, 0), mask=CARD)]
    assert witnessed(said, wire, index, own, clear=False)[0] == cells


def test_a_table_that_only_the_session_sees_is_no_unknown_one(index: MaskIndex) -> None:
    own = Own({LATER: relation(LATER, "public", "fresh", "a", "card")}, {})
    assert witnessed([Output((LATER, 1))], [column((LATER, 1))], index, own, clear=False) == ([None], False)
    assert witnessed([Output((LATER, 7))], [column((LATER, 7))], index, own, clear=False)[1]


def test_a_view_that_only_the_session_sees_may_hold_anything(index: MaskIndex) -> None:
    own = Own({LATER: relation(LATER, "public", "fresh", "a", kind="v")}, {})
    cells, unknown = witnessed([Output((LATER, 1))], [column((LATER, 1))], index, own, clear=True)
    assert unknown
    assert cells[0] is not None


def test_which_mask_shows_less() -> None:
    kinds = ("keep-last", "hash", "fixed", "null")
    masks = [Mask(kind, (), kind=kind) for kind in kinds]  # type: ignore[arg-type]
    for at, mask in enumerate(masks):
        for other in masks[at:]:
            assert severer(mask, other) is other
            assert severer(other, mask) is other
