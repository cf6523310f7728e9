"""Builders and parsers of messages agree, refuse what is malformed, and raise nothing but protocol errors."""

from __future__ import annotations

import contextlib
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hoopgate.codecs.postgresql import messages as m
from hoopgate.errors import LocalProtocolError, RemoteProtocolError
from hoopgate.frames import Column

PARSERS = {
    b"Q": [m.parse_query],
    b"P": [m.parse_parse],
    b"B": [m.parse_bind, m.parse_bind_head],
    b"D": [m.parse_describe, m.parse_data_row],
    b"C": [m.parse_close, m.parse_command_complete],
    b"E": [m.parse_execute, m.parse_fields],
    b"N": [m.parse_fields],
    b"F": [m.parse_function_call],
    b"f": [m.parse_copy_fail],
    b"T": [m.parse_row_description],
    b"S": [m.parse_parameter_status],
    b"K": [m.parse_backend_key_data],
    b"G": [m.parse_copy_response],
    b"H": [m.parse_copy_response, m.parse_copy_out_response],
    b"Z": [m.parse_ready_for_query],
    b"t": [m.parse_parameter_description],
    b"A": [m.parse_notification],
    b"R": [m.parse_authentication],
    b"v": [m.parse_negotiate_protocol_version],
}
ALL = [parser for parsers in PARSERS.values() for parser in parsers]
cstrings = st.binary(max_size=20).map(lambda raw: raw.replace(b"\0", b""))
values = st.lists(st.none() | st.binary(max_size=20), max_size=6)
int16 = st.integers(-0x8000, 0x7FFF)
oids = st.lists(st.integers(0, 0xFFFFFFFF), max_size=5)


@given(cstrings, cstrings, oids)
def test_parse_round_trip(name: bytes, text: bytes, types: list[int]) -> None:
    parsed = m.parse_parse(m.parse_message(name, text, types))
    assert (parsed.name, parsed.text, parsed.type_oids) == (name, text, tuple(types))


@given(cstrings, cstrings, values, st.lists(int16, max_size=5), st.booleans())
def test_bind_round_trip(portal, statement, given_values, result_formats, one_format) -> None:
    formats = [1] if one_format else [0] * len(given_values)
    raw = m.bind(portal, statement, formats, given_values, result_formats)
    bound = m.parse_bind(raw)
    assert (bound.portal, bound.statement, bound.values) == (portal, statement, tuple(given_values))
    assert (bound.formats, bound.result_formats) == (tuple(formats), tuple(result_formats))
    head = raw[: 5 + len(portal) + len(statement) + 2]
    assert m.parse_bind_head(raw) == m.parse_bind_head(head) == (portal, statement)
    with pytest.raises(RemoteProtocolError):
        m.parse_bind_head(head[:-1])


@given(cstrings, st.sampled_from([b"S", b"P"]), st.integers(-(2**31), 2**31 - 1))
def test_small_requests_round_trip(name: bytes, kind: bytes, rows: int) -> None:
    assert m.parse_query(m.query(name)) == name
    assert m.parse_describe(m.describe(kind, name)) == (kind, name)
    assert m.parse_close(m.close(kind, name)) == (kind, name)
    assert m.parse_execute(m.execute(name, rows)) == (name, rows)
    assert m.parse_copy_fail(m.copy_fail(name)) == name


@given(values, st.integers(0, 0xFFFFFFFF), st.binary(min_size=4, max_size=256))
def test_answers_round_trip(row: list[bytes | None], pid: int, secret: bytes) -> None:
    assert m.parse_data_row(m.data_row(row)) == row
    assert m.parse_backend_key_data(m.backend_key_data(pid, secret)) == (pid, secret)
    call = m.parse_function_call(m.function_call(pid, [0], row, 1))
    assert (call.oid, call.values, call.result_format) == (pid, tuple(row), 1)


@given(st.lists(st.tuples(st.text(max_size=8).filter(lambda t: "\0" not in t), int16, oids), max_size=4))
def test_row_description_round_trip(given_columns) -> None:
    columns = [Column(name, sum(n) & 0xFFFFFFFF, att, 25, -1, -1, 0) for name, att, n in given_columns]
    parsed = m.parse_row_description(m.row_description(columns))
    assert [vars_of(column) for column in parsed] == [vars_of(column) for column in columns]


def vars_of(column: Column) -> list[object]:
    names = ("name", "table_oid", "attnum", "type_oid", "type_size", "type_modifier", "format")
    return [getattr(column, name) for name in names]


def test_column_names_of_another_encoding_survive() -> None:
    raw = m.row_description([Column("x", 1, 1, 25, -1, -1, 0)]).replace(b"x\0", b"\xe9\0")
    assert m.row_description(m.parse_row_description(raw)) == raw
    assert m.parse_row_description(raw, "latin-1")[0].name == "é"


