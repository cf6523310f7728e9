"""Line numbers of keys, for every way in which TOML lets one write them."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hoopgate.config.positions import locate
from tests.config.files import EXAMPLE

DOCUMENT = '''# a comment with [brackets] and "quotes
a.b = 1
"q\\u0041.x" = """ several
lines "" # not a comment
"""  # ]
[t]
x = [1, # one
  {y = 2, z.w = "]"},
  [3],
]
m = \'\'\'
[no.table]\'\'\'
[[r]]
n = 2020-01-01 00:00:00
[r.sub]
k = 'a#'
[[r]]
[[r.e]]
k = {}
[[r.e]]
k = []
'''


@pytest.mark.parametrize(
    ("trail", "line"),
    [
        (("a", "b"), 2),
        (("qA.x",), 3),
        (("t",), 6),
        (("t", "x", 0), 7),
        (("t", "x", 1, "y"), 8),
        (("t", "x", 1, "z", "w"), 8),
        (("t", "x", 2, 0), 9),
        (("t", "m"), 11),
        (("r", 0), 13),
        (("r", 0, "n"), 14),
        (("r", 0, "sub", "k"), 16),
        (("r", 1), 17),
        (("r", 1, "e", 0, "k"), 19),
        (("r", 1, "e", 1), 20),
        (("r", 1, "e", 1, "k"), 21),
    ],
)
def test_line_of_each_key(trail, line):
    tomllib.loads(DOCUMENT)
    assert locate(DOCUMENT)[trail] == line
    assert locate(DOCUMENT.replace("\n", "\r\n"))[trail] == line


def trails(value, trail=()):
    if isinstance(value, dict):
        for key, inner in value.items():
            yield (*trail, key)
            yield from trails(inner, (*trail, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield (*trail, index)
            yield from trails(inner, (*trail, index))


def test_every_key_of_the_example_has_a_line():
    text = EXAMPLE.read_text()
    lines = locate(text)
    for trail in trails(tomllib.loads(text)):
        assert trail in lines
        if isinstance(trail[-1], str):
            assert trail[-1] in text.splitlines()[lines[trail] - 1]


PIECES = st.sampled_from(
    ["[a]\n", "[[b]]\n", "[b.c]\n", "[[b.d]]\n", "x = 1\n", "y.z = [1,\n2]\n", "'q' = {p = '}'}\n", 's = "#]"\n',
     't = """\n"""\n', "u = ''''''\n", '"\\"" = 3.5 # c\n', "v = [[], [{}]]\n", "\n", "# [x]\n", "w = 07:32:00\n",
     'e = """a\\""""\n', "f = '''a''''\n", "g = [ # c\n  'x' , # d\n]\n"]
)  # fmt: skip


@given(st.lists(PIECES, max_size=12))
@settings(max_examples=150, deadline=None)
def test_whatever_tomllib_accepts_is_located(pieces):
    text = "".join(pieces)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    lines = locate(text)
    for trail in trails(document):
        assert trail in lines, trail
