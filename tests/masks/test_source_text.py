"""The SQL text of masks: of every sort of type, for every kind of mask, on real servers; names and strings in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg import pq

from hoopgate.catalogue.index import MaskIndex, compile_masks
from hoopgate.catalogue.snapshot import Snapshot
from hoopgate.config.model import Mask, MaskKind
from hoopgate.development.postgres import EmbeddedPostgres
from hoopgate.masks import transform
from hoopgate.policy.lineage.source_text import Unspellable, literal, quoted, sub_select
from hoopgate.policy.sql.tree import parse
from hoopgate.transforms import Constant
from tests.conftest import TlsPostgres
from tests.masks.gate import catalogue_of, connect, fired

COLUMNS: Final = {
    "a_text": ("text", "'SECRET'"),
    "a_varchar": ("varchar(9)", "'SECRET'"),
    "a_wide": ("varchar", "'SECRET'"),
    "a_char": ("char(8)", "'SECRET'"),
    "a_bpchar": ("bpchar", "'SECRET'"),
    "a_name": ("name", "'SECRET'"),
    "a_short": ("varchar(2)", "'SE'"),
    "one": ('"char"', "'S'"),
    "an_int": ("int", "4111"),
    "a_big": ("bigint", "4111"),
    "a_small": ("smallint", "411"),
    "a_number": ("numeric(7,2)", "4111.99"),
    "a_wide_number": ("numeric", "4111.99"),
    "a_negative_scale": ("numeric(4,-2)", "411100"),
    "a_real": ("real", "4.1"),
    "a_double": ("double precision", "4.1"),
    "a_bool": ("bool", "true"),
    "a_date": ("date", "'1977-07-07'"),
    "a_time": ("time(3)", "'07:07'"),
    "a_zoned_time": ("timetz", "'07:07+02'"),
    "a_timestamp": ("timestamp(0)", "'1977-07-07'"),
    "a_zoned": ("timestamptz", "'1977-07-07'"),
    "an_interval": ("interval day to second(2)", "'7 days'"),
    "a_plain_interval": ("interval", "'7 days'"),
    "some_bits": ("bit(3)", "B'101'"),
    "more_bits": ("varbit(5)", "B'101'"),
    "some_bytes": ("bytea", "'SECRET'"),
    "a_uuid": ("uuid", "'deadbeef-0000-4000-8000-000000000001'"),
    "a_json": ("json", "'{\"a\": 1}'"),
    "a_jsonb": ("jsonb", "'{\"a\": 1}'"),
    "an_xml": ("xml", "'<a/>'"),
    "an_inet": ("inet", "'10.0.0.1'"),
    "a_cidr": ("cidr", "'10.0.0.0/8'"),
    "a_mac": ("macaddr", "'08:00:2b:01:02:03'"),
    "some_money": ("money", "'4.11'"),
    "a_point": ("point", "'(1,2)'"),
    "a_circle": ("circle", "'<(1,2),3>'"),
    "a_range": ("int4range", "'[1,5)'"),
    "a_vector": ("tsvector", "'SECRET'"),
    "an_oid": ("oid", "4111"),
    "a_class": ("regclass", "'pg_class'"),
    "a_mood": ('"odd schema"."Mo""öd"', "'gay'"),
    "a_pair": ("pair", "ROW('SECRET', 1)"),
    "a_domain": ("strict", "'SECRET@'"),
    "a_deep_domain": ("deeper", "'SECRET@'"),
    "texts": ("text[]", "'{SECRET}'"),
    "numbers": ("numeric(5,1)[]", "'{4.1}'"),
    "moods": ('"odd schema"."Mo""öd"[]', "'{gay}'"),
    "pairs": ("pair[]", "ARRAY[ROW('SECRET', 1)::pair]"),
    "domains": ("strict[]", "'{SECRET@}'"),
}
TYPES: Final = """
CREATE SCHEMA "odd schema";
CREATE TYPE "odd schema"."Mo""öd" AS ENUM ('it''s\\ bäd', 'gay');
CREATE TYPE pair AS (a text, b int);
CREATE DOMAIN strict AS varchar(12) CHECK (VALUE ~ '@');
CREATE DOMAIN deeper AS strict NOT NULL DEFAULT '@';
"""
EXTENSIONS: Final = {"citext": ("citext", "'SECRET'"), "vector": ("vector(3)", "'[4,1,1]'")}
KINDS: Final[tuple[MaskKind, ...]] = ("replace", "keep-last", "null", "fixed")
BASES: Final = {"a_domain": 1043, "a_deep_domain": 1043}


class Zoo:
    """A table with a column of each type, a row of values and one of NULLs."""

    def __init__(self, dsn: str) -> None:
        self.connection = connect(dsn)
        extension = self.run("SELECT name FROM pg_available_extensions WHERE name IN ('citext', 'vector') ORDER BY 1")
        self.columns = {**COLUMNS, "more": EXTENSIONS[(extension.get_value(0, 0) or b"").decode()]}
        self.run(f"CREATE EXTENSION {extension.get_value(0, 0).decode()}")
        if self.connection.exec_(b"SELECT xml '<a/>'").status != pq.ExecStatus.TUPLES_OK:
            del self.columns["an_xml"]  # a server without libxml has no values of it
        made = ", ".join(f"{name} {kind}" for name, (kind, _) in self.columns.items())
        values = ", ".join(value for _, value in self.columns.values())
        nothing = ", ".join("'@'" if name == "a_deep_domain" else "NULL" for name in self.columns)
        self.run(f"{TYPES} CREATE TABLE zoo ({made}); INSERT INTO zoo VALUES ({values}), ({nothing})")
        self.snapshot: Snapshot = fired(catalogue_of(connect(dsn)).current())

    def run(self, sql: str) -> pq.abc.PGresult:
        result = self.connection.exec_(sql.encode())
        assert result.status in (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK), result.error_message.decode()
        return result

    def index(self, *kinds: MaskKind, value: str = "****") -> MaskIndex:
        (kind,) = kinds
        return compile_masks(self.snapshot, [Mask("m", ("public.zoo.*",), kind=kind, value=value, reading="source")])

    def masked(self, index: MaskIndex) -> pq.abc.PGresult:
        (relation,) = index.relations("public", "zoo")
        return self.run(f"SELECT * FROM {sub_select(index, relation, 'zoo', None, only=False, sample='')} z")


@pytest.fixture(scope="module", params=["embedded_postgres", "tls_postgres"])
def zoo(request: pytest.FixtureRequest) -> Iterator[Zoo]:
    found: EmbeddedPostgres | TlsPostgres = request.getfixturevalue(request.param)
    server = found.server if isinstance(found, TlsPostgres) else found
    server.execute("CREATE DATABASE zoo TEMPLATE template0 ENCODING 'UTF8'")
    made = Zoo(server.dsn("zoo"))
    yield made
    made.connection.finish()


@pytest.mark.parametrize("kind", KINDS)
def test_types_stay_and_values_are_those_of_the_codec(zoo: Zoo, kind: MaskKind) -> None:
    index = zoo.index(kind)
    plain, masked = zoo.run("SELECT * FROM zoo"), zoo.masked(index)
    for at, name in enumerate(zoo.columns):
        assert (masked.fname(at), masked.ftype(at)) == (plain.fname(at), plain.ftype(at))
        if name != "a_pair":
            assert masked.fmod(at) == plain.fmod(at), name
        assert masked.ftable(at) == 0
        if name != "a_deep_domain":
            assert masked.get_value(1, at) is None
        mask = index.masks[0]
        change = transform(mask, BASES.get(name, plain.ftype(at)), 0, types=index.snapshot.types)
        value = plain.get_value(0, at)
        assert value is not None
        wanted = change(value)
        seen = masked.get_value(0, at)
        if name in ("a_short", "a_char"):  # cut off, and filled up, to the column's length
            assert seen is None or (wanted or b"").startswith(seen.rstrip(b" ")[:2])
        elif name in ("a_number", "some_money", "some_bits", "a_real", "numbers"):
            assert (seen is None) == (wanted is None)
            assert seen is None or not any(digit in seen for digit in (b"4", b"9", b"101"))
        else:
            assert seen == wanted or (seen is not None and wanted is not None and b"SECRET" not in seen), name
        assert seen is None or b"SECRET" not in seen


@pytest.mark.parametrize("setting", [
    "xmloption = document", "datestyle = 'German, DMY'", "intervalstyle = sql_standard", "bytea_output = escape",
    "standard_conforming_strings = off", "backslash_quote = off", "lc_monetary = 'C'", "search_path = ''",
    "client_encoding = LATIN1", "quote_all_identifiers = on", "array_nulls = off", "extra_float_digits = 0",
])  # fmt: skip
def test_no_setting_breaks_the_text(zoo: Zoo, setting: str) -> None:
    for kind in KINDS:
        zoo.run(f"BEGIN; SET LOCAL {setting}")
        assert zoo.masked(zoo.index(kind, value="it's a \\ mäsk"[: 12 if kind != "replace" else None])).ntuples == 2
        zoo.run("ROLLBACK")


def test_a_type_that_is_not_known_is_not_read(zoo: Zoo) -> None:
    (relation,) = zoo.index("null").relations("public", "zoo")
    unknown = evolve(relation, columns=(evolve(relation.columns[0], type_name=""),))
    with pytest.raises(Unspellable, match="not known"):
        sub_select(zoo.index("null"), unknown, "zoo", None, only=False, sample="")


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=15))
@settings(max_examples=200, deadline=None)
def test_names_mean_themselves(name: str) -> None:
    assert quoted(name).isascii()
    (statement,) = parse(f"SELECT {quoted(name)}").statements
    fields = statement["SelectStmt"]["targetList"][0]["ResTarget"]["val"]["ColumnRef"]["fields"]
    assert fields == [{"String": {"sval": name}}]


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40))
@settings(max_examples=200, deadline=None)
def test_strings_mean_themselves(text: str) -> None:
    assert literal(text).isascii()
    (statement,) = parse(f"SELECT {literal(text)}").statements
    constant = statement["SelectStmt"]["targetList"][0]["ResTarget"]["val"]["A_Const"]
    assert constant.get("sval", {}).get("sval", "") == text


def test_kept_ends_are_those_of_the_codec(zoo: Zoo) -> None:
    index = zoo.index("keep-last")
    mask = evolve(index.masks[0], keep=3)
    index = compile_masks(zoo.snapshot, [mask])
    (relation,) = index.relations("public", "zoo")
    text = sub_select(index, relation, "zoo", {"a_text"}, only=False, sample="")
    change = transform(mask, 25, 0)
    assert not isinstance(change, Constant)
    for value in ("", "a", "abc", "abcd", "ab  ", "abcdef   ", "  ab", "äöüß", "äöü", "a\nb\tcd", "'\\'\"x"):
        zoo.run("BEGIN; DELETE FROM zoo")
        zoo.run(f"INSERT INTO zoo (a_text, a_deep_domain) VALUES ({literal(value)}, '@')")
        assert zoo.run(f"SELECT a_text FROM {text} z").get_value(0, 0) == change(value.encode())
        zoo.run("ROLLBACK")
