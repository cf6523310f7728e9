"""Which columns masks cover: globs, inheritance, partitions, views; and what cannot be read at all."""

from __future__ import annotations

import pytest

from hoopgate.catalogue import Catalogue, MaskIndex, compile_masks
from hoopgate.catalogue.definitions import reads
from hoopgate.catalogue.exposure import Covered, Exposed
from hoopgate.catalogue.globs import Selectors
from hoopgate.config.model import Mask
from tests.masks.conftest import MASKS
from tests.masks.gate import fired


@pytest.fixture
def index(catalogue: Catalogue) -> MaskIndex:
    return compile_masks(fired(catalogue.current()), MASKS, functions_safe=("public.safe_*",))


def masks_of(index: MaskIndex, schema: str, name: str) -> dict[str, str]:
    (relation,) = index.relations(schema, name)
    found = index.masked.get(relation.oid, {})
    return {column.name: found[column.attnum].name for column in relation.columns if column.attnum in found}


def test_globs_select(index: MaskIndex) -> None:
    assert masks_of(index, "other", "leads") == {"email": "emails"}
    assert masks_of(index, "app", "users") == {"Password": "passwords", "token": "passwords", "tags": "null"}
    assert set(masks_of(index, "public", "customers")) == {"email", "card", "born", "prefs", "uid", "feeling", "phone"}
    assert masks_of(index, "public", "orders") == {}


@pytest.mark.parametrize(
    ("glob", "name", "fits"),
    [
        ("*.*.password", ("public", "users", "password"), True),
        ("*.*.password", ("public", "users", "PassWord"), True),
        ("*.*.password", ("public", "users", "password_hash"), False),
        ("*.*.password*", ("public", "users", "password_hash"), True),
        ("public.*.email", ("private", "users", "email"), False),
        ("*.users.e?ail", ("a", "users", "email"), True),
        ("*.users_[0-9].email", ("a", "users_3", "email"), True),
        ("*.users_[!0-9].email", ("a", "users_3", "email"), False),
        ("*.*.a.b", ("s", "t", "a.b"), True),
        ("*.*.a(b", ("s", "t", "a(b"), True),
        ("*.*.[", ("s", "t", "["), True),
    ],
)
def test_glob(glob: str, name: tuple[str, str, str], fits: bool) -> None:
    assert (Selectors([Mask("m", (glob,))]).mask(*name) is not None) is fits


def test_a_hostile_glob_is_linear() -> None:
    selectors = Selectors([Mask("m", ("*a" * 40 + "b",))])
    assert selectors.mask("s", "t", "a" * 60) is None


def test_the_first_mask_wins() -> None:
    selectors = Selectors([Mask("one", ("*.*.email",)), Mask("two", ("public.*.*",))])
    assert [found.name for column in ("email", "x") if (found := selectors.mask("public", "t", column))] == [
        "one",
        "two",
    ]


def test_systems_relations_are_meant_only_by_their_schema() -> None:
    selectors = Selectors([Mask("all", ("*.*.*key*", "pg_catalog.pg_index.indpred"))])
    assert selectors.mask("pg_catalog", "pg_constraint", "conkey", system=True) is None
    assert selectors.mask("pg_catalog", "pg_index", "indpred", system=True) is not None


def test_inheritance_and_partitions_both_ways(index: MaskIndex) -> None:
    assert masks_of(index, "public", "people") == masks_of(index, "public", "masked_people") == {"mail": "children"}
    assert masks_of(index, "public", "events") == masks_of(index, "public", "events_2024") == {"payload": "children"}


def test_generated_columns_inherit_the_mask_of_their_base(index: MaskIndex) -> None:
    assert masks_of(index, "public", "computed") == {"email": "emails", "folded": "emails"}


def test_views_that_show_a_column_inherit_its_mask(index: MaskIndex) -> None:
    assert masks_of(index, "public", "direct_view") == {"contact": "emails"}
    assert masks_of(index, "public", "view_on_view") == {"again": "emails"}
    assert masks_of(index, "public", "direct_matview") == {"contact": "emails"}
    assert masks_of(index, "public", "activity_view") == {"query": "server-values"}
    assert masks_of(index, "public", "plain_view") == {}


def test_a_mask_that_names_a_view_vouches_for_it(index: MaskIndex) -> None:
    assert masks_of(index, "public", "vouched_view") == {"contact": "vouched"}
    (relation,) = index.relations("public", "vouched_view")
    bare = compile_masks(index.snapshot, [Mask("emails", ("*.*.email", "*.*.contact"))])
    assert bare.outputs_of(relation.oid).columns[2].derived  # a wildcard names no view


def test_rules_taint_writes_alone(index: MaskIndex) -> None:
    (ruled,) = index.relations("public", "ruled")
    (quiet,) = index.relations("public", "quiet_ruled")
    assert "a rule on it" in index.write_tainted[ruled.oid].reason
    assert ruled.oid not in index.refused
    assert quiet.oid not in index.write_tainted


