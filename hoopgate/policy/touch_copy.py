"""COPY TO STDOUT: rows without RowDescription, so the shape of the output is worked out beforehand.

It needs the very relations that the session sees, since the order of their columns decides. Where the order cannot be
known (``*`` over joins that merge columns, over sub-selects), the columns have to be named.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NoReturn

from hoopgate.catalogue.snapshot import ColumnInfo
from hoopgate.config.model import Mask
from hoopgate.policy.sql.copying import UnknownOptionError, copy_options
from hoopgate.policy.touch_calls import strings
from hoopgate.policy.touch_query import Output
from hoopgate.policy.touch_results import CopyShape, refuse
from hoopgate.policy.touch_scope import Item, Level, Node, names_in
from hoopgate.policy.touch_sources import HINT, Source, Sources

Cell = tuple[Mask, int] | None
_NO_TYPE: Final = 0  # leads to NULL


def table_shape(source: Source, node: Node) -> CopyShape:
    """The shape of ``COPY table [(columns)] TO``."""
    names = strings(node.get("attlist", ()))
    if names:
        found = {column.name: column for column in source.columns}
        cells = [_cell(source, name, found.get(name)) for name in names]
    else:
        cells = [_cell(source, column.name, column) for column in source.columns if not column.generated]
    if source.hidden and not names:
        _refuse_unknown(source.label, source.mask_of("*"))
    return _shape(cells, node)


def query_shape(output: Output, sources: Sources, node: Node) -> CopyShape | None:
    """The shape of ``COPY (query) TO``; None if the session has to be asked first."""
    if output.masked is None:
        return CopyShape(())
    cells: list[Cell] = []
    asked = len(sources.missing)
    for target, mention in zip(output.targets, output.mentions, strict=True):
        value = target["ResTarget"].get("val", {})
        names, star = names_in(value["ColumnRef"]) if "ColumnRef" in value else ([], False)
        if star:
            cells += _star(names, output.level, sources)
        elif mention is None:
            cells.append(None)
        else:
            cells.append((mention.mask, _type_of(names, output.level, sources)))
    return None if len(sources.missing) > asked else _shape(cells, node)


def _star(names: Sequence[str], level: Level, sources: Sources) -> list[Cell]:
    items = [item for item in level.items if not names or item.name == names[-1]]
    if level.merged and not names:
        _refuse_unknown(
            "a join that merges columns", next((found[0] for item in items if (found := item.any_mask())), None)
        )
    cells: list[Cell] = []
    for item in items:
        cells += _item_cells(item, sources)
    return cells


def _item_cells(item: Item, sources: Sources) -> list[Cell]:
    if item.members:
        return [cell for member in item.members for cell in _item_cells(member, sources)]
    if item.range_var is None or not item.sources:
        _refuse_unknown(item.name or "a part of the query", None)
    source = sources.exact(item.range_var)
    if source is None:
        return []
    if source.hidden:
        _refuse_unknown(source.label, source.mask_of("*"))
    return [_cell(source, column.name, column) for column in source.columns]


def _type_of(names: Sequence[str], level: Level, sources: Sources) -> int:
    """The type of a column by its name, where the relation is certain."""
    for item in level.items:
        if (len(names) == 1 or item.name == names[-2]) and item.range_var is not None and item.mask_of(names[-1]):
            source = sources.exact(item.range_var)
            columns = source.columns if source is not None else ()
            return next((column.type_oid for column in columns if column.name == names[-1]), _NO_TYPE)
    return _NO_TYPE


def _cell(source: Source, name: str, column: ColumnInfo | None) -> Cell:
    mask = source.mask_of(name)
    return None if mask is None else (mask, column.type_oid if column is not None else _NO_TYPE)


def _refuse_unknown(what: str, mask: Mask | None) -> NoReturn:
    name = mask.name if mask is not None else "copy"
    raise refuse(
        f"COPY cannot be masked, since the order of the columns of {what} is not known",
        name,
        f"Name the columns in the SELECT. {HINT}",
    )


def _shape(cells: Sequence[Cell], node: Node) -> CopyShape:
    try:
        options, encoding = copy_options(node)
    except UnknownOptionError as error:
        raise refuse(str(error), "copy") from None
    return CopyShape(tuple(cells), options, encoding) if any(cells) else CopyShape(())
