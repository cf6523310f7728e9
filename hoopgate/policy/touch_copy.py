"""COPY TO STDOUT: rows without RowDescription, so the shape of the output is worked out beforehand.

It needs the very relations that the session sees, since the order of their columns decides. Where the order cannot be
known (``*`` over joins that merge columns, over sub-selects), the columns have to be named.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NoReturn

from hoopgate.catalogue.snapshot import ColumnInfo
from hoopgate.codecs.postgresql.copy import CopyFormat, CopyOptions
from hoopgate.config.model import Mask
from hoopgate.policy.touch_calls import strings
from hoopgate.policy.touch_query import Output
from hoopgate.policy.touch_results import CopyShape, refuse
from hoopgate.policy.touch_scope import Item, Level, Node, names_in
from hoopgate.policy.touch_sources import HINT, Source, Sources

Cell = tuple[Mask, int] | None
_FORMATS: Final[dict[str, CopyFormat]] = {"text": "text", "csv": "csv", "binary": "binary"}
_KNOWN: Final = frozenset({"format", "delimiter", "null", "header", "quote", "escape", "force_quote", "encoding"})
_HEADER: Final = {"1": True, "true": True, "on": True, "0": False, "false": False, "off": False}
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
    options = _options(node)
    if not any(cells):
        return CopyShape(())
    quoted = options.get("force_quote", {})
    return CopyShape(
        tuple(cells),
        CopyOptions(
            format=_format(options),
            delimiter=_marker(options, "delimiter"),
            null=_marker(options, "null"),
            quote=_marker(options, "quote"),
            escape=_marker(options, "escape"),
            header=_header(options),
            # Quotes around more fields than asked for are the same CSV; which positions the names have is not known.
            force_quote_all=bool(quoted),
        ),
        _text(options.get("encoding")),
    )


def _options(node: Node) -> dict[str, Any]:
    """The options by name. A repeated one is an error of PostgreSQL's, so the last will do."""
    found: dict[str, Any] = {}
    for option in node.get("options", ()):
        element = option["DefElem"]
        if element["defname"] not in _KNOWN:
            raise refuse(f"the gateway does not know COPY's option {element['defname']}", "copy")
        found[element["defname"]] = element.get("arg", {"Boolean": {"boolval": True}})
    return found


def _format(options: dict[str, Any]) -> CopyFormat:
    name = _text(options["format"]) if "format" in options else "text"
    if name not in _FORMATS:
        raise refuse(f"the gateway does not know COPY's format {name}", "copy")
    return _FORMATS[name]


def _marker(options: dict[str, Any], name: str) -> bytes | None:
    if name not in options:
        return None
    text = _text(options[name])
    if not text.isascii():
        raise refuse(f"COPY's {name} must be ASCII where columns are masked", "copy")
    return text.encode()


def _text(value: Any) -> str:
    return str(value.get("String", {}).get("sval", "")) if isinstance(value, dict) else ""


def _header(options: dict[str, Any]) -> bool:
    """Whether a header line comes first: taken for one, a line of data would pass unmasked, so only the forms that
    PostgreSQL knows count (source, ``commands/copy.c``: defGetCopyHeaderOption)."""
    value = options.get("header", {"Boolean": {}})
    if "Boolean" in value:
        return bool(value["Boolean"].get("boolval"))
    if "Integer" in value:
        word = str(value["Integer"].get("ival", 0))
    else:
        word = _text(value).lower()
    if word not in _HEADER:
        raise refuse("the gateway does not know this value of COPY's HEADER", "copy")
    return _HEADER[word]
