"""Our reading of a text is the server's: bytes to characters, characters to tokens, names to names.

A lexer out of step with the server's is a hole: what one takes for a string the other runs. So all of it is compared
with real servers, on texts put together at random from what is special to one lexical rule or another.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from typing import Any, Final

import pytest
from postgast import PgQueryError, pg_query_pb2, scan
from psycopg import pq

from hoopgate.codecs.postgresql.encodings import codec
from hoopgate.development import postgres
from hoopgate.policy.sql.effects import effects
from hoopgate.policy.sql.parser import parse
from hoopgate.policy.sql.plpgsql_tokens import tokens
from hoopgate.policy.sql.shape import shape
from hoopgate.policy.sql.tree import Unparsable

# in which the second byte of a character can be a quote's neighbour, and one of each other sort
ENCODINGS = (
    "SJIS", "BIG5", "GBK", "UHC", "JOHAB", "GB18030", "EUC_JP", "EUC_KR", "EUC_CN", "EUC_JIS_2004", "LATIN1", "KOI8R",
    "WIN1252", "WIN874", "LATIN10",
)  # fmt: skip

TOKENS: Final = (
    "'",
    "''",
    "\\",
    "\\'",
    "$",
    "$$",
    "$a$",
    "$é$",
    "a",
    "b",
    "_",
    "1",
    ".",
    "e",
    "E'",
    "e'",
    "U&'",
    "u&'",
    'U&"',
    '"',
    '""',
    "x'",
    "b'",
    "n'",
    "--",
    "/*",
    "*/",
    "/",
    "*",
    "-",
    "\n",
    "\r",
    "\t",
    "\v",
    "\f",
    " ",
    ";",
    "SELECT ",
    "UESCAPE '!'",
    "!0041",
    "\\0041",
    "\\+000041",
    "\\x41",
    "\\101",
    "\\u0041",
    "é",
    "\u00a0",
    "\u2003",
    "\ufeff",
    "日本",
    "||",
    ",",
    "(",
    ")",
    "::text",
    "0x1F",
    "1_000",
    "1e5",
    ".5",
    "5.",
    "0b1",
    "@",
    "?",
    "#",
    "+",
    "<",
    ">",
    "=",
    "~",
    "!",
    "%",
    "^",
    "&",
    "|",
    "`",
    "K",
    "İ",
    "ß",
)
SYNTAX: Final = (b"42601", b"22019", b"22025", b"22P06", b"22021", b"42602", b"42622", b"22000", b"22P02")


@pytest.fixture(scope="module")
def newest(embedded_postgres: postgres.EmbeddedPostgres) -> Iterator[pq.PGconn]:
    connection = _connect(embedded_postgres)
    yield connection
    connection.finish()


@pytest.fixture(scope="module")
def older() -> Iterator[pq.PGconn]:
    programs = postgres.system_programs()
    if programs is None:
        pytest.skip("no PostgreSQL under /usr/lib/postgresql")
    running = postgres.PostgresServer(programs).start()
    connection = _connect(running)
    yield connection
    connection.finish()
    running.stop()


def _connect(server: postgres.PostgresServer) -> pq.PGconn:
    connection = pq.PGconn.connect(server.dsn().encode())
    assert connection.status == pq.ConnStatus.OK
    connection.notice_handler = None
    return connection


# -- bytes


CONVERT = """
CREATE FUNCTION pg_temp.converted(name text) RETURNS TABLE (bytes int, text text) LANGUAGE plpgsql AS $$
BEGIN
    FOR n IN 32768..65535 LOOP
        BEGIN
            bytes := n; text := convert_from(decode(to_hex(n), 'hex'), name); RETURN NEXT;
        EXCEPTION WHEN others THEN NULL;
        END;
    END LOOP;
