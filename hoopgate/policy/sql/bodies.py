"""Functions that a client makes, judged by what their bodies do (manual, CREATE FUNCTION and "SQL-language functions").

A body in SQL, in quotes or as ``BEGIN ATOMIC``, and one in PL/pgSQL that runs no text as SQL, has the effects of its
statements, with its arguments and variables as parameters that nobody knows, and with names looked for where the
function's own ``SET search_path`` puts them. What any other body does nobody has judged: ``unknown.body``. A DO block
is such a body, which runs at once.
"""

from __future__ import annotations

from typing import Any, Final

from attrs import frozen

from hoopgate.policy.operations import Object
from hoopgate.policy.sql.condense import LONG
from hoopgate.policy.sql.expressions import literal
from hoopgate.policy.sql.extraction import Extraction, Scope, Visitor
from hoopgate.policy.sql.names import folded, named, strings
from hoopgate.policy.sql.plpgsql import read
from hoopgate.policy.sql.plpgsql_tokens import Unread
from hoopgate.policy.sql.tree import Node, Unparsable, inline_limit, parse, replaced


@frozen
class Names:
    """What a body may call its arguments and variables: by ``values``, behind one of ``labels`` or without.

    A function's own name is a label, as are those of blocks.
    """

    values: frozenset[str]
    labels: frozenset[str]


TRUSTED: Final = frozenset({"sql", "plpgsql", "plperl", "pltcl", "plv8"})
_NESTED: Final = 3  # functions made by functions: deeper ones are not read
_NAMELESS: Final = "inline_code_block"  # what PL/pgSQL calls a DO block
_CALLER: Final = frozenset({None, "$user"})  # parts of a search_path that are another schema for each caller,
_NOWHERE: Final = frozenset({"", "pg_temp"})  # and those that hold nothing but a session's own, or nothing


def create_function(x: Extraction, body: Node, scope: Scope) -> None:
    """The function, the rights it takes, its settings, and what its body does."""
    command = "CREATE PROCEDURE" if body.get("is_procedure") else "CREATE FUNCTION"
    thing = named(body.get("funcname", []), "function")
    x.add("schema.code", command, (thing,))
    options = _options(body)
    _rights(x, command, thing, options, scope)
    language = named(_argument(options, "language") or {"String": {"sval": "sql"}}, "language").name.lower()
    if language not in TRUSTED:
        x.add("admin.language", command, (thing,), why=f"untrusted language {language}")
    else:
        inner, names = _inside(body, scope), Names(_arguments(body), frozenset({thing.name}))
        if "sql_body" in body:
            # its names are looked for as it is made, before any setting of its own
            x.push(_as_parameters(body["sql_body"], names), Scope(level=inner.level, path=scope.path))
        texts = strings((_argument(options, "as") or {}).get("List", {}).get("items"))
        why = _judged_body(x, language, texts[0], names, inner) if texts else ""
        if why:
            x.add("unknown.body", command, (thing,), why=why)
    x.rest(body, scope, ("funcname", "options", "sql_body"))


def alter_function(x: Extraction, body: Node, scope: Scope) -> None:
    """ALTER FUNCTION, PROCEDURE and ROUTINE: rights and settings, as CREATE would give them."""
    thing = named({"ObjectWithArgs": body.get("func", {})}, "function")
    x.add("schema.code", "ALTER FUNCTION", (thing,))
    options = [item.get("DefElem", {}) for item in body.get("actions", ())]
    _rights(x, "ALTER FUNCTION", thing, options, scope)
    for option in options:
        setting = option.get("arg", {}).get("VariableSetStmt", {})
        if setting.get("kind") == "VAR_RESET_ALL" or _of_search_path(setting):
            x.add("admin.names", "ALTER FUNCTION", (thing,), why="its body was judged by where it looked for names")


def _options(body: Node) -> list[Node]:
    return [item.get("DefElem", {}) for item in body.get("options", ())]


def _argument(options: list[Node], name: str) -> Node | None:
    found = [option.get("arg", {}) for option in options if option.get("defname") == name]
    return found[-1] if found else None


