"""Replication connections and commands as operations, and that no rule about SQL lets them through by the way."""

from __future__ import annotations

import pytest

from hoopgate.policy import replication


@pytest.mark.parametrize("value", ["true", "on", "1", "database", "yes", "TRUE", "odd"])
def test_any_value_but_no_asks_for_replication(value: str) -> None:
    assert replication.asked(value)


@pytest.mark.parametrize("value", ["false", "off", "0", "no", "False"])
def test_no_is_no(value: str) -> None:
    assert not replication.asked(value)


@pytest.mark.parametrize(
    ("text", "effect", "command"),
    [
        ("IDENTIFY_SYSTEM", "read", "IDENTIFY_SYSTEM"),
        ('START_REPLICATION SLOT "s" LOGICAL 0/0', "transfer", "START_REPLICATION"),
        ("  base_backup (LABEL 'x')", "transfer", "BASE_BACKUP"),
        ("DROP_REPLICATION_SLOT s WAIT", "admin", "DROP_REPLICATION_SLOT"),
    ],
)
def test_commands_are_told_by_their_first_word(text: str, effect: str, command: str) -> None:
    operation = replication.command(text)
    assert operation is not None
    assert (operation.effect, operation.command) == (effect, command)


@pytest.mark.parametrize(
    "text", ["", "SELECT 1", "SHOW x", "IDENTIFY_SYSTEMS", "-- IDENTIFY_SYSTEM\nDROP TABLE t", "1"]
)
def test_what_is_no_command_is_judged_as_sql(text: str) -> None:
    assert replication.command(text) is None
