"""CREATE TABLE AS, SELECT INTO and views: masked values that come to stand in a new relation."""

from __future__ import annotations

from attrs import define

from hoopgate.catalogue.snapshot import ColumnInfo
from hoopgate.config.model import Mask
from hoopgate.policy.lineage.calls import CODE, HINT, strings
from hoopgate.policy.lineage.definitions import Definitions, refuse_use
from hoopgate.policy.lineage.refusals import refuse
from hoopgate.policy.lineage.relations import Source
from hoopgate.policy.lineage.results import Moved
from hoopgate.policy.lineage.scope import At, Rows
from hoopgate.policy.lineage.values import Node
from hoopgate.policy.lineage.writes import covers, refuse_move


@define(eq=False)
class Creations(Definitions):
    """Adds relations that are made of a query."""

    def create_as(self, node: Node) -> None:
        self.scrub = True
        if "ExecuteStmt" in node["query"]:
            raise refuse("CREATE TABLE AS EXECUTE cannot be judged while masks are in force", CODE, HINT)
        self._filled(node["into"], self.query(node["query"], At()))

    def select_into(self, node: Node) -> None:
        self.scrub = True
        plain = {key: value for key, value in node.items() if key != "intoClause"}
        self._filled(node["intoClause"], self.query({"SelectStmt": plain}, At()))

    def view(self, node: Node) -> None:
        """A view shows today's values for ever, so that it must decide nothing by them."""
        self.scrub = True
        before = len(self.probes)
        rows = self.query(node["query"], At())
        if len(self.probes) > before:
            probe = self.probes[before]
            raise refuse(
                f'column {probe.column} is masked (mask "{probe.mask.name}"): no view can decide by it',
                probe.mask.name,
                HINT,
            )
        self._checked(node["view"], strings(node.get("aliases", ())), rows)

    def _filled(self, into: Node, rows: Rows) -> None:
        """A new table that is made of rows."""
        self.carried = True
        range_var, names = into["rel"], strings(into.get("colNames", ()))
        if not _temporary(range_var):
            self._checked(range_var, names, rows)
            return
        name = range_var["relname"]
        columns = rows.as_item("", names).columns
        masked = {each.name: each.value.taints[0].mask for each in columns if each.value.taints}
        if rows.rest is not None and rows.rest.taints:
            raise refuse_move(rows.rest.taints[0])
        if masked:
            self.moved.append(Moved(name, masked))
            self.relations.move(name, masked)
        infos = tuple(ColumnInfo(at + 1, each.name, each.value.type_oid) for at, each in enumerate(columns))
        self.relations.define(Source(name, schema="pg_temp", name=name, columns=infos, masked=masked, temporary=True))

    def _checked(self, range_var: Node, names: list[str], rows: Rows) -> None:
        """Raise Refusal unless the masks will cover the new relation's columns as well as those it is made of."""
        for column in rows.as_item("", names).columns:
            for taint in column.value.taints:
                mask = self._mask_of(range_var, column.name)
                if mask is None or not covers(mask, taint.mask, column.value):
                    raise refuse_move(taint)
        if rows.rest is not None and rows.rest.taints:
            raise refuse_use(rows.rest.taints[0], "written to another table")

    def _mask_of(self, range_var: Node, column: str) -> Mask | None:
        """The mask that the globs will give to a column of a new relation."""
        schema = range_var.get("schemaname") or (self.relations.path or (None,))[0]
        if schema is None or _temporary(range_var):
            return None
        return self.relations.index.selectors.mask(schema, range_var["relname"], column)


def _temporary(range_var: Node) -> bool:
    return range_var.get("relpersistence") == "t" or range_var.get("schemaname") == "pg_temp"
