"""Relations that hide others: a name without a schema means the first on the ``search_path``, until that one is gone.

A statement is judged before it runs. Where it waits in between, for a lock or behind others, somebody could take such a
relation away, and the name would come to mean one with masked columns.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from hoopgate.catalogue.index import MaskIndex
from hoopgate.catalogue.snapshot import Relation
from hoopgate.policy.lineage.refusals import refuse
from hoopgate.policy.lineage.values import Node

RELATIONS: Final = frozenset({"OBJECT_TABLE", "OBJECT_VIEW", "OBJECT_MATVIEW", "OBJECT_FOREIGN_TABLE"})
_VIEWS: Final = "vm"
_OWN: Final = "pg_temp"  # what the session alone looks in


def check_gone(index: MaskIndex, relations: Iterable[Relation]) -> None:
    """Raise Refusal if one of these, which lose their names, hides another with masks that it has not itself."""
    for relation in relations:
        for other in index.relations(None, relation.name):
            if other.schema == relation.schema:
                continue
            mask = _uncovered(index, relation, other)
            if mask:
                raise refuse(
                    f"{relation} hides {other}, which is masked (mask {mask}), from statements that name no schema: it "
                    "cannot be dropped, renamed or moved while some may be under way",
                    mask,
                    "People whom no mask covers may do it.",
                )


def dropped(index: MaskIndex, node: Node) -> list[Relation]:
    """The permanent relations that a DROP may take away."""
    kind, cascades = node.get("removeType", ""), node.get("behavior") == "DROP_CASCADE"
    every = index.snapshot.relations.values()
    found: list[Relation] = []
    for item in node.get("objects", ()):
        if kind == "OBJECT_SCHEMA":
            schema = item.get("String", {}).get("sval", "")
            found += [relation for relation in every if relation.schema == schema]
        elif kind in RELATIONS:
            names = [each.get("String", {}).get("sval", "") for each in item.get("List", {}).get("items", ())]
            found += named(index, names[-2] if len(names) > 1 else None, names[-1] if names else "")
    if cascades:
        followed = kind in RELATIONS or kind == "OBJECT_SCHEMA"  # by views alone
        found += [relation for relation in every if not followed or relation.kind in _VIEWS]
    return found


def named(index: MaskIndex, schema: str | None, name: str) -> list[Relation]:
    """The relations that may be meant; of temporary ones those of other sessions."""
    if schema is None or schema == _OWN:
        return [each for each in index.relations(schema, name) if not each.schema.startswith(_OWN)]
    return list(index.relations(schema, name))


def _uncovered(index: MaskIndex, relation: Relation, other: Relation) -> str:
    """The name of a mask of ``other`` that ``relation`` has not; "" for none."""
    refused = index.refused.get(other.oid)
    if refused is not None:
        return refused.mask
    masks = index.masked.get(other.oid)
    if not masks:
        return ""
    own = index.masked.get(relation.oid, {})
    mine = {column.name: own[column.attnum] for column in relation.columns if column.attnum in own}
    names = {column.attnum: column.name for column in other.columns}
    return next((mask.name for at, mask in masks.items() if mine.get(names.get(at, "")) != mask), "")
