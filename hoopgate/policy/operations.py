"""Operations: what a statement does, the same words for every protocol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from attrs import frozen

Effect = Literal["read", "write", "delete", "schema", "admin", "execute", "transfer", "session", "unknown"]

EFFECTS: tuple[Effect, ...] = (
    "session", "read", "write", "delete", "schema", "execute", "transfer", "admin", "unknown",
)  # fmt: skip

PARTS: Final[Mapping[str, str]] = {
    "write.lock": "locks tables or rows, or takes advisory locks",
    "write.notify": "sends to other sessions",
    "delete.truncate": "TRUNCATE",
    "schema.code": "makes code that runs later: functions, triggers, rules, casts, operators, aggregates",
    "schema.drop": "drops something that stands in a schema, or a part of it",
    "schema.temporary": "makes a temporary table, view or sequence",
    "execute.block": "DO",
    "execute.function": "calls a function that is not PostgreSQL's own",
    "execute.prepared": "EXECUTE",
    "transfer.in": "COPY into the database",
    "transfer.out": "COPY out of the database",
    "transfer.remote": "a function that reaches other hosts",
    "admin.backend": "cancels or ends what other sessions do",
    "admin.become": "SET ROLE and SET SESSION AUTHORIZATION, in every spelling",
    "admin.catalogue": "changes what stands in the system's own schemas",
    "admin.code": "makes code that runs with more rights than its caller: SECURITY DEFINER, event triggers",
    "admin.database": "makes, changes or drops databases and tablespaces",
    "admin.extension": "extensions and shared libraries",
    "admin.file": "the server's files and programs",
    "admin.language": "languages, and code in untrusted ones and in C",
    "admin.maintenance": "VACUUM, ANALYZE, CLUSTER, REINDEX, CHECKPOINT, statistics, and the server's own upkeep",
    "admin.names": "turns names without a schema to other schemas",
    "admin.privilege": "privileges, owners, row security, and which triggers and rules apply",
    "admin.remote": "other servers: dblink, foreign data wrappers, servers and tables",
    "admin.replication": "replication: publications, subscriptions, slots, origins, replication connections",
    "admin.role": "makes, changes or drops roles, their memberships and passwords",
    "admin.secret": "reads passwords, keys, or how the server is reached",
    "admin.setting": "settings for administrators; ALTER SYSTEM; settings for sessions to come",
    "admin.transaction": "transactions prepared for two-phase commit",
    "unknown.block": "what runs in a DO block",
    "unknown.body": "what runs in a function that is made here, in a language other than SQL",
    "unknown.dynamic": "functions that run text as SQL, or read what a value names",
    "unknown.function": "functions of PostgreSQL's that this release does not know, and calls by number",
    "unknown.reading": "settings that change how text is read",
    "unknown.text": "what does not parse, and nodes that this release does not know",
}
"""Parts of effects that have a name of their own, and what they are. A rule over the effect takes its parts too."""


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
    the question has no meaning. ``why`` says in a few words how the effect was found. ``part`` is the second word of
    one of :data:`PARTS`, or empty. ``through``: what may be written by writing to the objects, which are made here.
    """

    effect: Effect
    command: str
    objects: tuple[Object, ...] = ()
    bounded: bool | None = None
    why: str = ""
    part: str = ""
    through: tuple[Object, ...] = ()

    @property
    def name(self) -> str:
        """The effect as a rule may name it most closely: ``admin.role``, or ``read``."""
        return f"{self.effect}.{self.part}" if self.part else self.effect


def whole(name: str) -> str:
    """``admin`` of ``admin.role``."""
    return name.partition(".")[0]