END $$
"""


def _skeleton(text: str) -> str:
    """What lexing sees of a text: ASCII as it is, and that there is something else."""
    return re.sub(r"[^\x00-\x7f]+", "X", text)


def test_pairs_of_bytes_are_the_same_characters(newest: pq.PGconn) -> None:
    newest.exec_(CONVERT.encode())
    for encoding in ENCODINGS:
        result = newest.exec_(f"SELECT * FROM pg_temp.converted('{encoding}')".encode())
        assert result.ntuples > 7000, result.error_message
        ours = codec(encoding)
        assert ours is not None
        for row in range(result.ntuples):
            raw = int(result.get_value(row, 0) or 0).to_bytes(2, "big")
            try:
                text = raw.decode(ours)
            except UnicodeError:
                continue  # refused: nobody is misled
            assert _skeleton(text) == _skeleton((result.get_value(row, 1) or b"").decode()), (encoding, raw)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_ascii_is_itself(encoding: str) -> None:
    ours = codec(encoding)
    assert ours is not None
    every = bytes(range(1, 128))
    assert every.decode(ours) == every.decode("ascii")
    for byte in range(128, 256):
        try:
            assert not bytes([byte]).decode(ours).isascii()
        except UnicodeError:
            continue


# -- tokens and names


def _agrees(server: pq.PGconn, text: str) -> bool:
    """Compare what the server makes of a SELECT with the parse tree. True if both took it."""
    result = server.exec_(text.encode())
    state = result.error_field(pq.DiagnosticField.SQLSTATE) or b""
    try:
        parsed = parse(text)
    except Unparsable:
        assert state in SYNTAX, f"the server takes {text!r}, and we do not"
        return False
    if state or len(parsed.statements) != 1:
        return False
    columns = parsed.statements[0]["SelectStmt"].get("targetList", [])
    if result.nfields != len(columns):
        return False
    for place, column in enumerate(columns):
        target = column["ResTarget"]
        constant = target.get("val", {}).get("A_Const", {})
        if "sval" in constant:
            assert (result.get_value(0, place) or b"").decode() == constant["sval"].get("sval", ""), text
        if "name" in target:
            assert (result.fname(place) or b"").decode() == target["name"], text
    return True


def _texts(seed: int, count: int) -> Iterator[str]:
    chance = random.Random(seed)
    for _ in range(count):
        yield "SELECT " + "".join(chance.choice(TOKENS) for _ in range(chance.randint(1, 9)))


def test_texts_mean_the_same(newest: pq.PGconn) -> None:
    assert sum(_agrees(newest, text) for text in _texts(1, 5000)) > 150


def test_texts_mean_the_same_to_an_older_server(older: pq.PGconn) -> None:
    assert sum(_agrees(older, text) for text in _texts(2, 5000)) > 150


NAMES = (
    "a" * 63,
    "a" * 64,
    "a" * 200,
    "é" * 31 + "a",
    "é" * 32,
    "a" + "é" * 31,
    "aé" * 40,
    "日" * 21,
    "日" * 22,
    "a" + "日" * 21,
    "😀" * 16,
    "abc" + "😀" * 15,
    "ÉTÉ",
    "İstanbul",
    "\u212a",
    "\u017f",
    "straße",
    "A" * 70,
    "Ab" + "É" * 40,
)


@pytest.mark.parametrize("name", NAMES)
def test_names_are_folded_and_cut_alike(newest: pq.PGconn, name: str) -> None:
    for written in (name, f'"{name}"', f'U&"{name}"', f"U&\"!0041{name}\" UESCAPE '!'"):
        assert _agrees(newest, f"SELECT 1 AS {written}")


def test_backslashes_are_read_alike_whatever_the_settings_say_of_them(newest: pq.PGconn) -> None:
    """backslash_quote only refuses; escape_string_warning only warns."""
    texts = [r"SELECT E'\''", r"SELECT E'a\\'", r"SELECT '\'", r"SELECT E'\x27; SELECT 1 --'", "SELECT E'\\\n'"]
    for setting in ("backslash_quote = on", "backslash_quote = off", "backslash_quote = safe_encoding",
                    "escape_string_warning = on"):  # fmt: skip
        newest.exec_(f"SET {setting}".encode())
        for text in texts:
            _agrees(newest, text)
    newest.exec_(b"RESET ALL")


def test_blocks_of_plpgsql_are_cut_into_the_same_tokens() -> None:
    """libpg_query's scanner is the server's own."""
    seen = 0
    for text in _texts(4, 20_000):
        try:
            theirs = scan(text)
        except PgQueryError:
            continue
        raw = text.encode()
        wanted = [(one.start, one.end) for one in theirs.tokens if _is_counted(raw, one)]
        ours = [
            (len(text[: one.start].encode()), len(text[: one.end].encode()))
            for one in tokens(text)
            if one.kind in ("string", "escaped", "quoted", "word")
        ]
        assert ours == wanted, text
        seen += 1
    assert seen > 2000


def _is_counted(raw: bytes, token: Any) -> bool:
    """Names, keywords and strings: what begins and ends statements, or hides their ends."""
    if pg_query_pb2.Token.Name(token.token) in ("SQL_COMMENT", "C_COMMENT"):
        return False
    first = raw[token.start : token.start + 1]
    plain = first.isalpha() or first in b"'\"_" or first >= b"\x80" or raw[token.start : token.end].endswith(b"$")
    return plain and token.end - token.start > (first == b"$")


# -- shapes


PIECES: Final = (
    "'",
    "''",
    "'a'",
    "'b;'",
    "1",
    "2",
    ".",
    "e",
    "E'",
    "U&'",
    '"',
    '"a"',
    "x'",
    "b'",
    "--",
    "/*",
    "*/",
    "-",
    "\n",
    " ",
    " ",
    " ",
    ";",
    "SELECT ",
    "a",
    "b",
    "é",
    "::text",
    ".5",
    "5.",
    "1e5",
    "0x1F",
    "1_0",
    "_",
    "||",
    ",",
    "(",
    ")",
    "=",
    "\t",
    "'it''s'",
    "N'",
    "null",
    "true",
    " FROM t WHERE ",
    "DELETE FROM t WHERE ",
    " LIMIT 1",
    " ORDER BY 1",
    " IN (1, 2)",
    " LIKE '%'",
    "$1",
    "interval '1' day",
    "@",
    "?",
    " OR ",
    " * 0",
    " < ",
    "length(a)",
    " FOR UPDATE",
    "coalesce(",
)


def _without_literals(value: Any) -> Any:
    if type(value) is dict:
        if "A_Const" in value and "sval" in value["A_Const"]:
            return "text"
        if "A_Const" in value and not {"ival", "fval"}.isdisjoint(value["A_Const"]):
            return "number"
        return {key: _without_literals(child) for key, child in value.items() if not _is_place(key)}
    return [_without_literals(child) for child in value] if type(value) is list else value


def _is_place(key: str) -> bool:
    return "location" in key or key.startswith(("list_", "rexpr_list_"))


def test_texts_of_one_shape_have_one_tree_and_do_the_same() -> None:
    chance = random.Random(3)
    known: dict[str, tuple[str, Any, str]] = {}
    met = 0
    for _ in range(40_000):
        start = chance.choice(("SELECT ", "DELETE FROM t WHERE a = ", "UPDATE t SET a = 1 WHERE ", ""))
        text = start + "".join(chance.choice(PIECES) for _ in range(chance.randint(1, 6)))
        form = shape(text)
        if form is None:
            continue
        try:
            parsed = parse(text)
        except Unparsable:
            continue
        found = effects(parsed)
        tree = json.dumps(_without_literals(list(parsed.statements)), sort_keys=True)
        operations = None if found.by_literal else found.operations
        first = known.setdefault(form, (tree, operations, text))
        met += first[2] != text
        assert first[0] == tree, (first[2], text)
        assert first[1] is None or operations is None or first[1] == operations, (first[2], text)
    assert met > 500
