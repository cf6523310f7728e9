"""Operations: what a statement does, the same words for every protocol."""

from __future__ import annotations

from typing import Literal

from attrs import frozen

Effect = Literal["read", "write", "delete", "schema", "admin", "execute", "transfer", "session", "unknown"]

EFFECTS: tuple[Effect, ...] = (
    "session", "read", "write", "delete", "schema", "execute", "transfer", "admin", "unknown",
)  # fmt: skip


@frozen
class Object:
    """A thing an operation touches. ``schema`` is empty where the statement does not say it."""

    schema: str
    name: str
    kind: str = "table"  # table, function, role, database, schema, extension, file, program, setting...

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}" if self.schema else self.name


@frozen
class Operation:
    """One effect of one statement.

    ``command`` is the command in the protocol's own words, upper case (``DROP TABLE``, ``DELETE``).
    ``bounded`` is False for a DELETE or UPDATE without an effective WHERE, and for TRUNCATE and DROP; None where
    the question has no meaning. ``why`` says in a few words how the effect was found.
    """

    effect: Effect
    command: str
    objects: tuple[Object, ...] = ()
    bounded: bool | None = None
    why: str = ""
