"""Masking COPY streams: against streams made by a plain writer of each format, in any pieces."""

from __future__ import annotations

import contextlib
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hoopgate.codecs.postgresql import messages as m
from hoopgate.codecs.postgresql.copy import CopyOptions, CopySplicer, unmaskable
from hoopgate.codecs.postgresql.splice import Plan
from hoopgate.errors import LocalProtocolError, RemoteProtocolError
from hoopgate.transforms import KeepLast

LIMIT = 4096
NASTY = b'a,"\\\n\r\t\b;|N.' + "é".encode()
texts = st.binary(max_size=6).map(lambda raw: raw.replace(b"\0", b"")) | st.lists(
    st.sampled_from([bytes([byte]) for byte in NASTY]), max_size=8
).map(b"".join)
cells = st.none() | texts
rows_of_three = st.lists(st.tuples(cells, cells, cells).map(list), max_size=5)


def turned(value: bytes) -> bytes | None:
    """A transform whose result needs escapes as much as its argument; some values become NULL."""
    return None if value == b"N" else b"<" + value[::-1] + b'"\t,>'


PLAN = Plan((None, turned, None))


def masked(rows):
    return [[a, None if b is None else turned(b), c] for a, b, c in rows]


# --- plain writers: what PostgreSQL's copyto.c does, byte by byte -------------------------------------------------


def write_text(rows, options: CopyOptions) -> bytes:
    delimiter, null = options.delimiter_byte, options.null_marker
    out = b""
    for row in rows:
        fields = []
        for value in row:
            if value is None:
                fields.append(null)
                continue
            field = value.replace(b"\\", b"\\\\")
            for raw, letter in zip(b"\b\f\n\r\t\v", b"bfnrtv", strict=True):
                field = field.replace(bytes([raw]), b"\\" + bytes([letter]))
            fields.append(field.replace(delimiter, b"\\" + delimiter) if delimiter not in b"\b\f\t\v" else field)
        out += delimiter.join(fields) + b"\n"
    return out


def write_csv(rows, options: CopyOptions) -> bytes:
    delimiter, null, quote = options.delimiter_byte, options.null_marker, options.quote_byte
    out = b""
    for row in rows:
        fields = []
        for index, value in enumerate(row):
            if value is None:
                fields.append(null)
                continue
            special = any(byte in value for byte in (delimiter, quote, b"\n", b"\r"))
            forced = options.force_quote_all or index in options.force_quote
            if special or forced or value == null or (len(row) == 1 and value == b"\\."):
                field = b""
                for byte in value:
                    one = bytes([byte])
                    field += (options.escape_byte if one in (quote, options.escape_byte) else b"") + one
                value = quote + field + quote
            fields.append(value)
        out += delimiter.join(fields) + b"\n"
    return out


def write_binary(rows, extension: bytes = b"", flags: int = 0) -> bytes:
    out = b"PGCOPY\n\xff\r\n\0" + struct.pack(">II", flags, len(extension)) + extension
    for row in rows:
        out += m.data_row(row)[5:]
    return out + b"\xff\xff"


def write(rows, options: CopyOptions) -> bytes:
    if options.format == "binary":
        return write_binary(rows)
    return (write_csv if options.format == "csv" else write_text)(rows, options)


def pieces_of(stream: bytes, cuts: list[int]) -> list[bytes]:
    pieces, position, turn = [], 0, 0
    while position < len(stream):
        size = cuts[turn % len(cuts)]
        pieces.append(stream[position : position + size])
        position, turn = position + size, turn + 1
    return pieces


def payloads(messages: bytes) -> bytes:
    out, position = b"", 0
    while position < len(messages):
        assert messages[position] == 0x64
        size = int.from_bytes(messages[position + 1 : position + 5], "big")
        out += messages[position + 5 : position + 1 + size]
        position += 1 + size
    return out


def run(stream: bytes, options: CopyOptions, cuts: list[int] | None = None, plan: Plan = PLAN, limit=LIMIT) -> bytes:
    splicer = CopySplicer(plan, options, limit)
    pieces = pieces_of(stream, cuts) if cuts else [stream]
    return payloads(b"".join(splicer.feed(m.copy_data(piece)) for piece in pieces) + splicer.finish())


