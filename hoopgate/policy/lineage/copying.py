"""COPY: rows without RowDescription, so the shape of what comes, or is sent, is worked out beforehand.

It needs the very relations that the session sees, since the order of their columns decides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hoopgate.codecs.postgresql.copy import CopyOptions
from hoopgate.config.model import Mask
from hoopgate.policy.lineage.calls import strings
from hoopgate.policy.lineage.refusals import Refusal, refuse
from hoopgate.policy.lineage.relations import HINT, Source
from hoopgate.policy.lineage.results import Assigned, CopyInput, CopyShape
from hoopgate.policy.lineage.scope import Rows
from hoopgate.policy.lineage.values import Column, Node, Value, output_columns, taints_of
from hoopgate.policy.sql.copying import UnknownOptionError, input_options, output_options


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
    return CopyShape(output_columns(rows.columns), *_known(output_options, node))


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
    return CopyInput(tuple(places), *_known(input_options, node))


def _refuse_unknown(mask: Mask) -> Refusal:
    return refuse(
        "COPY cannot be masked, since the columns of its output are not known",
        mask.name,
        f"Name the columns in the SELECT. {HINT}",
    )


def _known(read: Callable[[Node], tuple[CopyOptions, str]], node: Node) -> tuple[CopyOptions, str]:
    try:
        return read(node)
    except UnknownOptionError as error:
        raise refuse(str(error), "copy") from None