def test_code(index: MaskIndex) -> None:
    def clear(name: str) -> bool:
        return all(index.function(function.oid).clear for function in index.functions(name))

    assert not clear("peek")
    assert not index.functions("peek", "app")
    assert clear("safe_add")
    assert clear("l2_distance")  # an extension known to look at its arguments alone
    assert index.unsafe_operator("###")
    assert not index.unsafe_operator("<->")
    assert not index.unsafe_operator("=")  # one of the server's, as far as one can tell
    assert index.unsafe_cast("boxed")
    assert not index.unsafe_cast("vector")
    assert clear("peek_agg")  # made of the server's functions


def test_origins(index: MaskIndex) -> None:
    (customers,) = index.relations("public", "customers")
    email = index.mask_of(customers.oid, 2)
    assert email is not None
    assert email.name == "emails"
    assert index.mask_of(customers.oid, 1) is None
    assert index.mask_of(customers.oid, 0) is not None  # a whole row
    assert index.mask_of(customers.oid, -1) is None
    assert index.knows(customers.oid, 10)
    assert not index.knows(customers.oid, 11)
    assert index.knows(customers.oid, -1)
    assert not index.knows(4_000_000_000, 1)


def test_without_masks_nothing_is_masked(catalogue: Catalogue) -> None:
    index = compile_masks(fired(catalogue.current()), ())
    assert not index.masked
    assert not index.refused


@pytest.mark.parametrize(
    "tree",
    [
        "",
        "(",
        "({QUERY",
        "nonsense",
        "({QUERY :rtable (} )",
        "({QUERY :targetList ({VAR :varno 9 :varattno 1 :varlevelsup 0})})",
    ],
)
def test_a_tree_that_cannot_be_followed_is_opaque(tree: str) -> None:
    assert reads(tree).opaque


def test_a_deep_tree_is_no_danger() -> None:
    assert not reads("({QUERY :x " + "({A :b " * 5000 + "1" + "})" * 5000 + "})").opaque


def exposed(index: MaskIndex, name: str) -> Exposed:
    (relation,) = index.relations("public", name)
    return index.outputs_of(relation.oid)


@pytest.mark.parametrize(
    ("view", "columns", "probes"),
    [
        ("plain_view", {}, set()),
        ("direct_view", {2: ("emails", False)}, set()),
        ("nested_view", {2: ("emails", False)}, set()),
        ("computed_view", {2: ("emails", True)}, set()),
        ("deep_view", {1: ("emails", True)}, set()),
        ("filtering_view", {}, {"public.customers.email"}),
        ("cte_view", {}, {"public.customers.email"}),
        ("grouped_view", {1: ("emails", False)}, {"public.customers.email"}),
        ("union_view", {1: ("emails", True)}, set()),
        ("using_view", {}, {"public.customers.email", "other.leads.email"}),
        ("row_view", {2: ("emails", True)}, set()),
        ("function_view", {2: ("emails", True)}, {"public.customers.email"}),
        ("computed_matview", {2: ("emails", True)}, set()),
        ("vouched_view", {2: ("vouched", False)}, set()),
    ],
)
def test_what_a_view_exposes(
    index: MaskIndex, view: str, columns: dict[int, tuple[str, bool]], probes: set[str]
) -> None:
    found = exposed(index, view)
    assert {number: (each.mask.name, each.derived) for number, each in found.columns.items()} == columns
    assert {each.column for each in found.probes} == probes
    assert found.refused is None


def test_what_functions_expose(index: MaskIndex) -> None:
    def of(name: str) -> Exposed:
        (function,) = index.functions(name, "public")
        return index.function(function.oid)

    for name in ("peek", "peek_all", "order_bytes", "to_boxed", "note_len"):
        covered = of(name).at(1)
        assert covered is not None, name
        assert covered.derived
    for name in ("safe_add", "same", "shout", "peek_agg"):
        assert of(name).clear, name
    for name in ("proc", "tell"):
        assert of(name).refused is not None


def test_what_code_is(index: MaskIndex) -> None:
    assert index.volatility("lower") == "i"
    assert index.volatility("now") == "s"
    assert index.volatility("random") == "v"
    assert index.volatility("peek") == "v"
    assert index.volatility("nobody_has_this") == "v"
    assert index.kinds("count") == {"a"}
    assert index.kinds("row_number") == {"w"}
    assert index.kinds("proc") == {"p"}
    assert index.returns_set("unnest")
    assert index.returns_set("peek_all")
    assert not index.returns_set("lower")
    (each,) = index.functions("json_each")
    assert [column.name for column in each.columns] == ["key", "value"]


def test_generated_and_composite_columns_are_computed(index: MaskIndex) -> None:
    (computed,) = index.relations("public", "computed")
    assert index.covered(computed.oid, 2) == Covered(MASKS[0])
    assert index.covered(computed.oid, 3) == Covered(MASKS[0], derived=True)
    assert exposed(index, "customers_history").columns[2].derived
