"""What :func:`hoopgate.policy.touch.touch` may say of a message of statements."""

from __future__ import annotations

from attrs import field, frozen

from hoopgate.codecs.postgresql.copy import CopyOptions
from hoopgate.config.model import Mask

RelationName = tuple[str | None, str]  # schema (None: unqualified) and name


@frozen
class Untouched:
    """Reaches no masked column, and runs nothing whose errors or notices could tell of one.

    ``by_literal``, of each answer: a text that differs in literals alone may get another.
    """

    by_literal: bool = field(default=False, kw_only=True, eq=False, repr=False)


@frozen
class CopyShape:
    """A COPY TO STDOUT: for each column of the output its mask and type oid, or None where it stays clear.

    ``columns`` is empty where nothing is masked. ``encoding`` is the option's, "" for client_encoding.
    """

    columns: tuple[tuple[Mask, int] | None, ...]
    options: CopyOptions = field(factory=CopyOptions)
    encoding: str = ""

    @property
    def masked(self) -> bool:
        return any(column is not None for column in self.columns)


@frozen
class Direct:
    """May run: masked columns come out only as result columns with an origin, or in ``copy``'s places.

    Errors and notices of it are to be scrubbed. ``masks`` are the names of those met.
    """

    masks: tuple[str, ...] = ()
    copy: CopyShape | None = None
    by_literal: bool = field(default=False, kw_only=True, eq=False, repr=False)


@frozen
class Refused:
    """Must not run. ``reason`` is a sentence for the client, ``mask`` the mask's name."""

    reason: str
    hint: str
    mask: str
    sqlstate: str = "42501"
    by_literal: bool = field(default=False, kw_only=True, eq=False, repr=False)


@frozen
class Ask:
    """Cannot be said yet: refresh the catalogue for ``functions`` and ``relations``, and, if that does not help, ask
    the client's own session about ``relations``."""

    relations: frozenset[RelationName] = frozenset()
    functions: frozenset[str] = frozenset()


Touched = Untouched | Direct | Refused | Ask


class Refusal(Exception):  # noqa: N818 - it is one
    """Ends a walk early."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(refused.reason)
        self.refused = refused


def refuse(reason: str, mask: str, hint: str = "", sqlstate: str = "42501") -> Refusal:
    return Refusal(Refused(reason, hint, mask, sqlstate))
