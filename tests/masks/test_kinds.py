"""Kinds of masks: every value stays valid for the client's type, in text and in binary, says the server itself."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg import pq

from hoopgate.catalogue.snapshot import UserType
from hoopgate.config.model import Mask
from hoopgate.fixed_values import ARRAYS, FIXED
from hoopgate.masks import transform
from hoopgate.transforms import Constant, is_marked, marked
from tests.masks.gate import rows

KEY = b"k" * 32
REPLACE = Mask("m", (), value="####")
KEEP = Mask("m", (), kind="keep-last", keep=4)
HASH = Mask("m", (), kind="hash")
NULL = Mask("m", (), kind="null")
FIX = Mask("m", (), kind="fixed")
TEXT, VARCHAR, CHAR = 25, 1043, 1042


@pytest.mark.parametrize("oid", sorted({**FIXED, **dict.fromkeys(ARRAYS)}))
def test_the_server_reads_fixed_values_of_either_format_as_the_same_value(
    catalogue_connection: pq.PGconn, oid: int
) -> None:
    text, binary = (transform(FIX, oid, format)(b"x") for format in (0, 1))
    assert text is not None
    assert binary is not None
    name = rows(catalogue_connection, f"SELECT format_type({oid}, NULL)")[0][0]
    if name in ("xml", "xml[]") or name == "bit[]":
        pytest.skip(f"this server cannot send {name}")
    type_name = "varchar" if name == "character varying" else name
    sql = f"SELECT $1::{type_name}".encode()
    for value, format in ((text, pq.Format.TEXT), (binary, pq.Format.BINARY)):
        result = catalogue_connection.exec_params(sql, [value], param_formats=[format], result_format=pq.Format.BINARY)
        assert result.status == pq.ExecStatus.TUPLES_OK, (name, result.error_message)
        assert result.get_value(0, 0) == binary, name


def test_arrays_name_their_elements_as_the_server_does(catalogue_connection: pq.PGconn) -> None:
    numbers = ", ".join(str(oid) for oid in ARRAYS)
    found = rows(
        catalogue_connection, f"SELECT oid::int8::text, typelem::int8::text FROM pg_type WHERE oid IN ({numbers})"
    )
    assert {int(oid or 0): int(element or 0) for oid, element in found} == ARRAYS


@pytest.mark.parametrize("mask", [REPLACE, KEEP, HASH, FIX])
@pytest.mark.parametrize("oid", [16, 23, 1082, 1700, 2950, 1184])
def test_types_that_hold_no_text_get_a_value_of_their_own(mask: Mask, oid: int) -> None:
    for format in (0, 1):
        expected = FIXED[oid].binary if format else FIXED[oid].text
        assert transform(mask, oid, format)(b"secret") == expected


def test_replace_and_fixed_are_recognisable_in_text() -> None:
    for format in (0, 1):
        assert transform(REPLACE, TEXT, format)(b"secret") == b"####"
        assert transform(FIX, VARCHAR, format)(b"secret") == b"****"
    assert transform(REPLACE, 114, 0)(b'{"a": 1}') == b'"****"'
    assert transform(REPLACE, 3802, 1)(b'\x01{"a": 1}') == b'\x01"****"'
    assert transform(FIX, 3802, 1)(b'\x01{"a": 1}') == b"\x01{}"


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (b"4111111111111234", b"****1234"),
        (b"12345", b"****2345"),
        (b"1234", b"****"),  # nothing would be hidden
        (b"", b"****"),
        ("äöüß€".encode(), "****öüß€".encode()),
        (b"abcdefg   ", b"****defg"),  # char(n) pads
        (b"\xff\xfe\xff\xfe\xff", b"****"),  # not of the client's encoding
    ],
)
def test_keep_last_counts_characters(value: bytes, kept: bytes) -> None:
    assert transform(KEEP, CHAR, 0)(value) == kept
    assert transform(KEEP, TEXT, 1)(value) == kept


def test_keep_nothing_keeps_nothing() -> None:
    assert transform(Mask("m", (), kind="keep-last", keep=0), TEXT, 0)(b"secret") == b"****"


def test_hash_is_an_hmac_that_joins_over_encodings_and_formats() -> None:
    expected = marked(hmac.digest(KEY, "é".encode(), "sha256"), 32).hex().encode()
    assert expected[:56] == hmac.new(KEY, "é".encode(), hashlib.sha256).hexdigest().encode()[:56]
    assert transform(HASH, TEXT, 0, key=KEY)("é".encode()) == expected
    assert transform(HASH, TEXT, 1, key=KEY, encoding="iso8859-1")("é".encode("latin-1")) == expected
    assert transform(HASH, TEXT, 0, key=b"other")("é".encode()) != expected


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=40), st.sampled_from(["utf-8", "UTF8", "iso8859-1", "cp1252", "euc_jp", "big5", "nonsense"]))
def test_keep_last_keeps_what_decoding_it_would(value: bytes, encoding: str) -> None:
    try:
        text = value.decode(encoding).rstrip(" ")
        kept = text[-4:].encode(encoding) if len(text) > 4 else b""
    except (UnicodeError, LookupError):
        kept = b""
    assert transform(KEEP, TEXT, 0, encoding=encoding)(value) == b"****" + kept


@settings(max_examples=200, deadline=None)
@given(st.binary(min_size=1, max_size=130), st.binary(max_size=200), st.sampled_from(["utf-8", "UTF8", "cp1252"]))
def test_hash_is_the_hmac_of_rfc_2104(key: bytes, value: bytes, encoding: str) -> None:
    try:
        plain = value.decode(encoding).encode()
    except UnicodeError:
        plain = value
    expected = marked(hmac.digest(key, plain, "sha256"), 32)
    assert transform(HASH, TEXT, 0, key=key, encoding=encoding)(value) == expected.hex().encode()
    assert transform(HASH, 17, 1, key=key)(value) == marked(hmac.digest(key, value, "sha256"), 32)
    assert is_marked(expected)
    assert not is_marked(hmac.digest(key, plain, "sha256"))


def test_hash_of_uuid_and_bytea_keeps_the_type() -> None:
    text = transform(HASH, 2950, 0, key=KEY)(b"deadbeef-0000-4000-8000-000000000001")
    binary = transform(HASH, 2950, 1, key=KEY)(bytes.fromhex("deadbeef000040008000000000000001"))
    assert text is not None
    assert binary is not None
    assert text.replace(b"-", b"").decode() == binary.hex()
    assert len(text) == 36
    assert (
        transform(HASH, 17, 0, key=KEY)(b"\\x6162")
        == b"\\x" + marked(hmac.digest(KEY, b"ab", "sha256"), 32).hex().encode()
    )
    assert transform(HASH, 17, 1, key=KEY)(b"ab") == marked(hmac.digest(KEY, b"ab", "sha256"), 32)


def test_hash_without_a_key_hides_all() -> None:
    assert transform(HASH, TEXT, 0)(b"secret") == b"****"


def test_null_is_null_whatever_the_type() -> None:
    assert {transform(NULL, oid, format)(b"x") for oid in (TEXT, 23, 99999) for format in (0, 1)} == {None}


def test_types_of_the_users() -> None:
    types = {
        90001: UserType("text"),
        90002: UserType("enum", label="sad"),
        90003: UserType("array", element=90002),
        90004: UserType("enum"),
    }
    assert transform(KEEP, 90001, 0, types=types)(b"abcdefgh") == b"****efgh"
    assert transform(REPLACE, 90002, 1, types=types)(b"happy") == b"sad"
    assert transform(REPLACE, 90003, 0, types=types)(b"{happy}") == b"{}"
    assert transform(REPLACE, 90003, 1, types=types)(b"...") == b"\0" * 8 + (90002).to_bytes(4, "big")
    assert transform(REPLACE, 90004, 0, types=types)(b"x") is None
    assert transform(REPLACE, 90005, 0, types=types)(b"x") is None  # nobody knows the type


def test_a_replacement_that_the_client_cannot_read_falls_back() -> None:
    assert transform(Mask("m", (), value="█"), TEXT, 0, encoding="iso8859-1")(b"x") == b"****"
    assert transform(Mask("m", (), value="█"), TEXT, 0)(b"x") == "█".encode()


# --- derived values


@pytest.mark.parametrize("mask", [REPLACE, KEEP, HASH, NULL, FIX])
@pytest.mark.parametrize("format", [0, 1])
@pytest.mark.parametrize(
    "oid", [TEXT, VARCHAR, CHAR, 19, 705, *sorted({**FIXED, **dict.fromkeys(ARRAYS)}), 2249, 99_999]
)
def test_a_derived_value_is_hidden_whole(mask: Mask, format: int, oid: int) -> None:
    """Whatever the kind: two values give the same bytes, of which none is the value's."""
    hidden = transform(mask, oid, format, key=KEY, derived=True)
    assert isinstance(hidden, Constant)
    assert hidden.value == transform(NULL if mask is NULL else mask, oid, format, derived=True)(b"4111999988887777")


def test_derived_text_shows_the_masks_own_text() -> None:
    assert transform(REPLACE, TEXT, 0, derived=True)(b"secret") == b"####"
    for mask in (KEEP, HASH, FIX):
        assert transform(mask, TEXT, 1, key=KEY, derived=True)(b"secret") == b"****"
    assert transform(NULL, TEXT, 0, derived=True)(b"secret") is None
    assert transform(HASH, 2950, 0, key=KEY, derived=True)(b"x") == FIXED[2950].text
    assert transform(KEEP, 2249, 0, derived=True)(b"(1,secret)") is None  # a row of no table
