"""Presidio itself, where it is installed: it is large and optional, so only the long run asks for it."""

from __future__ import annotations

import pytest

from hoopgate import plugins
from hoopgate.errors import HoopgateError

pytestmark = pytest.mark.long


def make(options: dict[str, object]) -> object:
    factory = plugins.load_plugins("hoopgate.detectors", ["presidio"])["presidio"]
    return plugins.make("hoopgate.detectors", "presidio", factory, options)


def test_it_finds_by_its_own_patterns_without_a_model() -> None:
    found = make({"entities": ["PHONE_NUMBER", "CREDIT_CARD"]}).find("call 212-555-5555, card 4111111111111111")  # type: ignore[attr-defined]
    assert sorted(found) == [(5, 17, "phone_number"), (24, 40, "credit_card")]


def test_mistakes_in_its_options_stop_the_start() -> None:
    with pytest.raises(HoopgateError, match="no option 'entity'"):
        make({"entity": ["PERSON"]})
    with pytest.raises(HoopgateError, match="'no_such_model' is not installed"):
        make({"model": "no_such_model"})
