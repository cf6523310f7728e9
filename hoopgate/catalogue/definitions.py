"""What stored definitions read: rewrite rules (the query of a view is one), and bodies of functions kept as trees."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from attrs import evolve

from hoopgate.catalogue.flows import Analysis, Level, Made
from hoopgate.catalogue.nodetree import Malformed, Node, parse
from hoopgate.catalogue.snapshot import Reads


def reads(action: str, functions: frozenset[int] = frozenset(), condition: str = "") -> Reads:
    """What the rule with this ``ev_action`` (and ``ev_qual``), or the function with this ``prosqlbody``, reads.

    ``functions`` are those that ``pg_depend`` knows of. Never raises: opaque if in doubt.
    """
    analysis = Analysis()
    try:
        queries = list(_queries(parse(action)))
        if not queries:
            raise Malformed("an empty rule")
        results = [analysis.query(query, None) for query in queries]
        narrow, wide = Made(), Made()
        for result in results:
            narrow.add(result.narrow)
            wide.add(result.wide)
        for result in results[:-1]:
            narrow.add(result.all())
        if condition not in ("", "<>"):
            # The condition of a rule refers to OLD and NEW, the first entries of the action's range table.
            level = Level(queries[0], None, results[0])
            narrow.add(analysis.expression(parse(condition), level))
    except (Malformed, RecursionError):
        return Reads(opaque=True, functions=functions)
    outputs = {number: made.flow() for number, made in results[-1].outputs.items()}
    tables = frozenset(analysis.tables)
    return _attributed(Reads(outputs, narrow.flow(), wide.flow(), functions, writes=analysis.writes, tables=tables))


def _attributed(found: Reads) -> Reads:
    """Functions that the tree does not show (behind operators, casts, types) are taken to have a part in everything."""
    flows = (found.narrow, found.wide, *found.outputs.values())
    hidden = found.functions.difference(*(flow.functions for flow in flows))
    if not hidden:
        return found
    outputs = {number: evolve(flow, functions=flow.functions | hidden) for number, flow in found.outputs.items()}
    narrow = evolve(found.narrow, functions=found.narrow.functions | hidden)
    return evolve(found, outputs=outputs, narrow=narrow)


def _queries(values: list[Any]) -> Iterator[Node]:
    for value in values:
        if isinstance(value, list):
            yield from _queries(value)
        elif isinstance(value, Node) and value.kind == "QUERY":
            yield value
        elif value != "<>":
            raise Malformed("a rule is a list of queries")
