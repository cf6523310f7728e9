"""Our login to real servers, in every way they offer; and masks against what the server itself would print."""

from __future__ import annotations

import ssl

import pytest

from hoopgate.codecs.postgresql import messages as m
from hoopgate.codecs.postgresql.copy import CopyOptions, CopySplicer
from hoopgate.codecs.postgresql.scram import PLAIN, PLUS
from hoopgate.codecs.postgresql.splice import Plan, Splicer
from hoopgate.codecs.postgresql.startup import Failed, Ready
from tests.codecs.postgresql.driver import Connection, login

pytestmark = pytest.mark.live


def context(server, *, certificate: bool = False) -> ssl.SSLContext:
    tls = ssl.create_default_context(cafile=str(server.ca))
    if certificate:
        tls.load_cert_chain(server.client_certificate, server.client_key)
    return tls


def over_tls(server, user: str, password: str | None = None, **options):
    options.setdefault("tls", context(server))
    return login(
        ("127.0.0.1", server.port),
        {"user": user, "database": "postgres"},
        credential=None if password is None else password.encode(),
        **options,
    )


def alive(connection: Connection) -> bool:
    answers = connection.ask(m.query("select 40 + 2"))
    return m.parse_data_row(answers[1]) == [b"42"]


def test_scram_with_channel_binding(tls_postgres) -> None:
    with over_tls(tls_postgres, "scram", tls_postgres.password) as connection:
        assert isinstance(connection.outcome, Ready)
        assert connection.sent[1][5:].startswith(PLUS.encode() + b"\0")
        assert b"p=tls-server-end-point,," in connection.sent[1]
        assert connection.outcome.parameters["session_authorization"] == "scram"
        assert alive(connection)


def test_scram_without_channel_binding(tls_postgres) -> None:
    options = {"alter_binding": lambda binding: None}
    with over_tls(tls_postgres, "scram", tls_postgres.password, **options) as connection:
        assert connection.sent[1][5:].startswith(PLAIN.encode() + b"\0")
        assert alive(connection)


def test_a_server_refuses_a_binding_to_another_certificate(tls_postgres) -> None:
    """As if somebody stood between: their certificate is not the server's."""
    options = {"alter_binding": lambda binding: bytes(len(binding))}
    with over_tls(tls_postgres, "scram", tls_postgres.password, **options) as connection:
        assert isinstance(connection.outcome, Failed)


@pytest.mark.parametrize("user", ["scram", "md5", "clear"])
def test_right_and_wrong_passwords(tls_postgres, user: str) -> None:
    with over_tls(tls_postgres, user, tls_postgres.password) as connection:
        assert isinstance(connection.outcome, Ready)
        assert alive(connection)
    with over_tls(tls_postgres, user, "wrong") as connection:
        assert isinstance(connection.outcome, Failed)
        assert (connection.outcome.sqlstate, connection.outcome.credential_refused) == ("28P01", True)
    with over_tls(tls_postgres, user) as connection:
        assert isinstance(connection.outcome, Failed)
        assert "none is configured" in connection.outcome.message


def test_client_certificate(tls_postgres) -> None:
    with over_tls(tls_postgres, "cert", tls=context(tls_postgres, certificate=True)) as connection:
        assert isinstance(connection.outcome, Ready)
        assert alive(connection)
    with over_tls(tls_postgres, "cert") as connection:
        assert isinstance(connection.outcome, Failed)
        assert connection.outcome.credential_refused


def test_a_password_that_saslprep_changes(tls_postgres) -> None:
    password = "ⅨI\u00adX\u00a0é"
    tls_postgres.server.execute(f"CREATE ROLE prepared LOGIN PASSWORD '{password}'")
    try:
        for written in (password, "IXIX é"):
            with over_tls(tls_postgres, "prepared", written) as connection:
                assert isinstance(connection.outcome, Ready)
    finally:
        tls_postgres.server.execute("DROP ROLE prepared")


def test_an_unknown_database(tls_postgres) -> None:
    with login(
        ("127.0.0.1", tls_postgres.port),
        {"user": "scram", "database": "nowhere"},
        tls=context(tls_postgres),
        credential=tls_postgres.password.encode(),
    ) as connection:
        assert connection.outcome == Failed("3D000", 'database "nowhere" does not exist', False)


@pytest.mark.parametrize("version", [(3, 0), (3, 2)])
def test_versions_and_cancel_keys(tls_postgres, embedded_postgres, version: tuple[int, int]) -> None:
    with over_tls(tls_postgres, "scram", tls_postgres.password, version=version) as connection:
        assert isinstance(connection.outcome, Ready)
        assert connection.outcome.version == (version if tls_postgres.version >= 18 else (3, 0))
    with in_embedded(embedded_postgres, version=version) as connection:
        assert isinstance(connection.outcome, Ready)
        assert connection.outcome.version == version
        assert len(connection.outcome.secret) == (32 if version == (3, 2) else 4)


def in_embedded(server, **options):
    return login(
        ("127.0.0.1", server.port),
        {"user": "postgres", "database": "postgres", "client_encoding": "UTF8"},
        credential=server.password.encode(),
        **options,
    )


