"""Whatever is done to the example, loading it raises nothing but ConfigErrors, and never repeats a secret."""

from __future__ import annotations

import contextlib
import tomllib

from hypothesis import given, settings
from hypothesis import strategies as st

from hoopgate.config.load import ConfigErrors, loads
from tests.config.files import EXAMPLE

TEXT = EXAMPLE.read_text()
LINES = TEXT.splitlines()
DOCUMENT = tomllib.loads(TEXT)

VALUES = st.one_of(
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(["", "*", "[", "env:", "8h", "16MiB", "default-deny", "::1", "file:/x", "https://[", "a.b.c"]),
    st.just([]),
    st.just({}),
    st.lists(st.one_of(st.integers(), st.text(max_size=3), st.just({})), max_size=3),
    st.dictionaries(st.text(max_size=4), st.integers(), max_size=2),
)


def try_loading(text):
    with contextlib.suppress(ConfigErrors):
        loads(text)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_edited_text(data):
    lines = list(LINES)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(lines) - 1))
        what = data.draw(st.sampled_from(["drop", "double", "swap", "cut", "insert"]))
        if what == "drop":
            del lines[at]
        elif what == "double":
            lines.insert(at, lines[data.draw(st.integers(0, len(lines) - 1))])
        elif what == "swap":
            lines[at], lines[at - 1] = lines[at - 1], lines[at]
        elif what == "cut":
            lines[at] = lines[at][: data.draw(st.integers(0, len(lines[at])))]
        else:
            place = data.draw(st.integers(0, len(lines[at])))
            more = data.draw(st.text(st.sampled_from("[]{}=.\"'#,x1-*: \\\n\u00e9\x00"), min_size=1, max_size=4))
            lines[at] = lines[at][:place] + more + lines[at][place:]
    try_loading("\n".join(lines))


def spots(value, trail=()):
    """Every place in the document where another value could stand."""
    if trail:
        yield trail
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in inner:
        yield from spots(part, (*trail, key))


SPOTS = list(spots(DOCUMENT))


def changed(value, trail, new):
    if not trail:
        return new
    if isinstance(value, dict):
        return {key: changed(part, trail[1:], new) if key == trail[0] else part for key, part in value.items()}
    return [changed(part, trail[1:], new) if index == trail[0] else part for index, part in enumerate(value)]


def dumped(value):
    """A value as TOML, all inline; JSON's strings are TOML's, but for DEL and lone surrogates."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{quoted(key)} = {dumped(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(dumped, value)) + "]"
    if isinstance(value, str):
        return quoted(value)
    return str(value).lower()


def quoted(text):
    return '"' + "".join(c if c.isprintable() and c not in '"\\' else f"\\U{ord(c):08x}" for c in text) + '"'


@given(st.lists(st.tuples(st.sampled_from(SPOTS), VALUES), min_size=1, max_size=3))
@settings(max_examples=100, deadline=None)
def test_any_value_in_any_place(changes):
    document = DOCUMENT
    for trail, new in changes:
        with contextlib.suppress(KeyError, IndexError, TypeError):
            document = changed(document, trail, new)
    if isinstance(document, dict):
        try_loading("\n".join(f"{quoted(key)} = {dumped(part)}" for key, part in document.items()))
