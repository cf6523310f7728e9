"""Masks that come back: what each kind shows is known again, and honest values pass."""

from __future__ import annotations

import struct
import uuid
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hoopgate.catalogue.snapshot import UserType
from hoopgate.codecs.postgresql.copy import CopyOptions
from hoopgate.codecs.postgresql.copy_input import copy_rows
from hoopgate.config.model import Mask, SecretRef
from hoopgate.fixed_values import FIXED
from hoopgate.frames import Parameter
from hoopgate.guards.copy_check import CopyCheck
from hoopgate.guards.write_back import holds_mask, is_mask, problem, texts
from hoopgate.masks import transform
from hoopgate.policy.lineage.results import Assigned, CopyInput

TEXT, INT, BOOL, DATE, STAMP, UUID, BYTEA, JSON, JSONB, NUMERIC = 25, 23, 16, 1082, 1184, 2950, 17, 114, 3802, 1700
KEY = b"k" * 32
MASKS = {
    "replace": Mask("m", ()),
    "words": Mask("m", (), value="hidden"),
    "keep-last": Mask("m", (), kind="keep-last"),
    "hash": Mask("m", (), kind="hash", key=SecretRef("env", "k")),
    "fixed": Mask("m", (), kind="fixed"),
}
SEEN = frozenset({"m"})


def into(kind: str, type_oid: int, *, new_row: bool = False) -> Assigned:
    return Assigned(MASKS[kind], '"c" of public.t', None, type_oid, new_row)


@pytest.mark.parametrize("kind", MASKS)
@pytest.mark.parametrize("type_oid", [TEXT, 1043, 1042, BYTEA, JSON, JSONB, UUID, DATE, STAMP, 869, 142, 18])
@pytest.mark.parametrize("binary", [0, 1])
@pytest.mark.parametrize("derived", [False, True])
def test_what_a_mask_shows_is_known_again(kind: str, type_oid: int, binary: int, derived: bool) -> None:
    """As it came, in the same format; in new rows too, but for what honest clients mean as well."""
    old = {
        UUID: uuid.uuid4().bytes if binary else str(uuid.uuid4()).encode(),
        BYTEA: b"abc" if binary else b"\\x616263",
    }.get(type_oid, b"4111-2222-3333-4444")
    shown = transform(MASKS[kind], type_oid, binary, key=KEY, derived=derived)(old)
    assert shown is not None
    plain = type_oid == 18 or (kind == "fixed" and type_oid in (JSON, JSONB))  # * and {}: honest beginnings too
    assert holds_mask(into(kind, type_oid), Parameter(shown, binary, type_oid), "utf-8", SEEN)
    assert holds_mask(into(kind, type_oid, new_row=True), Parameter(shown, binary), "utf-8", SEEN) is not plain


@pytest.mark.parametrize("type_oid", sorted(FIXED))
@pytest.mark.parametrize("binary", [0, 1])
def test_constants_over_an_existing_value_that_was_shown(type_oid: int, binary: int) -> None:
    fixed = FIXED[type_oid]
    value = Parameter(fixed.binary if binary else fixed.text, binary, type_oid)
    assert holds_mask(into("fixed", type_oid), value, "utf-8", SEEN)


HONEST = {
    INT: ["1", "10", "-1", "100", "0x1", ""],
    BOOL: ["true", "t", "1", "on"],
    NUMERIC: ["0.01", "NaN", "1e0", "100.00"],
    DATE: ["2000-01-02", "1999-12-31", "2001-01-01"],
    STAMP: ["2000-01-01 00:00:01+00", "2000-01-01 00:00:00+02"],
    UUID: ["deadbeef-0000-4000-8000-000000000001", str(uuid.uuid4())],
    TEXT: [
        "0",
        "false",
        "2000-01-01",
        "a*b",
        "**",
        "rating: * * *",
        "x" * 64,
        "a" * 64,
        "0" * 64,
        "hidden treasure",
        "",
    ],
    JSON: ['{"a": 1}', "[1]", '"x"', "null"],
    BYTEA: ["\\x2a", "\\x2a2a2a2a2a", "\\xdeadbeef"],
}


@pytest.mark.parametrize("kind", MASKS)
@pytest.mark.parametrize("type_oid", HONEST)
def test_honest_values_pass(kind: str, type_oid: int) -> None:
    wrong = [value for value in HONEST[type_oid] if is_mask(into(kind, type_oid), value, SEEN)]
    assert wrong == []