def test_a_newer_version_is_negotiated_down(embedded_postgres) -> None:
    with in_embedded(embedded_postgres, version=(3, 9999)) as connection:
        assert isinstance(connection.outcome, Ready)
        assert connection.outcome.version == (3, 2)


# --- masks, against what the server itself would print ------------------------------------------------------------

NASTY = r"""
    (1, 'plain', 'x'), (2, '', ''), (3, NULL, NULL), (4, E'tab\there', E'a\\b'), (5, E'line\nfeed', E'c\rr'),
    (6, 'comma, "quoted"', 'it''s'), (7, E'back\\slash\\', E'\\N'), (8, 'NULL', 'NULL'), (9, E'\\.', E'\\.'),
    (10, E'\b\f\v\x01', 'a|b;c'), (11, 'é€漢', 'Ⅸ'), (12, repeat('long"', 5000), repeat(E'\\,', 3000))
"""
TABLE = f"(VALUES {NASTY}) AS v (id, secret, other)"
PLAIN_QUERY = f"SELECT id, secret, other FROM {TABLE}"
MASKED_QUERY = f"SELECT id, CASE WHEN secret <> 'NULL' THEN reverse(secret) || '\"' END, other FROM {TABLE}"


def mask(value: bytes) -> bytes | None:
    """What MASKED_QUERY does in SQL."""
    return None if value == b"NULL" else value.decode()[::-1].encode() + b'"'


PLAN = Plan((None, mask, None))


def of_type(answers: list[bytes], kind: bytes) -> bytes:
    return b"".join(raw for raw in answers if raw[:1] == kind)


def test_rows_are_masked_as_the_server_would(embedded_postgres) -> None:
    with in_embedded(embedded_postgres) as connection:
        for formats in ([], [1]):
            plain, masked = (
                of_type(connection.ask(extended(query, formats)), b"D") for query in (PLAIN_QUERY, MASKED_QUERY)
            )
            assert plain != masked
            assert Splicer(PLAN, 1 << 20).splice(plain, 0, len(plain)) == masked


def extended(query: str, formats: list[int]) -> bytes:
    return m.parse_message("", query) + m.bind("", "", [], [], formats) + m.execute() + m.sync()


COPIES = [
    ("", CopyOptions()),
    ("(HEADER)", CopyOptions(header=True)),
    ("(DELIMITER '|')", CopyOptions(delimiter=b"|")),
    (r"(DELIMITER E'\b', NULL '\Q')", CopyOptions(delimiter=b"\b", null=b"\\Q")),
    (r"(DELIMITER E'\x01')", CopyOptions(delimiter=b"\x01")),
    ("(FORMAT csv)", CopyOptions("csv")),
    ("(FORMAT csv, HEADER, NULL 'NULL')", CopyOptions("csv", header=True, null=b"NULL")),
    (
        r"(FORMAT csv, DELIMITER ';', QUOTE '''', ESCAPE '\')",
        CopyOptions("csv", delimiter=b";", quote=b"'", escape=b"\\"),
    ),
    (r"(FORMAT csv, ESCAPE 'e')", CopyOptions("csv", escape=b"e")),
    ("(FORMAT csv, FORCE_QUOTE (secret))", CopyOptions("csv", force_quote=frozenset({1}))),
    ("(FORMAT csv, FORCE_QUOTE *)", CopyOptions("csv", force_quote_all=True)),
    ("(FORMAT binary)", CopyOptions("binary")),
]


@pytest.mark.parametrize(("clause", "options"), COPIES)
def test_copies_are_masked_as_the_server_would(embedded_postgres, clause: str, options: CopyOptions) -> None:
    with in_embedded(embedded_postgres) as connection:
        plain, masked = (
            of_type(connection.ask(m.query(f"COPY ({query}) TO STDOUT {clause}")), b"d")
            for query in (PLAIN_QUERY, MASKED_QUERY.replace("END,", "END AS secret,"))
        )
    splicer = CopySplicer(PLAN, options, 1 << 20)
    assert splicer.splice(plain, 0, len(plain)) + splicer.finish() == masked
    assert plain != masked


def test_a_copy_of_one_column(embedded_postgres) -> None:
    """A lone \\. is quoted in csv, since it would end the data."""
    query = r"SELECT v FROM (VALUES (1, 'a'), (2, NULL), (3, E'.\\'), (4, '')) AS v (id, v)"
    reversing = Plan((lambda value: value[::-1],))
    with in_embedded(embedded_postgres) as connection:
        for options in (CopyOptions(), CopyOptions("csv"), CopyOptions("binary")):
            clause = f"(FORMAT {options.format})"
            plain, masked = (
                of_type(connection.ask(m.query(f"COPY ({text}) TO STDOUT {clause}")), b"d")
                for text in (query, query.replace("SELECT v", "SELECT reverse(v)"))
            )
            splicer = CopySplicer(reversing, options, 1 << 20)
            assert splicer.splice(plain, 0, len(plain)) + splicer.finish() == masked
