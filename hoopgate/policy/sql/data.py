"""The statements that read and change rows: SELECT, INSERT, UPDATE, DELETE, MERGE, COPY, TRUNCATE, LOCK."""

from __future__ import annotations

from typing import Final

from hoopgate.policy.operations import Object
from hoopgate.policy.sql.columns import others, tables, ties
from hoopgate.policy.sql.conditions import reads_whole, restriction
from hoopgate.policy.sql.constants import limits, unknown_parameter
from hoopgate.policy.sql.extraction import Draft, Extraction, Scope, Visitor
from hoopgate.policy.sql.names import in_catalogue, relation
from hoopgate.policy.sql.pinned import pinned
from hoopgate.policy.sql.tree import Node

_STRENGTHS: Final = {
    "LCS_FORUPDATE": "SELECT FOR UPDATE",
    "LCS_FORNOKEYUPDATE": "SELECT FOR NO KEY UPDATE",
    "LCS_FORSHARE": "SELECT FOR SHARE",
    "LCS_FORKEYSHARE": "SELECT FOR KEY SHARE",
}


def with_clause(x: Extraction, body: Node, scope: Scope) -> Scope:
    """Walk a statement's CTEs, each in its own scope, and return the scope of the statement itself.

    Without RECURSIVE a CTE sees those before it; with it all see all (PostgreSQL manual, SELECT, WITH clause).
    """
    clause = body.get("withClause")
    if not clause:
        return scope
    items = [item["CommonTableExpr"] for item in clause.get("ctes", ())]
    queries = {item["ctename"]: (place, item.get("ctequery", {})) for place, item in enumerate(items)}
    every = len(items)
    for place, item in enumerate(items):
        x.push(item.get("ctequery"), scope.inside(queries, every if clause.get("recursive") else place))
    return scope.inside(queries, every)


def change(
    x: Extraction, effect: str, command: str, target: Object, bounded: bool | None = None, why: str = ""
) -> Draft:
    """Note a change of rows; of the catalogue's own tables it is an administrator's (``UPDATE pg_settings``...)."""
    if in_catalogue(target):
        return x.add("admin.catalogue", command, (target,), bounded, "changes the system's own tables")
    return x.add(effect, command, (target,), bounded, why)


def select(x: Extraction, body: Node, scope: Scope) -> None:
    body = pinned(body)
    inner = with_clause(x, body, scope)
    into = body.get("intoClause")
    if into:
        x.add("schema", "SELECT INTO", (relation(into.get("rel", {})),), why="makes a table")
    x.read()
    _locks(x, body, inner)
    for arm in ("rarg", "larg"):
        if arm in body:
            x.push({"SelectStmt": body[arm]}, inner)
    x.rest(body, inner, ("withClause", "intoClause", "lockingClause", "larg", "rarg"))


def _locks(x: Extraction, body: Node, scope: Scope) -> None:
    """Row locks keep writers out: a write, and an unbounded one where neither WHERE nor LIMIT restricts it."""
    for item in body.get("lockingClause", ()):
        clause = item["LockingClause"]
        command = _STRENGTHS.get(clause.get("strength", ""), "SELECT FOR UPDATE")
        items = body.get("fromClause", [])
        named = {item["RangeVar"].get("relname") for item in clause.get("lockedRels", ()) if "RangeVar" in item}
        locked = [
            member
            for name, kind, member in tables(items)
            if kind == "RangeVar" and (member.get("schemaname") or member.get("relname") not in scope)
            if not named or name in named
        ]
        tests = [
            restriction(condition, member, others(items, member))
            for member in locked
            for condition in (body.get("whereClause"), *ties(items, member))
        ]
        bounded = _is_limited(x, body) or any(x.judged(test) for test in tests)
        x.add("write.lock", command, map(relation, locked), bounded, "locks rows")


def _is_limited(x: Extraction, body: Node) -> bool:
    count = body.get("limitCount")
    if count is None or body.get("limitOption") == "LIMIT_OPTION_WITH_TIES":
        return False
    x.literal = True
    x.parameter = x.parameter or unknown_parameter(count)
    return limits(count)


def insert(x: Extraction, body: Node, scope: Scope) -> None:
    inner = with_clause(x, body, scope)
    target = relation(body.get("relation", {}))
    bounded = False if _rewrites_all(body, inner) else None
    change(x, "write", "INSERT", target, bounded, "" if bounded is None else "updates all rows that it reads there")
    if "returningClause" in body:
        x.read(target)
    values = body.get("selectStmt", {}).get("SelectStmt", {})
    if set(values) <= _VALUES_ONLY:
        x.push(values.get("valuesLists"), inner)  # VALUES alone reads nothing
    else:
        x.push(body.get("selectStmt"), inner)
    x.rest(body, inner, ("withClause", "relation", "selectStmt"))