TEXT = [
    CopyOptions(),
    CopyOptions(delimiter=b"|"),
    CopyOptions(delimiter=b",", null=b""),
    CopyOptions(delimiter=b"\b"),
    CopyOptions(delimiter=b"^"),
    CopyOptions(delimiter=b"]", null=b"\\Q"),
]
CSV = [
    CopyOptions("csv"),
    CopyOptions("csv", delimiter=b";", null=b"NULL"),
    CopyOptions("csv", delimiter=b"\t", quote=b"'", escape=b"\\"),
    CopyOptions("csv", escape=b"\\", null=b"N"),
    CopyOptions("csv", quote=b"|", force_quote=frozenset({1})),
    CopyOptions("csv", delimiter=b"-", quote=b"]", escape=b"^", force_quote_all=True),
]
BINARY = [CopyOptions("binary")]


@given(rows_of_three, st.lists(st.integers(1, 20), min_size=1, max_size=4))
def test_equals_masking_cell_by_cell_in_any_pieces(rows, cuts: list[int]) -> None:
    for options in TEXT + CSV + BINARY:
        if options.null == b"":
            rows = [[None if value == b"" else value for value in row] for row in rows]
        stream, wanted = write(rows, options), write(masked(rows), options)
        assert run(stream, options) == wanted
        assert run(stream, options, cuts) == wanted


@pytest.mark.parametrize("options", [CopyOptions(header=True), CopyOptions("csv", header=True)])
def test_the_header_is_not_masked(options: CopyOptions) -> None:
    rows = [[b"id", b'na"me\n', b"x"], [b"1", b"abc", b"2"], [b"3", b"x,y", b"4"]]
    wanted = write(rows[:1], options) + write(masked(rows[1:]), options)
    for cuts in ([1], [7], [1000]):
        assert run(write(rows, options), options, cuts) == wanted


@pytest.mark.parametrize("options", TEXT[:1] + CSV[:1])
def test_a_last_row_without_line_feed_is_masked(options: CopyOptions) -> None:
    assert (
        run(write([[b"1", b"ab", b"2"]], options)[:-1], options) == write(masked([[b"1", b"ab", b"2"]]), options)[:-1]
    )


@pytest.mark.parametrize("options", TEXT[:1] + CSV[:1] + BINARY)
def test_the_same_object_comes_back_when_nothing_changed(options: CopyOptions) -> None:
    raw = m.copy_data(write([[b"1", None, b"2"], [b"3", None, b"4"]], options))
    assert CopySplicer(PLAN, options, LIMIT).feed(raw) is raw
    assert CopySplicer(Plan((None, None, None)), options, LIMIT).feed(raw) is raw


def test_a_row_a_message_stays_a_row_a_message() -> None:
    splicer = CopySplicer(PLAN, CopyOptions(), LIMIT)
    data = b"x" + m.copy_data(b"1\tab\t2\n") + m.copy_data(b"3\t\\N\t4\n") + m.copy_data(b"5\tcd\t6\n") + b"y"
    wanted = [write_text(masked([row]), CopyOptions()) for row in ([b"1", b"ab", b"2"], [b"5", b"cd", b"6"])]
    assert splicer.splice(data, 1, len(data) - 1) == b"".join(
        [m.copy_data(wanted[0]), m.copy_data(b"3\t\\N\t4\n"), m.copy_data(wanted[1])]
    )


def test_what_is_held_back_sends_no_empty_message() -> None:
    splicer = CopySplicer(PLAN, CopyOptions(), LIMIT)
    assert splicer.feed(m.copy_data(b"1\ta")) == b""
    assert splicer.feed(m.copy_data(b"b\t2\n")) == m.copy_data(write_text(masked([[b"1", b"ab", b"2"]]), CopyOptions()))


@given(rows_of_three, st.lists(st.integers(1, 20), min_size=1, max_size=4))
def test_the_end_of_a_value_is_kept_as_the_mask_says(rows, cuts: list[int]) -> None:
    """Where it stands, when it stands there as it is."""
    for shown in (b"****", b'"', b"a,", b""):
        keep = KeepLast(shown, 2, "utf-8")
        plan = Plan((keep, None, keep))
        for options in TEXT + CSV + BINARY:
            if options.null == b"":
                rows = [[None if value == b"" else value for value in row] for row in rows]
            wanted = [[a if a is None else keep(a), b, c if c is None else keep(c)] for a, b, c in rows]
            if options.null == b"" and any(b"" in row for row in wanted):
                continue
            assert run(write(rows, options), options, plan=plan) == write(wanted, options)
            assert run(write(rows, options), options, cuts, plan=plan) == write(wanted, options)


