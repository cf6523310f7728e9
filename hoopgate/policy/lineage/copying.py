"""COPY: rows without RowDescription, so the shape of what comes, or is sent, is worked out beforehand.

It needs the very relations that the session sees, since the order of their columns decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from hoopgate.codecs.postgresql.copy import CopyFormat, CopyOptions
from hoopgate.config.model import Mask
from hoopgate.policy.lineage.calls import strings
from hoopgate.policy.lineage.refusals import Refusal, refuse
from hoopgate.policy.lineage.relations import HINT, Source
from hoopgate.policy.lineage.results import Assigned, CopyInput, CopyShape
from hoopgate.policy.lineage.scope import Rows
from hoopgate.policy.lineage.values import Column, Node, Value, output_columns, taints_of

_FORMATS: Final[dict[str, CopyFormat]] = {"text": "text", "csv": "csv", "binary": "binary"}
_KNOWN: Final = frozenset({"format", "delimiter", "null", "header", "quote", "escape", "force_quote", "encoding"})
_INPUT: Final = _KNOWN | {
    "default", "force_not_null", "force_null", "freeze", "log_verbosity", "on_error", "reject_limit"
}  # fmt: skip
_HEADER: Final = {"1": True, "true": True, "on": True, "0": False, "false": False, "off": False}


def table_rows(source: Source, node: Node) -> Rows:
    """What ``COPY table [(columns)] TO`` gives."""
    names = strings(node.get("attlist", ()))
    if source.hidden:
        hidden = Value((source.taint,)) if source.taint is not None else Value()
        return Rows(tuple(Column(name, hidden) for name in names), None if names else hidden)
    found = {column.name: column for column in source.columns}
    if not names:
        names = [column.name for column in source.columns if not column.generated]
    return Rows(tuple(Column(name, source.value(found[name]) if name in found else Value()) for name in names))


def copy_shape(rows: Rows, node: Node) -> CopyShape:
    """How its output is to be masked. Raises Refusal where that cannot be said."""
    taints = taints_of(rows.every)
    if not taints:
        return CopyShape(())
    if rows.rest is not None:
        raise _refuse_unknown(taints[0].mask)
    return shape(output_columns(rows.columns), node)


def input_shape(sources: Sequence[Source], node: Node) -> CopyInput | None:
    """What ``COPY table [(columns)] FROM STDIN`` writes where; None if no mask is there. Raises Refusal."""
    places: list[tuple[Assigned, ...]] = []
    for source in sources:
        found = {column.name: column for column in source.columns}
        names = strings(node.get("attlist", ())) or [name for name, column in found.items() if not column.generated]
        places += [()] * (len(names) - len(places))
        for place, name in enumerate(names):
            mask = None if source.hidden else source.masked.get(name)
            if mask is not None and name in found:
                label = f'"{name}" of {source.label}'
                places[place] += (Assigned(mask, label, None, found[name].type_oid, new_row=True),)
    if not any(places):
        return None
    options = _options(node, _INPUT)
    return CopyInput(
        tuple(places),
        CopyOptions(
            format=_format(options),
            delimiter=_marker(options, "delimiter"),
            null=_marker(options, "null"),
            quote=_marker(options, "quote"),
            escape=_marker(options, "escape"),
        ),
        _text(options.get("encoding")),
    )


def _refuse_unknown(mask: Mask) -> Refusal:
    return refuse(
        "COPY cannot be masked, since the columns of its output are not known",
        mask.name,
        f"Name the columns in the SELECT. {HINT}",
    )


def shape(outputs: Sequence[Any], node: Node) -> CopyShape:
    options = _options(node, _KNOWN)
    quoted = options.get("force_quote", {})
    return CopyShape(
        tuple(outputs),
        CopyOptions(
            format=_format(options),
            delimiter=_marker(options, "delimiter"),
            null=_marker(options, "null"),
            quote=_marker(options, "quote"),
            escape=_marker(options, "escape"),
            header=_header(options),
            # Quotes around more fields than asked for are the same CSV.
            force_quote_all=bool(quoted),
        ),
        _text(options.get("encoding")),
    )


def _options(node: Node, known: frozenset[str]) -> dict[str, Any]:
    """The options by name. A repeated one is an error of PostgreSQL's, so the last will do."""
    found: dict[str, Any] = {}
    for option in node.get("options", ()):
        element = option["DefElem"]
        if element["defname"] not in known:
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
