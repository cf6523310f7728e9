"""Statements about the session, and those that wrap another: SET, transactions, cursors, PREPARE, EXPLAIN, DO, CALL."""

from __future__ import annotations

from typing import Any, Final

from hoopgate.policy.operations import Object, Operation
from hoopgate.policy.sql.expressions import literal
from hoopgate.policy.sql.extraction import Extraction, Scope, Visitor
from hoopgate.policy.sql.functions import EXECUTE, call_effect
from hoopgate.policy.sql.names import folded, strings
from hoopgate.policy.sql.settings import setting_effect
from hoopgate.policy.sql.tree import Node

_TRANSACTIONS: Final = {
    "TRANS_STMT_BEGIN": "BEGIN",
    "TRANS_STMT_START": "BEGIN",
    "TRANS_STMT_COMMIT": "COMMIT",
    "TRANS_STMT_ROLLBACK": "ROLLBACK",
    "TRANS_STMT_SAVEPOINT": "SAVEPOINT",
    "TRANS_STMT_RELEASE": "RELEASE",
    "TRANS_STMT_ROLLBACK_TO": "ROLLBACK",
}
_TWO_PHASE: Final = {
    "TRANS_STMT_PREPARE": "PREPARE TRANSACTION",
    "TRANS_STMT_COMMIT_PREPARED": "COMMIT PREPARED",
    "TRANS_STMT_ROLLBACK_PREPARED": "ROLLBACK PREPARED",
}


def set_variable(x: Extraction, body: Node, scope: Scope) -> None:
    x.literal = True
    kind, name = body.get("kind", ""), body.get("name", "")
    if kind in ("VAR_RESET", "VAR_RESET_ALL", "VAR_SET_DEFAULT"):
        # back to what the session began with, which nobody in it chose
        command = "SET" if kind == "VAR_SET_DEFAULT" else "RESET"
        x.add("session", command, (_setting(name or "all"),))
    elif kind == "VAR_SET_MULTI":
        snapshot = name.endswith("SNAPSHOT")
        x.add("session", "SET TRANSACTION SNAPSHOT" if snapshot else f"SET {name}")
    elif kind == "VAR_SET_VALUE":
        values = [literal(argument) for argument in body.get("args", ())]
        known = None if None in values else [value for value in values if value is not None]
        effect, why = setting_effect(name, known)
        x.add(effect, _set_command(name), (_setting(name),), why=why)
    else:
        x.add("admin.setting", "SET", (_setting(name),), why="takes a setting's value from elsewhere")


def startup_setting(name: str, value: str) -> Operation | None:
    """The operation of a setting in the StartupMessage; None where it concerns the session alone.

    How text is read is known from the first message on, so that any client_encoding is judged as it is.
    """
    effect, why = setting_effect(name, [value])
    if not effect.startswith("admin"):
        return None
    return Operation("admin", _set_command(name), (_setting(name),), why=why, part=effect.partition(".")[2])


def _set_command(name: str) -> str:
    return {"role": "SET ROLE", "session_authorization": "SET SESSION AUTHORIZATION"}.get(folded(name), "SET")


def _setting(name: str) -> Object:
    return Object("", folded(name), "setting")


def show(x: Extraction, body: Node, scope: Scope) -> None:
    x.add("session", "SHOW", (_setting(body.get("name", "")),))


def transaction(x: Extraction, body: Node, scope: Scope) -> None:
    kind: str = body.get("kind", "")
    if kind in _TRANSACTIONS:
        x.add("session", _TRANSACTIONS[kind])
        return
    x.literal = True
    thing = Object("", body.get("gid", ""), "transaction")
    why = "a prepared transaction outlives its session and keeps its locks"
    x.add("admin.transaction", _TWO_PHASE.get(kind, kind), (thing,), why=why)


def explain(x: Extraction, body: Node, scope: Scope) -> None:
    """EXPLAIN ANALYZE runs the statement. Plain EXPLAIN plans it: a read of what it would touch.

    Functions keep their effects, since planning runs those declared stable or immutable.
    """
    x.literal = True
    options = [item.get("DefElem", {}) for item in body.get("options", ())]
    if any(folded(option.get("defname", "")) == "analyze" and not _off(option) for option in options):
        x.add("session", "EXPLAIN")
        x.push(body.get("query"), scope)
        return
    planned = Extraction(x.visitors)
    operations = planned.run(body.get("query", {}))
    x.add("session", "EXPLAIN")
    x.read()
    for operation in operations:
        if operation.effect in ("read", "write", "delete", "schema", "session", "transfer"):
            x.read(*(thing for thing in operation.objects if thing.kind == "table"))
        else:
            x.add(operation.name, operation.command, operation.objects, operation.bounded, operation.why)