@settings(max_examples=200)
@given(st.sampled_from(sorted(PARSERS)), st.binary(max_size=40))
def test_any_body_parses_or_is_a_remote_protocol_error(kind: bytes, body: bytes) -> None:
    raw = m.message(kind, body)
    for parser in PARSERS[kind]:
        with contextlib.suppress(RemoteProtocolError):
            parser(raw)


@given(st.binary(max_size=30))
def test_garbage_is_a_remote_protocol_error_or_a_message(raw: bytes) -> None:
    for parser in ALL:
        try:
            parser(raw)
        except RemoteProtocolError:
            continue
        assert len(raw) >= 5


GOOD = [
    (m.parse_query, m.query("select 1")),
    (m.parse_parse, m.parse_message("a", "select $1", [23])),
    (m.parse_bind, m.bind("", "a", [1], [b"x", None], [0, 1])),
    (m.parse_describe, m.describe(b"S", "a")),
    (m.parse_execute, m.execute("p", 5)),
    (m.parse_data_row, m.data_row([b"a", None])),
    (m.parse_row_description, m.row_description([Column("x", 1, 1, 25, -1, -1, 0)])),
    (m.parse_fields, m.error_response(sqlstate="42501", message="no")),
    (m.parse_parameter_status, m.parameter_status("a", "b")),
    (m.parse_ready_for_query, m.ready_for_query(b"I")),
    (m.parse_copy_out_response, m.copy_out_response(False, [0, 0])),
    (m.parse_negotiate_protocol_version, m.negotiate_protocol_version(2, ["_pq_.x"])),
]


@pytest.mark.parametrize(("parser", "raw"), GOOD)
def test_truncated_and_extended_bodies_are_refused(parser, raw: bytes) -> None:
    parser(raw)
    body = raw[5:]
    for size in range(len(body)):
        with pytest.raises(RemoteProtocolError):
            parser(m.message(raw[:1], body[:size]))
    with pytest.raises(RemoteProtocolError):
        parser(m.message(raw[:1], body + b"\0"))
    with pytest.raises(RemoteProtocolError):
        parser(raw + b"\0")  # the length no longer matches
    with pytest.raises(RemoteProtocolError):
        parser(b"\x01" + raw[1:])


def test_a_huge_negotiation_count_is_refused_without_looping() -> None:
    with pytest.raises(RemoteProtocolError):
        m.parse_negotiate_protocol_version(m.message(b"v", struct.pack(">II", 3 << 16, 0x7FFFFFFF)))


def test_bind_with_formats_that_do_not_fit_is_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="3 parameter formats but 1 parameters"):
        m.parse_bind(m.bind("", "", [0, 0, 1], [b"x"]))


def test_bytes_of_messages_as_the_manual_has_them() -> None:
    assert m.query("select 1") == b"Q\0\0\0\rselect 1\0"
    assert m.sync() == b"S\0\0\0\4"
    assert m.ssl_request() == b"\0\0\0\x08\x04\xd2\x16\x2f"
    assert m.cancel_request(1, b"abcd") == b"\0\0\0\x10\x04\xd2\x16\x2e\0\0\0\x01abcd"
    assert m.startup_message({"user": "a"}, (3, 2)) == b"\0\0\0\x10\0\x03\0\x02user\0a\0\0"
    assert m.sasl_initial_response("X", None) == b"p\0\0\0\x0aX\0\xff\xff\xff\xff"
    assert m.negotiate_protocol_version(2) == b"v\0\0\0\x0c\0\x03\0\x02\0\0\0\0"


def test_an_error_carries_its_fields_and_drops_nul() -> None:
    raw = m.error_response(
        severity="FATAL", sqlstate="42501", message="no\0pe", detail="rule x", hint="ask", where="here"
    )
    assert m.parse_fields(raw) == {
        "S": b"FATAL", "V": b"FATAL", "C": b"42501", "M": b"nope", "D": b"rule x", "H": b"ask", "W": b"here",
    }  # fmt: skip
    assert m.fields_response(b"E", m.parse_fields(raw)) == raw


def test_an_error_in_an_encoding_that_lacks_a_character() -> None:
    assert m.parse_fields(m.notice_response(message="é€", encoding="latin-1"))["M"] == b"\xe9?"


def test_our_own_mistakes_are_local_errors() -> None:
    for wrong in (
        lambda: m.query("a\0b"),
        lambda: m.backend_key_data(1, b"abc"),
        lambda: m.backend_key_data(1, b"a" * 257),
        lambda: m.ready_for_query(b"X"),
        lambda: m.describe(b"Q", ""),
        lambda: m.error_response(sqlstate="XX000", message="x", nonsense="y"),
        lambda: m.backend_key_data(-1, b"abcd"),
        lambda: m.execute("", 2**31),
        lambda: m.data_row([None] * 65536),
    ):
        with pytest.raises(LocalProtocolError):
            wrong()


@pytest.mark.parametrize("size", [0, 3, 257])
def test_cancel_keys_out_of_bounds_are_refused(size: int) -> None:
    with pytest.raises(RemoteProtocolError):
        m.parse_backend_key_data(m.message(b"K", bytes(4 + size)))