@pytest.mark.parametrize(
    ("type_oid", "zero"), [(INT, "0"), (BOOL, "false"), (NUMERIC, "0.00"), (JSON, "{}"), (1186, "00:00:00")]
)
def test_zeros_are_refused_only_over_what_was_shown(type_oid: int, zero: str) -> None:
    """0, false and {} are what honest clients write: into new rows, and where they have not read the mask."""
    assert is_mask(into("fixed", type_oid), zero, SEEN)
    assert not is_mask(into("fixed", type_oid), zero, frozenset())
    assert not is_mask(into("fixed", type_oid, new_row=True), zero, SEEN)


@pytest.mark.parametrize(
    "text",
    [
        "****",
        "****1234",
        " ****1234 ",
        "Re: ****1234",
        "****@example.com",
        '{"card": "****1234"}',
        "********",
        "x****x",
    ],
)
def test_what_clients_make_of_masks(text: str) -> None:
    """Put amid other text, trimmed, or twice."""
    for kind in ("replace", "keep-last", "hash", "fixed"):
        assert is_mask(into(kind, TEXT), text, frozenset())


@pytest.mark.parametrize("text", ["hidden", " hidden ", '"hidden"'])
def test_a_masks_word_counts_as_the_whole_alone(text: str) -> None:
    assert is_mask(into("words", TEXT), text, frozenset())


@pytest.mark.parametrize(
    "text",
    ["2000-01-01", "2000-01-01 00:00:00", "2000-01-01T00:00:00.000Z", "2000-01-01 00:00:00+00", "2000-1-1",
     "01/01/2000", "2000-01-01 01:00:00+01:00", "1999-12-31T19:00:00-05:00"],
)  # fmt: skip
def test_the_same_moment_in_other_words(text: str) -> None:
    assert is_mask(into("fixed", STAMP), text, frozenset())


def test_zones_move_a_moment() -> None:
    moment = datetime(2000, 1, 1, 5, 30, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    assert is_mask(into("replace", STAMP), moment.isoformat(), frozenset())


def test_null_is_not_refused() -> None:
    mask = Assigned(Mask("m", (), kind="null"), "c", None, TEXT)
    assert not is_mask(mask, "****", SEEN)
    assert not holds_mask(into("fixed", TEXT), Parameter(None), "utf-8", SEEN)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60))
def test_hashes_are_known_without_their_key(value: bytes) -> None:
    shown = transform(MASKS["hash"], BYTEA, 1, key=KEY)(value)
    assert shown is not None
    for text in (shown.hex(), shown.hex().upper(), "\\x" + shown.hex(), f" {shown.hex()} "):
        assert is_mask(into("hash", BYTEA), text, frozenset())
        assert not is_mask(into("replace", BYTEA), text, frozenset())
    spoiled = bytes([shown[0] ^ 1]) + shown[1:]
    assert not is_mask(into("hash", BYTEA), spoiled.hex(), frozenset())


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="abcdefXYZ 0123456789*@.é", max_size=20))
def test_every_value_of_text(text: str) -> None:
    for kind, mask in MASKS.items():
        expected = any(shown in text if shown == "****" else shown == text.strip() for shown in texts(mask))
        assert is_mask(into(kind, TEXT), text, frozenset()) is expected


def test_parameters() -> None:
    assigned = [Assigned(MASKS["keep-last"], '"card" of public.t', 2, TEXT)]
    honest, mask = Parameter(b"4111"), Parameter(b"****1111")

    def said(parameters: tuple[Parameter, ...] | None, *, bound: bool = True) -> str:
        found = problem(assigned, parameters, encoding="utf-8", shown=(), bound=bound)
        return "" if found is None else found.reason

    assert said((mask, honest)) == ""
    assert said((honest, Parameter(None))) == ""
    assert said((honest,)) == ""  # the server refuses too few
    assert said((), bound=False) == ""  # of what is only parsed
    assert '"card" of public.t' in said((honest, mask))
    assert 'mask "m"' in said((honest, Parameter(b"****1111", 1, TEXT)))
    assert "too large" in said(None)


# --- rows of COPY

SHAPE = CopyInput(((), (Assigned(MASKS["keep-last"], '"card" of t', None, TEXT, True),), ()))


def messages(data: bytes, size: int) -> bytes:
    parts = [data[at : at + size] for at in range(0, len(data), size)]
    return b"".join(b"d" + (len(part) + 4).to_bytes(4, "big") + part for part in parts)


def refused(shape: CopyInput, data: bytes, size: int = 7, step: int = 5) -> bool:
    """By messages of ``size`` bytes, which come in pieces of ``step`` bytes."""
    check = CopyCheck(shape, "utf-8", 1 << 20)
    raw = messages(data, size)
    found = [check.feed(raw[at : at + step]) for at in range(0, len(raw), step)]
    return any(found) or check.finish() is not None