def _off(option: Node) -> bool:
    """True for ANALYZE with a value that says no; no value says yes (PostgreSQL's defGetBoolean)."""
    argument = option.get("arg")
    if argument is None:
        return False
    value: Any = next(iter(argument.values()), {})
    return any(str(value.get(key)).lower() in ("false", "off", "0") for key in ("sval", "boolval")) or (
        "Integer" in argument and value.get("ival", 0) == 0
    )


def prepare(x: Extraction, body: Node, scope: Scope) -> None:
    x.add("session", "PREPARE", (_prepared(body),))
    x.push(body.get("query"), scope)


def execute(x: Extraction, body: Node, scope: Scope) -> None:
    """What runs was prepared before, perhaps under another policy: an execution of something not shown here."""
    x.add("execute.prepared", "EXECUTE", (_prepared(body),), why="runs what was prepared earlier")
    x.push(body.get("params"), scope)


def deallocate(x: Extraction, body: Node, scope: Scope) -> None:
    x.add("session", "DEALLOCATE", (_prepared(body),))


def _prepared(body: Node) -> Object:
    return Object("", body.get("name", "*"), "prepared statement")


def declare(x: Extraction, body: Node, scope: Scope) -> None:
    x.add("session", "DECLARE CURSOR")
    x.push(body.get("query"), scope)


def fetch(x: Extraction, body: Node, scope: Scope) -> None:
    """Rows of a cursor whose query was judged when it was declared."""
    x.add("session", "MOVE" if body.get("ismove") else "FETCH")


def close(x: Extraction, body: Node, scope: Scope) -> None:
    x.add("session", "CLOSE")


def discard(x: Extraction, body: Node, scope: Scope) -> None:
    x.add("session", str(body.get("target", "DISCARD")).replace("_", " "))


def constraints(x: Extraction, body: Node, scope: Scope) -> None:
    x.add("session", "SET CONSTRAINTS")


def call(x: Extraction, body: Node, scope: Scope) -> None:
    invoked = body.get("funccall", {})
    parts = strings(invoked.get("funcname"))
    thing = Object(parts[-2] if len(parts) > 1 else "", parts[-1] if parts else "", "procedure")
    x.add("execute.function", "CALL", (thing,), why="runs code that the statement does not show")
    effect, why = call_effect(thing.schema, thing.name)
    if effect is not None and effect != EXECUTE:
        x.add(effect, "CALL", (thing,), why=why)
    x.push(invoked.get("args"), scope)


def returned(x: Extraction, body: Node, scope: Scope) -> None:
    """RETURN, the last statement of a body in SQL, is a SELECT of one value."""
    x.read()
    x.push(body, scope)


def listen(x: Extraction, body: Node, scope: Scope) -> None:
    """What others notify may carry their data."""
    x.add("read", "LISTEN", (_channel(body),), why="hears what other sessions send")


def unlisten(x: Extraction, body: Node, scope: Scope) -> None:
    x.add("session", "UNLISTEN", (_channel(body),))


def notify(x: Extraction, body: Node, scope: Scope) -> None:
    x.add("write.notify", "NOTIFY", (_channel(body),), why="sends to other sessions")


def _channel(body: Node) -> Object:
    return Object("", body.get("conditionname", "*"), "channel")


VISITORS: Final[dict[str, Visitor]] = {
    "CallStmt": call,
    "ClosePortalStmt": close,
    "ConstraintsSetStmt": constraints,
    "DeallocateStmt": deallocate,
    "DeclareCursorStmt": declare,
    "DiscardStmt": discard,
    "ExecuteStmt": execute,
    "ExplainStmt": explain,
    "FetchStmt": fetch,
    "ListenStmt": listen,
    "NotifyStmt": notify,
    "PrepareStmt": prepare,
    "ReturnStmt": returned,
    "TransactionStmt": transaction,
    "UnlistenStmt": unlisten,
    "VariableSetStmt": set_variable,
    "VariableShowStmt": show,
}
