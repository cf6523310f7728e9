"""Names of files in rules: a name that may be several is allowed where all are, and denied where any is."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from hoopgate.policy.files import below, path
from hoopgate.policy.files import some as some_file
from hoopgate.policy.globs import covers, matches, meet, object_matches
from hoopgate.policy.operations import Object

SIGNS = some.text("ab/*?", max_size=4)
TEXTS = ["".join(letters) for size in range(7) for letters in itertools.product("ab/", repeat=size)]


@given(SIGNS, SIGNS)
@settings(max_examples=200, deadline=None)
def test_two_globs_meet_where_some_text_is_in_both(one: str, other: str) -> None:
    assert meet(one, other) == any(matches(one, text) and matches(other, text) for text in TEXTS)
    assert meet(one, other) == meet(other, one)


def test_what_is_not_plain_to_see_may_meet() -> None:
    assert meet("[ab]c", "bc")
    assert meet("[ab]c", "?c")
    assert not meet("[ab]cd", "bc")
    assert not meet("x[]y", "xay")  # a bracket that nothing closes is a bracket
    assert meet("a" * 2000, "b" * 2000)  # too long to be compared


def test_a_pattern_is_allowed_if_all_of_it_is_and_denied_if_any_is() -> None:
    thing = some_file("/srv/*")
    for glob, surely, maybe in (
        ("*", True, True), ("/srv/*", True, True), ("/*", True, True), ("/srv/a", False, True), ("*.exe", False, True),
        ("/etc/*", False, False), ("/srv", False, False), ("*.*", True, True),
    ):  # fmt: skip
        assert object_matches(glob, thing, (), True) is surely, glob
        assert object_matches(glob, thing, (), False) is maybe, glob


def test_a_path_is_itself_whatever_signs_it_has() -> None:
    thing = path("/srv/*")
    assert object_matches("/srv/[*]", thing, (), True)
    assert not object_matches("/srv/a", thing, (), False)
    assert object_matches("*", path("/srv/\udcff"), (), True)


def test_another_name_of_a_file_counts_as_much() -> None:
    thing = path("/home/ada/x", "~/x")
    for glob in ("~/*", "/home/*", "*/x"):
        assert object_matches(glob, thing, (), True)
    assert not object_matches("/srv/*", thing, (), False)


def test_what_is_below_has_no_signs_of_its_name() -> None:
    thing, inside = below(Object("", "/a[b]*", "path", "~/[b]*"))
    assert thing.name == "/a[b]*"
    assert (inside.name, inside.also) == ("/a?b]?/**", "~/?b]?/**")
    assert below(path("/"))[1].name == "/**"


@pytest.mark.parametrize("wide", ["*", "/a/*", "/a/b"])
def test_to_cover_is_to_meet(wide: str) -> None:
    for narrow in ("/a/b", "/a/*", "/a/?"):
        if covers(wide, narrow):
            assert meet(wide, narrow)