TEXT_ROWS = {
    b"1\t****1234\tx\n": True,
    b"1\t4111\t****\n": False,
    b"1\t4111\tx\n2\t****5\ty\n": True,
    b"1\t\\x2a\\x2a\\52**1\tx\n": True,
    b"1\t\\*\\*\\*\\*1\tx\n": True,
    b"1\t\\N\tx\n": False,
    b"****\\\t\t4111\tx\n": False,
    b"a\\\nb\t****\tx\n": True,
    b"a\\\\\nb\t****\tx\n": True,
    b"1\t4111\tx\r\n2\t****\ty\r\n": True,
    b"1\t4111\tx\r2\t****\ty\r": True,
    b"1\t****1": True,
    b"1\t*\\\t***\tx\n": False,
}


@pytest.mark.parametrize("data", TEXT_ROWS)
@pytest.mark.parametrize("sizes", [(1, 1), (7, 5), (1000, 3), (1000, 1000)])
def test_rows_of_text(data: bytes, sizes: tuple[int, int]) -> None:
    assert refused(SHAPE, data, *sizes) is TEXT_ROWS[data]


CSV_ROWS = {
    b"1,****1234,x\n": True,
    b'1,"****1234",x\n': True,
    b'1,"a,b",****\n': False,
    b'"a,b",****,x\n': True,
    b'"a\nb","****",x\n': True,
    b'"a""b",4111,****\n': False,
    b'1,**"**",x\n': True,
    b"1,,x\n": False,
    b'"\n2,****,y\n",4111,z\n': False,
    b"1,4111,x\r\n2,****,x": True,
}


@pytest.mark.parametrize("data", CSV_ROWS)
@pytest.mark.parametrize("sizes", [(1, 1), (7, 5), (1000, 1000)])
def test_rows_of_csv(data: bytes, sizes: tuple[int, int]) -> None:
    shape = CopyInput(SHAPE.columns, CopyOptions("csv"))
    assert refused(shape, data, *sizes) is CSV_ROWS[data]


@pytest.mark.parametrize("sizes", [(1, 1), (7, 5), (1000, 1000)])
def test_rows_of_csv_with_an_escape(sizes: tuple[int, int]) -> None:
    shape = CopyInput(SHAPE.columns, CopyOptions("csv", escape=b"\\"))
    assert not refused(shape, b'"a\\",****,b",4111,x\n', *sizes)
    assert refused(shape, b'"a\\"b",****,x\n', *sizes)
    assert refused(shape, b'a\\"b,c",****,x\n', *sizes)


def binary(*rows: tuple[bytes | None, ...]) -> bytes:
    out = b"PGCOPY\n\xff\r\n\0" + bytes(4) + struct.pack("!i", 3) + b"ext"
    for row in rows:
        out += struct.pack("!h", len(row))
        for value in row:
            out += struct.pack("!i", -1) if value is None else struct.pack("!i", len(value)) + value
    return out + struct.pack("!h", -1)


@pytest.mark.parametrize("sizes", [(1, 1), (7, 5), (1000, 1000)])
def test_rows_in_binary(sizes: tuple[int, int]) -> None:
    shape = CopyInput(SHAPE.columns, CopyOptions("binary"))
    assert not refused(shape, binary((b"1", b"4111", b"****"), (b"****", None, b"")), *sizes)
    assert refused(shape, binary((b"1", b"4111", b"x"), (b"2", b"****1", b"x")), *sizes)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.lists(st.text(alphabet="ab\\\t\n\r*,\"'é", max_size=6), min_size=3, max_size=3), max_size=5),
    st.integers(1, 40),
    st.integers(1, 40),
)
def test_rows_are_read_as_they_were_written(rows: list[list[str]], size: int, step: int) -> None:
    """In text as COPY TO writes them."""
    escapes = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}
    data = "".join("\t".join("".join(escapes.get(c, c) for c in field) for field in row) + "\n" for row in rows)
    reader = copy_rows(CopyOptions(), 1 << 20)
    raw = messages(data.encode(), size)
    found = [row for at in range(0, len(raw), step) for row in reader.feed(raw[at : at + step])]
    assert [*found, *reader.finish()] == [[field.encode() for field in row] for row in rows]


def test_a_row_has_its_limit() -> None:
    check = CopyCheck(SHAPE, "utf-8", 1000)
    found = check.feed(messages(b"x" * 2000, 100))
    assert found is not None
    assert "limits.row" in found.reason


def test_an_enums_label_is_no_mask_of_text() -> None:
    kinds = {99999: UserType("enum", label="first")}
    assert transform(MASKS["fixed"], 99999, 0, types=kinds)(b"second") == b"first"
    assert not is_mask(into("fixed", 99999), "first", frozenset())