def _rewrites_all(body: Node, scope: Scope) -> bool:
    """``INSERT INTO t SELECT * FROM t ON CONFLICT DO UPDATE`` without a WHERE is an UPDATE of all of t."""
    conflict = body.get("onConflictClause", {})
    if conflict.get("action") != "ONCONFLICT_UPDATE" or "whereClause" in conflict:
        return False
    return reads_whole(body.get("selectStmt", {}), body.get("relation", {}), scope)


_VALUES_ONLY: Final = frozenset({"valuesLists", "limitOption", "op"})


def update(x: Extraction, body: Node, scope: Scope) -> None:
    _restricted(x, body, scope, "write", "UPDATE", "fromClause")


def delete(x: Extraction, body: Node, scope: Scope) -> None:
    _restricted(x, body, scope, "delete", "DELETE", "usingClause")


def _restricted(x: Extraction, body: Node, scope: Scope, effect: str, command: str, beside: str) -> None:
    inner = with_clause(x, body, scope)
    target = relation(body.get("relation", {}))
    where = body.get("whereClause")
    test = restriction(where, body.get("relation", {}), body.get(beside, ()), inner)
    effective = x.judged(test)
    why = "" if effective else ("its WHERE restricts nothing" if where else "no WHERE")
    change(x, effect, command, target, effective, why)
    if "returningClause" in body:
        x.read(target)
    x.rest(body, inner, ("withClause", "relation"))


def merge(x: Extraction, body: Node, scope: Scope) -> None:
    """Each WHEN is its own operation: rows that the join finds, rows it does not, or all the rest of the target."""
    inner = with_clause(x, body, scope)
    target = relation(body.get("relation", {}))
    source = [body["sourceRelation"]] if "sourceRelation" in body else []
    join = restriction(body.get("joinCondition"), body.get("relation", {}), source, inner)
    joined = x.judged(join)
    for item in body.get("mergeWhenClauses", ()):
        clause = item["MergeWhenClause"]
        command = clause.get("commandType", "")
        if command == "CMD_INSERT":
            change(x, "write", "MERGE INSERT", target)
        elif command != "CMD_NOTHING":
            test = restriction(clause.get("condition"), body.get("relation", {}), source, inner)
            tested = x.judged(test)
            beyond = clause.get("matchKind") == "MERGE_WHEN_NOT_MATCHED_BY_SOURCE"
            bounded = tested or (joined and not beyond)
            why = "" if bounded else "no condition restricts it"
            name = "MERGE DELETE" if command == "CMD_DELETE" else "MERGE UPDATE"
            change(x, "delete" if command == "CMD_DELETE" else "write", name, target, bounded, why)
    if "returningClause" in body:
        x.read(target)
    x.rest(body, inner, ("withClause", "relation"))


def copy(x: Extraction, body: Node, scope: Scope) -> None:
    """COPY moves rows in bulk: a read or a write, and a transfer; a file or program is the server's own."""
    inwards = bool(body.get("is_from"))
    command = "COPY FROM" if inwards else "COPY TO"
    transfer = "transfer.in" if inwards else "transfer.out"
    if "relation" in body:
        target = relation(body["relation"])
        if inwards:
            change(x, "write", command, target)
        else:
            x.read(target)
        x.add(transfer, command, (target,))
    else:
        x.add(transfer, command)
    if "filename" in body:
        kind = "program" if body.get("is_program") else "file"
        x.add("admin.file", command, (Object("", body["filename"], kind),), why=f"a {kind} of the server's")
    x.literal = True
    x.rest(body, scope, ("relation",))


def truncate(x: Extraction, body: Node, scope: Scope) -> None:
    for item in body.get("relations", ()):
        change(x, "delete.truncate", "TRUNCATE", relation(item.get("RangeVar", {})), False, "empties the table")


_ACCESS_SHARE: Final = 1  # lockdefs.h: what SELECT takes, and pg_dump before it reads


def lock(x: Extraction, body: Node, scope: Scope) -> None:
    if body.get("mode") == _ACCESS_SHARE:
        x.push(body.get("relations"), scope)
        return
    draft = x.add("write.lock", "LOCK", bounded=False, why="keeps others out of the whole table")
    x.push(body.get("relations"), scope, draft)


VISITORS: Final[dict[str, Visitor]] = {
    "CopyStmt": copy,
    "DeleteStmt": delete,
    "InsertStmt": insert,
    "LockStmt": lock,
    "MergeStmt": merge,
    "SelectStmt": select,
    "TruncateStmt": truncate,
    "UpdateStmt": update,
}
