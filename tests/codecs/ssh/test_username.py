"""User names: what they ask for, whatever bytes they are."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hoopgate.codecs.ssh.username import Asked, parse_user

NAMES = st.from_regex(r"\A[A-Za-z0-9_][A-Za-z0-9._-]{0,62}\Z")


@pytest.mark.parametrize(
    ("user", "asked"),
    [
        (b"web", Asked("", "web")),
        (b"root%web", Asked("root", "web")),
        (b"Root%Web-1.prod", Asked("Root", "Web-1.prod")),
        (b"", None),
        (b"%web", None),
        (b"root%", None),
        (b"root%web%db", None),
        (b"../../etc/passwd", None),
        (b"web\n", None),
        (b"web\0", None),
        (b"root,web", None),
        (b"-oProxyCommand", None),
        (b".ssh%web", None),
        ("w\u00e9b".encode(), None),
        (b"a" * 64, None),
    ],
)
def test_what_a_user_name_asks_for(user, asked):
    assert parse_user(user) == asked


@given(NAMES, NAMES)
@settings(max_examples=200)
def test_a_role_and_a_target_come_back(role, target):
    assert parse_user(f"{role}%{target}".encode()) == Asked(role, target)
    assert parse_user(target.encode()) == Asked("", target)


@given(st.binary(max_size=200) | st.text(alphabet="ab%./,-_\0\n ", max_size=20).map(str.encode))
@settings(max_examples=200)
def test_any_bytes_name_a_target_or_none(user):
    """And what is found can be written back as it was: nothing is dropped or folded on the way."""
    asked = parse_user(user)
    if asked is not None:
        written = f"{asked.role}%{asked.target}" if asked.role else asked.target
        assert written.encode() == user
        assert not set(user) & set(b"/\\,\0\n ")