# --- what must not leak -----------------------------------------------------------------------------------------


def test_escaped_delimiters_do_not_shift_the_fields() -> None:
    secret = Plan((None, lambda value: b"*", None))
    assert run(b"a\\|b|secret|c\n", CopyOptions(delimiter=b"|"), plan=secret) == b"a\\|b|*|c\n"
    assert run(b"a\\\\|secret|c\n", CopyOptions(delimiter=b"|"), plan=secret) == b"a\\\\|*|c\n"
    assert run(b'"a,""\n,b",secret,c\n', CopyOptions("csv"), plan=secret) == b'"a,""\n,b",*,c\n'


def test_transforms_see_values_and_not_their_escapes() -> None:
    seen: list[bytes] = []

    def note(value: bytes) -> bytes:
        seen.append(value)
        return value

    run(b"x\\ty\\\\\\n\\x41\\101\\Q\n", CopyOptions(), plan=Plan((note,)))
    run(b'"a""b\n"\n', CopyOptions("csv"), plan=Plan((note,)))
    assert seen == [b"x\ty\\\nAAQ", b'a"b\n']


@pytest.mark.parametrize("null", [b"4111", b"NULL", b"\\t", b"\\\\x", b"x\\"])
def test_a_null_marker_that_may_be_a_value_cannot_be_masked(null: bytes) -> None:
    options = CopyOptions(null=null)
    assert "NULL marker" in unmaskable(options)
    with pytest.raises(LocalProtocolError):
        CopySplicer(PLAN, options, LIMIT)
    assert unmaskable(CopyOptions("csv", null=b"4111")) == ""  # such a value is quoted there


@pytest.mark.parametrize("null", [None, b"", b"\\N", b"\\Q"])
def test_null_markers_that_are_safe(null: bytes | None) -> None:
    assert unmaskable(CopyOptions(null=null)) == ""


def test_csv_tells_null_from_a_value_that_looks_like_it() -> None:
    plan = Plan((lambda value: b"*", None))
    assert run(b'NULL,a\n"NULL",b\n', CopyOptions("csv", null=b"NULL"), plan=plan) == b"NULL,a\n*,b\n"
    assert run(b'x,a\n"",b\n,c\n', CopyOptions("csv"), plan=plan) == b"*,a\n*,b\n,c\n"
    back = Plan((lambda value: b"NULL", None))
    assert run(b"x,a\n", CopyOptions("csv", null=b"NULL"), plan=back) == b'"NULL",a\n'


def test_quotes_of_a_masked_field_do_not_tell_what_it_held() -> None:
    plan = Plan((lambda value: b"*",))
    assert run(b'"a,b"\n"a""b"\nab\n', CopyOptions("csv"), plan=plan) == b"*\n*\n*\n"
    assert run(b'"a,b"\n"ab"\n\n', CopyOptions("csv", force_quote_all=True), plan=plan) == b'"*"\n"*"\n\n'


@pytest.mark.parametrize("encoding", ["SJIS", "shift_jis", "BIG5", "GBK", "UHC", "cp949", "GB18030", "JOHAB", "x"])
def test_encodings_whose_characters_hold_ascii_bytes_cannot_be_masked(encoding: str) -> None:
    assert encoding in unmaskable(CopyOptions(encoding=encoding))
    assert encoding in unmaskable(CopyOptions("csv", encoding=encoding))
    assert unmaskable(CopyOptions("binary", encoding=encoding)) == ""


@pytest.mark.parametrize(
    "encoding", ["UTF8", "utf-8", "SQL_ASCII", "LATIN1", "iso8859-15", "WIN1252", "EUC_JP", "ascii"]
)
def test_encodings_that_can_be_masked(encoding: str) -> None:
    assert unmaskable(CopyOptions(encoding=encoding)) == ""


@pytest.mark.parametrize(
    "options",
    [
        CopyOptions(delimiter=b""),
        CopyOptions(delimiter=b"ab"),
        CopyOptions(delimiter=b"\n"),
        CopyOptions(delimiter=b"\xe9"),
        CopyOptions(delimiter=b"a"),
        CopyOptions(delimiter=b"\\"),
        CopyOptions(delimiter=b"N"),
        CopyOptions(null=b"a\nb"),
        CopyOptions("csv", quote=b","),
        CopyOptions("csv", null=b'"'),
        CopyOptions("csv", escape=b"xx"),
    ],
)
def test_options_that_postgresql_refuses_too(options: CopyOptions) -> None:
    assert unmaskable(options)