def _rights(x: Extraction, command: str, thing: Object, options: list[Node], scope: Scope) -> None:
    for option in options:
        name, argument = option.get("defname"), option.get("arg", {})
        if name == "security" and argument.get("Boolean", {}).get("boolval"):
            x.add("admin.code", command, (thing,), why="SECURITY DEFINER: runs with its owner's rights")
        elif name == "leakproof" and argument.get("Boolean", {}).get("boolval"):
            x.add("admin.code", command, (thing,), why="LEAKPROOF: sees rows before row security does")
        elif name == "support":
            x.add("admin.language", command, (thing,), why="a planner support function")
        elif name == "set":
            setting = argument.get("VariableSetStmt", {})
            if not _of_search_path(setting):  # pinned on a function it guards it, and concerns nobody else
                x.push({"VariableSetStmt": setting}, scope)


def _of_search_path(setting: Node) -> bool:
    return folded(setting.get("name", "")) == "search_path"


# -- what they do


def _judged_body(x: Extraction, language: str, text: str, names: Names, inner: Scope) -> str:
    """Walk what a body runs. Answers why it cannot be judged, or nothing."""
    if inner.level > _NESTED or text == LONG or len(text.encode(errors="surrogatepass")) > inline_limit():
        return "its body is too long or too deep to be judged"
    try:
        trees, names = _statements(language, text, names)
    except Unparsable as error:
        return f"its body does not parse: {error.reason}"
    except (Unread, RecursionError) as error:
        return f"its body is not judged: {error}"
    for tree in trees:
        x.push(_as_parameters(tree, names), inner)
    return ""


def _statements(language: str, text: str, names: Names) -> tuple[list[Node], Names]:
    """What the body runs, and what its arguments and variables are called."""
    if language == "sql":
        return list(parse(text).statements), names
    if language != "plpgsql":
        raise Unread(f"it is in {language}")
    block = read(text)
    trees: list[Node] = []
    for statement in block.statements:
        parsed = parse(statement).statements
        if len(parsed) != 1:
            raise Unread("a part of it is no single statement")
        trees += parsed
    return trees, Names(names.values | block.names, names.labels | block.labels)


def do(x: Extraction, body: Node, scope: Scope) -> None:
    """A block is a function without a name."""
    options = [item.get("DefElem", {}) for item in body.get("args", ())]
    language = Object("", "".join(strings([_argument(options, "language") or {}])) or "plpgsql", "language")
    x.add("execute.block", "DO", (language,), why="runs a block of code")
    x.literal = True
    if language.name.lower() not in TRUSTED:
        x.add("admin.language", "DO", (language,), why="an untrusted language acts as the server")
    text = "".join(strings([_argument(options, "as") or {}]))
    inner = Scope(level=scope.level + 1, path=scope.path)
    why = _judged_body(x, language.name.lower(), text, Names(frozenset(), frozenset({_NAMELESS})), inner)
    if why:
        x.add("unknown.block", "DO", (language,), why=why)


def _inside(body: Node, scope: Scope) -> Scope:
    """The scope of the body: CTEs outside are not seen in it, and names are looked for by its own search_path.

    Parts of it that are another schema for each caller add where the session looks (the empty name).
    """
    path: tuple[str, ...] = scope.path
    for option in _options(body):
        setting = option.get("arg", {}).get("VariableSetStmt", {}) if option.get("defname") == "set" else {}
        if _of_search_path(setting):
            values = [literal(argument) for argument in setting.get("args", ())]
            path = tuple(["" if value in _CALLER else str(value) for value in values if value not in _NOWHERE])
    return Scope(level=scope.level + 1, path=path)


def _arguments(body: Node) -> frozenset[str]:
    """What the body may call its arguments by."""
    parameters = [item.get("FunctionParameter", {}) for item in body.get("parameters", ())]
    return frozenset(one["name"] for one in parameters if "name" in one)


def _as_parameters(tree: Any, names: Names) -> Any:
    """A copy in which columns that bear an argument's name are parameters: they tell nothing of a table's rows.

    (A column goes before an argument of its name. To take it for the argument is to think worse of a condition.)
    """
    if not names.values:
        return tree
    return replaced(tree, lambda node: {"ParamRef": {}} if _is_argument(node, names) else None)


def _is_argument(node: Node, names: Names) -> bool:
    """``argument``, ``argument.field``, ``label.argument[.field]``; a table may be called as a label."""
    if "ColumnRef" not in node:
        return False
    parts = strings(node["ColumnRef"].get("fields"))
    if len(parts) > 1 and parts[0] in names.labels and parts[1] in names.values:
        return True
    return parts[:1] != [] and parts[0] in names.values and len(parts) < 3


VISITORS: Final[dict[str, Visitor]] = {
    "AlterFunctionStmt": alter_function,
    "CreateFunctionStmt": create_function,
    "DoStmt": do,
}
