"""Masking DataRow messages: right against a plain reference, cheap where nothing changes, strict about lengths."""

from __future__ import annotations

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoopgate.codecs.postgresql import messages as m
from hoopgate.codecs.postgresql.splice import Plan, Splicer
from hoopgate.errors import LocalProtocolError, RemoteProtocolError
from hoopgate.transforms import Constant, KeepLast

LIMIT = 1024


def stars(value: bytes) -> bytes:
    return b"****"


def nothing(value: bytes) -> None:
    return None


def same(value: bytes) -> bytes:
    return value


def doubled(value: bytes) -> bytes:
    return value + value


KEEP = KeepLast(b"****", 4, "utf-8")
TRANSFORMS = [None, None, stars, nothing, same, doubled, Constant(b"***"), Constant(b""), Constant(None), KEEP]
plans = st.lists(st.sampled_from(TRANSFORMS), max_size=6)
cells = st.none() | st.binary(max_size=12)


def splicer(*transforms, limit: int = LIMIT) -> Splicer:
    return Splicer(Plan(tuple(transforms)), limit)


@st.composite
def results(draw):
    """(transforms, rows)"""
    transforms = draw(plans)
    rows = draw(st.lists(st.tuples(*[cells] * len(transforms)), max_size=6))
    return transforms, [list(row) for row in rows]


def expected(transforms, row: list[bytes | None]) -> list[bytes | None]:
    return [
        value if transform is None or value is None else transform(value)
        for transform, value in zip(transforms, row, strict=True)
    ]


@given(results(), st.binary(max_size=9), st.binary(max_size=9))
def test_equals_masking_cell_by_cell(result, before: bytes, behind: bytes) -> None:
    transforms, rows = result
    data = b"".join(m.data_row(row) for row in rows)
    masked = b"".join(m.data_row(expected(transforms, row)) for row in rows)
    one = splicer(*transforms)
    assert one.splice(data, 0, len(data)) == masked
    whole = before + data + behind
    assert one.splice(whole, len(before), len(before) + len(data)) == masked


def test_the_same_object_comes_back_when_nothing_changed() -> None:
    data = m.data_row([b"a", None, b"****"]) * 3
    assert splicer(same, stars, stars).splice(data, 0, len(data)) is data
    assert splicer(None, None, None).splice(data, 0, len(data)) is data


def test_null_stays_null_and_never_reaches_a_transform() -> None:
    def never(value: bytes) -> bytes:
        raise AssertionError(value)

    data = m.data_row([None, b"x"])
    assert splicer(never, None).splice(data, 0, len(data)) is data


def test_an_empty_value_is_no_null() -> None:
    data = m.data_row([b""])
    assert splicer(stars).splice(data, 0, len(data)) == m.data_row([b"****"])


@pytest.mark.parametrize("width", [0, 1, 3])
def test_other_numbers_of_columns_than_announced_are_refused(width: int) -> None:
    data = m.data_row([b"x"] * width)
    with pytest.raises(RemoteProtocolError, match="columns"):
        splicer(stars, None).splice(data, 0, len(data))


def test_rows_over_the_limit_are_refused() -> None:
    data = m.data_row([b"x" * 100])
    assert splicer(stars, limit=len(data)).splice(data, 0, len(data))
    with pytest.raises(RemoteProtocolError, match=r"limits\.row") as caught:
        splicer(stars, limit=len(data) - 1).splice(data, 0, len(data))
    assert caught.value.sqlstate == "54000"


@pytest.mark.parametrize(
    "raw",
    [
        b"D",
        b"D\0\0\0\6\0",
        b"D\0\0\0\5\0\1",
        b"D\xff\xff\xff\xff\0\2",
        m.data_row([b"a", b"b"])[:-1],
        m.data_row([b"a", b"b"]) + b"D\0",
        m.message(b"T", m.data_row([b"a", b"b"])[5:]),
        m.message(b"D", struct.pack(">Hi", 2, -2) + bytes(8)),
        m.message(b"D", struct.pack(">Hi", 2, 0x7FFFFFFF) + bytes(8)),
        m.message(b"D", struct.pack(">Hi", 2, 9) + bytes(8)),
        m.message(b"D", struct.pack(">Hii", 2, 0, 0) + b"x"),
        m.message(b"D", struct.pack(">Hi", 2, 0)),
        m.message(b"D", struct.pack(">H", 2)),
    ],
)
def test_malformed_rows_are_refused(raw: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        splicer(None, stars).splice(raw, 0, len(raw))


def test_a_cell_cannot_reach_into_the_next_row() -> None:
    """The first row's cell claims the bytes of the second row: it would go out unmasked as part of the first."""
    first = m.message(b"D", struct.pack(">Hi", 1, 30))
    data = first + m.data_row([b"4111111111111111" * 2])
    with pytest.raises(RemoteProtocolError, match="exceeds"):
        splicer(stars).splice(data, 0, len(data))


@given(st.binary(max_size=50), plans)
def test_garbage(data: bytes, transforms) -> None:
    for raw in (data, m.message(b"D", data)):
        with contextlib.suppress(RemoteProtocolError):
            splicer(*transforms).splice(raw, 0, len(raw))


def test_a_span_outside_of_the_data_is_our_own_bug() -> None:
    with pytest.raises(LocalProtocolError):
        splicer(stars).splice(b"", 0, 1)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (b"4111111111111111", b"****1111"),
        (b"1234", b"****"),
        (b"", b"****"),
        (b"12345   ", b"****2345"),
        ("naïve café".encode(), "****café".encode()),
        (b"\xff12345", b"****"),
    ],
)
def test_the_end_of_a_value_is_kept_as_the_mask_says(value: bytes, shown: bytes) -> None:
    data = m.data_row([b"a", value, b"b"])
    assert splicer(None, KEEP, None).splice(data, 0, len(data)) == m.data_row([b"a", shown, b"b"])


def test_a_splicer_gives_its_memory_back_after_a_large_row() -> None:
    data = m.data_row([b"x" * (4 << 20)])
    one = splicer(doubled, limit=1 << 24)
    assert one.splice(data, 0, len(data)) == m.data_row([b"x" * (8 << 20)])
    small = m.data_row([b"y"])
    assert one.splice(small, 0, len(small)) == m.data_row([b"yy"])
    assert len(one._out) < 100