# --- malformed streams ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "stream"),
    [
        (TEXT[0], b"1\t2\n"),
        (TEXT[0], b"1\t2\t3\t4\n"),
        (TEXT[0], b"\n"),
        (TEXT[0], b"1\t2\t3\\\n"),
        (CSV[0], b"1,2\n"),
        (CSV[0], b"1,2,3,4\n"),
        (CSV[0], b'1,"2"x,3\n'),
        (CSV[0], b'1,2"x",3\n'),
        (CSV[0], b'1,"2,3\n'),
        (BINARY[0], b""),
        (BINARY[0], b"PGCOPY\n\xff\r\r\0" + bytes(8)),
        (BINARY[0], b"x"),
        (BINARY[0], write_binary([], flags=1 << 16)),
        (BINARY[0], write_binary([])[:-2]),
        (BINARY[0], write_binary([]) + b"x"),
        (BINARY[0], write_binary([[b"1", b"2"]])),
        (BINARY[0], write_binary([[b"1", b"2", b"3"]])[:-4]),
        (BINARY[0], write_binary([])[:-2] + b"\xff\xfe"),
        (BINARY[0], write_binary([])[:-2] + struct.pack(">hi", 3, -2)),
        (BINARY[0], write_binary([])[:-2] + struct.pack(">hi", 3, 0x7FFFFFFF)),
        (BINARY[0], write_binary([])[:15] + b"\xff\xff\xff\xff"),
        (BINARY[0], write_binary([])[:15] + b"\x7f\xff\xff\xff"),
    ],
)
@pytest.mark.parametrize("cuts", [[1], [1000]])
def test_malformed_streams_are_refused(options: CopyOptions, stream: bytes, cuts: list[int]) -> None:
    with pytest.raises(RemoteProtocolError):
        run(stream, options, cuts)


def test_the_header_of_binary_may_be_extended() -> None:
    row = [b"1", b"ab", b"2"]
    for cuts in ([1], [20], [1000]):
        assert run(write_binary([row], b"later", 1), BINARY[0], cuts) == write_binary(masked([row]), b"later", 1)


@pytest.mark.parametrize("options", TEXT[:1] + CSV[:1] + BINARY)
@pytest.mark.parametrize("cuts", [[1], [10_000]])
def test_rows_over_the_limit_are_refused(options: CopyOptions, cuts: list[int]) -> None:
    def of(size: int) -> bytes:
        return write([[b"1", b"a" * size, b"2"], [b"1", b"b", b"2"]], options)

    assert run(of(150), options, cuts, limit=200)
    with pytest.raises(RemoteProtocolError, match=r"limits\.row") as caught:
        run(of(250), options, cuts, limit=200)
    assert caught.value.sqlstate == "54000"


@settings(max_examples=100)
@given(
    st.sampled_from(TEXT + CSV + BINARY),
    st.binary(max_size=40),
    st.booleans(),
    st.lists(st.integers(1, 9), min_size=1, max_size=3),
)
def test_garbage_ends_the_same_way_in_any_pieces(options, garbage: bytes, behind: bool, cuts: list[int]) -> None:
    stream = write([[b"1", b"a", b"2"]], options)[: -2 if options.format == "binary" else None] + garbage
    stream = stream if behind else garbage
    outcomes = []
    for cut in (None, cuts):
        try:
            outcomes.append(run(stream, options, cut))
        except RemoteProtocolError:
            outcomes.append(None)
    assert outcomes[0] == outcomes[1]


@given(st.binary(max_size=20))
def test_garbage_in_place_of_messages(raw: bytes) -> None:
    with contextlib.suppress(RemoteProtocolError):
        CopySplicer(PLAN, CopyOptions(), LIMIT).feed(raw)


def test_many_small_pieces_of_a_large_row_take_linear_time() -> None:
    """100,000 messages of one row: each copied or searched again from its start would take minutes."""
    for options in (TEXT[0], CSV[3], BINARY[0]):
        stream = write([[b"1", b'a"\\' * 100_000, b"2"]], options)
        splicer = CopySplicer(PLAN, options, 1 << 20)
        out = b"".join(splicer.feed(m.copy_data(piece)) for piece in pieces_of(stream, [5])) + splicer.finish()
        assert payloads(out) == write(masked([[b"1", b'a"\\' * 100_000, b"2"]]), options)
