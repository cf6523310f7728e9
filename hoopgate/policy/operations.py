"""Operations: what a statement does, the same words for every protocol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from attrs import frozen

Effect = Literal["read", "write", "delete", "schema", "admin", "execute", "transfer", "session", "unknown"]

EFFECTS: tuple[Effect, ...] = (
    "session", "read", "write", "delete", "schema", "execute", "transfer", "admin", "unknown",
)  # fmt: skip

SQL_PARTS: Final[Mapping[str, str]] = {
    "write.lock": "locks tables or rows, or takes advisory locks",
    "write.notify": "sends to other sessions",
    "delete.truncate": "TRUNCATE",
    "schema.code": "makes code that runs later: functions, triggers, rules, casts, operators, aggregates",
    "schema.drop": "drops something that stands in a schema, or a part of it",
    "schema.temporary": "makes a temporary table, view or sequence",
    "execute.block": "DO",
    "execute.function": "calls a function that is not PostgreSQL's own",
    "execute.prepared": "EXECUTE",
    "transfer.in": "COPY into the database; files to the target's host: sftp, scp, rsync",
    "transfer.out": "COPY out of the database; files from the target's host",
    "transfer.remote": "a function or program that reaches other hosts",
    "admin.backend": "cancels or ends what other sessions do",
    "admin.become": "SET ROLE and SET SESSION AUTHORIZATION, in every spelling; sudo, su and their like",
    "admin.catalogue": "changes what stands in the system's own schemas",
    "admin.code": "makes code that runs with more rights than its caller: SECURITY DEFINER, event triggers",
    "admin.database": "makes, changes or drops databases and tablespaces",
    "admin.extension": "extensions and shared libraries; kernel modules",
    "admin.file": "the server's files and programs",
    "admin.language": "languages, and code in untrusted ones and in C",
    "admin.maintenance": "VACUUM, ANALYZE, CLUSTER, REINDEX, CHECKPOINT, statistics, and the server's own upkeep",
    "admin.names": "turns names without a schema to other schemas",
    "admin.privilege": "privileges, owners, row security, and which triggers and rules apply; setuid, capabilities",
    "admin.remote": "other servers: dblink, foreign data wrappers, servers and tables",
    "admin.replication": "replication: publications, subscriptions, slots, origins, replication connections",
    "admin.role": "makes, changes or drops roles or users, their memberships and passwords",
    "admin.secret": "reads passwords, keys, or how the server is reached",
    "admin.setting": "settings for administrators; ALTER SYSTEM; settings for sessions to come; those of a host",
    "admin.transaction": "transactions prepared for two-phase commit",
    "unknown.block": "what runs in a DO block",
    "unknown.body": "what runs in a function that is made here, in a language other than SQL",
    "unknown.dynamic": "functions that run text as SQL, or read what a value names; programs and code that the text "
    "does not show",
    "unknown.function": "functions of PostgreSQL's that this release does not know, and calls by number",
    "unknown.reading": "settings that change how text is read",
    "unknown.text": "what does not parse, and nodes that this release does not know",
}

SSH_PARTS: Final[Mapping[str, str]] = {
    "session.environment": "variables of language, time and terminal",
    "write.mode": "modes, owners and attributes of files",
    "execute.environment": "other variables that programs are run with",
    "execute.program": "a program whose effects this release does not know, by its name",
    "execute.script": "a file of code that a shell or an interpreter runs",
    "execute.shell": "an interactive shell: what is typed there is recorded, and not judged",
    "transfer.agent": "the client's SSH agent, for the target's host to use; only rules that name it reach it",
    "transfer.display": "the client's X11 display, likewise; only rules that name it reach it",
    "transfer.forward": "connections to other hosts through the target's (ssh -L, -D, -J); only rules that name it "
    "reach it",
    "transfer.listen": "ports and sockets of the target's host that lead to the client (ssh -R); only rules that name "
    "it reach it",
    "admin.container": "containers and virtual machines",
    "admin.environment": "variables that change which programs run or what they load: PATH, LD_PRELOAD, BASH_ENV",
    "admin.network": "addresses, routes and filters of the network",
    "admin.package": "installs, changes or removes software",
    "admin.process": "signals, traces or slows processes",
    "admin.schedule": "makes programs run later: cron, at, timers",
    "admin.service": "starts, stops and changes services; restarts the host",
    "admin.storage": "disks, partitions, filesystems and mounts",
    "unknown.channel": "channels, requests and subsystems of SSH that this release does not know",
}
"""Those that only hosts have."""

PARTS: Final[Mapping[str, str]] = {**SQL_PARTS, **SSH_PARTS}
"""Parts of effects that have a name of their own, and what they are. A rule over the effect takes its parts too."""

BY_NAME: Final = frozenset({"transfer.agent", "transfer.display", "transfer.forward", "transfer.listen"})
"""Parts that an allow or a hold reaches only where it names them: the whole effect does not."""


@frozen
class Object:
    """A thing an operation touches. ``schema`` is empty where the statement does not say it.

    ``also`` is another name of the same thing (of a file: ``~/x``), by which rules may mean it as well. The name of a
    ``file`` may be a glob: then it is some file of these, and nobody knows which. That of a ``path`` is the file's own.
    """

    schema: str
    name: str
    kind: str = "table"  # table, function, role, database, schema, extension, file, path, program, setting...
    also: str = ""

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
