"""The policy's version changes with what decides, and with nothing else."""

from __future__ import annotations

import pytest

from hoopgate.config.load import loads
from tests.config.files import MINIMAL, accept

RULES = """
[[rule]]
name = "one"
who = { groups = ["a"] }
then = "allow"
[[rule]]
name = "two"
who = { groups = ["b"] }
then = "mask"
masks = ["m"]
[[mask]]
name = "m"
columns = ["*.*.ssn"]
"""
BASE = accept(RULES).version


def test_it_is_sha256_in_hex():
    assert len(BASE) == 64
    assert int(BASE, 16)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("[[rule]]", "# a comment\n\n[[rule]]"),
        ('who = { groups = ["a"] }\nthen = "allow"', 'then = "allow"\nwho.groups = ["a"]'),
        ('columns = ["*.*.ssn"]', 'columns = ["*.*.ssn"]\nkind = "replace"'),
        ('columns = ["*.*.ssn"]', 'columns = ["*.*.ssn"]\n[limits]\nsession = "1h"'),
    ],
)
def test_what_does_not_decide(old, new):
    assert accept(RULES.replace(old, new, 1)).version == BASE


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('groups = ["a"]', 'groups = ["c"]'),
        ('then = "allow"', 'then = "deny"'),
        ('then = "allow"', 'then = "allow"\ngrant = true\napprovers = {groups = ["dba"]}'),
        ("*.*.ssn", "*.*.ssn2"),
        ('columns = ["*.*.ssn"]', 'columns = ["*.*.ssn"]\nunless = {groups = ["x"]}'),
        ('columns = ["*.*.ssn"]', 'columns = ["*.*.ssn"]\n[masking]\nfunctions_safe = ["a.b"]'),
        ('columns = ["*.*.ssn"]', 'columns = ["*.*.ssn"]\n[risk]\nunbounded = 31'),
    ],
)
def test_what_decides(old, new):
    assert accept(RULES.replace(old, new, 1)).version != BASE


def test_order_and_labels_decide():
    one, two = RULES.partition('[[rule]]\nname = "two"')[0], RULES[RULES.index('[[rule]]\nname = "two"') :]
    assert accept(two + one).version != BASE
    assert loads(MINIMAL.replace('env = "prod"', 'env = "dev"') + RULES).version != BASE
    assert loads(MINIMAL.replace('["pii"]', '["gdpr"]') + RULES).version != BASE
    assert loads(MINIMAL.replace("https://id", "https://idp") + RULES).version != BASE
