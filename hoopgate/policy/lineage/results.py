"""What :func:`hoopgate.policy.lineage.trace` may say of a message of statements."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

from hoopgate.catalogue.snapshot import ColumnKey
from hoopgate.codecs.postgresql.copy import CopyOptions
from hoopgate.config.model import Mask

RelationName = tuple[str | None, str]  # schema (None: unqualified) and name


@frozen
class Output:
    """One column of a result.

    ``origin``: the relation's oid and attribute number that PostgreSQL must name for it in RowDescription, or None
    where the value is computed. ``others``: origins that it may name as well, where a name may be that of several
    relations. ``mask`` is None where nothing masked has a part in it; ``derived``: the value was computed with masked
    ones, so it is hidden whole. ``type_oid`` is 0 where it is not known.
    """

    origin: ColumnKey | None = None
    others: tuple[ColumnKey, ...] = field(default=(), kw_only=True)
    mask: Mask | None = None
    derived: bool = False
    type_oid: int = 0


@frozen
class Probe:
    """A look into masked values that no output shows: a condition, a join, an order, a group, a limit.

    ``narrow``: it can only tell whether a value equals one that the client named already (``=``, ``IN``, IS NULL),
    not where it lies in an order.
    """

    mask: Mask
    column: str
    narrow: bool = False


@frozen
class Moved:
    """Masked values come to stand in a relation of the session's own (pg_temp): its columns by name."""

    relation: str
    columns: Mapping[str, Mask]


@frozen
class SourceRead:
    """A relation with masks of ``reading = "source"`` stands here: the statement is to read its masked form.

    ``location``: byte offset of the RangeVar in the message's UTF-8 text (libpg_query's ``location``).
    """

    location: int
    oid: int


@frozen
class Assigned:
    """A statement writes into a masked column. ``value``: the constant's text, or the number of the parameter that it
    stands for; None for anything computed.

    ``type_oid`` is the column's, 0 where it is not known. ``new_row``: of a row that the statement makes, so that
    nothing is overwritten.
    """

    mask: Mask
    column: str
    value: str | int | None
    type_oid: int = 0
    new_row: bool = False


@frozen
class CopyShape:
    """A COPY TO STDOUT: what becomes of each column. ``encoding`` is the option's, "" for client_encoding."""

    outputs: tuple[Output, ...]
    options: CopyOptions = field(factory=CopyOptions)
    encoding: str = ""

    @property
    def masked(self) -> bool:
        return any(output.mask is not None for output in self.outputs)


@frozen
class CopyInput:
    """A COPY FROM STDIN into masked columns. ``columns``: by place in a row what its field is written into; nothing
    where no mask is, several where the name may mean several relations. ``encoding``: see CopyShape."""

    columns: tuple[tuple[Assigned, ...], ...]
    options: CopyOptions = field(factory=CopyOptions)
    encoding: str = ""


@frozen(kw_only=True)
class Untouched:
    """Reaches no masked column, and runs nothing whose errors or notices could tell of one.

    ``by_literal``, of each answer: a text that differs in literals alone may get another. ``results``: see Traced.
    """

    results: tuple[tuple[Output, ...] | None, ...] = ()
    by_literal: bool = field(default=False, eq=False, repr=False)


@frozen(kw_only=True)
class Traced:
    """May run, with what follows for its answers. Errors and notices of it are to be scrubbed.

    ``results``: for each statement of the message, by its place, its outputs: () where it returns no rows (or answers
    as COPY), None where they cannot be told (of those each column without a known clear origin is masked; of an
    Untouched's, those with a masked origin are). EXECUTE and FETCH have the outputs of what they run. ``carries``: what
    it reads goes where no result shows it, so that its names must still mean the same as it runs.
    ``uncosted``: places of statements that are EXPLAIN and must not show what they would by themselves.
    """

    masks: tuple[str, ...] = ()
    results: tuple[tuple[Output, ...] | None, ...] = ()
    copy: CopyShape | None = None
    probes: tuple[Probe, ...] = ()
    moved: tuple[Moved, ...] = ()
    reads: tuple[SourceRead, ...] = ()
    assigned: tuple[Assigned, ...] = ()
    copy_input: CopyInput | None = None
    carries: bool = False
    uncosted: tuple[int, ...] = ()
    by_literal: bool = field(default=False, eq=False, repr=False)


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


Answer = Untouched | Traced | Refused | Ask
