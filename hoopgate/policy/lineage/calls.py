"""Code that a statement names: functions, operators, casts. What of it may read tables behind our back, what has
effects, and what can tell of its arguments by failing or by giving nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from attrs import frozen

from hoopgate.catalogue.index import MaskIndex
from hoopgate.catalogue.server_code import ACTS, SHOWS
from hoopgate.catalogue.snapshot import FIRST_USER_OID, Function, Mentions, Reads
from hoopgate.policy.lineage.refusals import refuse
from hoopgate.policy.lineage.values import Node, Taint
from hoopgate.policy.sql.expressions import literal

CODE: Final = "functions"
"""What refusals of code name where no single mask is concerned."""

HINT: Final = (
    "Functions known to read no masked column can be listed in functions_safe; people whom no mask covers may run it."
)

HARMLESS: Final = frozenset(
    {
        "random", "random_normal", "gen_random_uuid", "uuidv4", "uuidv7", "clock_timestamp", "timeofday", "currval",
        "lastval", "array_sample", "array_shuffle", "current_query", "pg_is_in_recovery", "pg_blocking_pids",
    }
)  # fmt: skip
"""Volatile functions of the server that do nothing but to give another value each time."""

QUIET: Final = frozenset(
    {
        "any_value", "array_agg", "array_to_json", "array_to_string", "ascii", "avg", "bit_length",
        "bool_and", "bool_or", "btrim", "cardinality", "char_length", "character_length", "concat", "concat_ws",
        "count", "cume_dist", "date_part", "date_trunc", "dense_rank", "every", "extract", "first_value", "hashtext",
        "initcap", "json_agg", "json_build_array", "json_build_object", "jsonb_agg", "jsonb_build_array",
        "jsonb_build_object", "lag", "last_value", "lead", "left", "length", "lower", "lpad", "ltrim", "max", "md5",
        "min", "mode", "nth_value", "octet_length", "percent_rank", "percentile_cont", "percentile_disc", "position",
        "quote_ident", "quote_literal", "quote_nullable", "rank", "reverse", "right", "row_number",
        "row_to_json", "rpad", "rtrim", "split_part", "starts_with", "string_agg", "strpos", "sum", "to_json",
        "to_jsonb", "translate", "upper", "xmlagg",
    }
)  # fmt: skip
"""Functions of the server that give one value for every value, and never fail for one: not to be told from outside
by which value they were given. ``substring`` is none of them, nor arithmetic, nor ``replace``: a value that grows for
what it holds may become larger than a value can be."""

VALUE_AT: Final = {
    "date_part": 1, "date_trunc": 1, "extract": 1, "lag": 0, "lead": 0, "left": 0, "lpad": 0, "nth_value": 0,
    "percentile_cont": -1, "percentile_disc": -1, "right": 0, "rpad": 0, "split_part": 0,
}  # fmt: skip
"""Those among them that are quiet for this argument alone (-1: for none): others make them fail or give NULL."""


KEYED: Final = frozenset({"json_build_object", "jsonb_build_object"})
"""Those that fail where a key, each other argument, is NULL."""

DEEPEST: Final = 8
"""Of functions that call each other, so many are looked into for what they do."""

UNKNOWN_FUNCTION: Final = "42883"
_LEXICAL: Final = "standard_conforming_strings"


@frozen
class Shown:
    """What a call gives besides what it is given: masked columns that its body reads, and what it tells of them."""

    taints: tuple[Taint, ...] = ()
    probes: tuple[tuple[Taint, bool], ...] = ()  # and whether they are narrow


class Calls:
    """Judges names of code against the catalogue. ``unknown`` collects functions that it does not have.

    ``final``: the catalogue is as new as can be, so a function that it does not have is refused. ``literal``: the value
    of an argument was looked at. ``effects`` counts the calls met that do something. ``meant`` are the schemas in which
    an unqualified name is looked for now, None for any.
    """

    def __init__(
        self, index: MaskIndex, *, final: bool, meant: Callable[[], Sequence[str] | None], own: Mapping[str, Any]
    ) -> None:
        self._index = index
        self._final = final
        self._meant = meant
        self._own = own
        self.literal = False
        self.effects = 0
        self.unknown: set[str] = set()

    def functions(self, names: Sequence[str]) -> tuple[Function, ...]:
        """All functions that a name may mean."""
        found = self._index.functions(names[-1], names[-2] if len(names) > 1 else None)
        schemas = self._meant()
        if len(names) > 1 or schemas is None:
            return found
        return tuple(each for each in found if each.schema == "pg_catalog" or each.schema in schemas)

    def function(self, node: Node) -> Shown:
        """Judge a FuncCall. Raises Refusal."""
        names = strings(node.get("funcname", ()))
        if not names:
            raise refuse("the statement calls a function without a name", CODE)
        name = names[-1]
        if SHOWS.fullmatch(name):
            raise refuse(f"{name}() can show stored values, and masks are in force", CODE, HINT)
        if name == "set_config":
            self.literal = True
            _check_set_config(node)
        shown = self._exposed(names)
        if not self.known(name):
            if self._final:
                raise refuse(f"function {name}() does not exist", CODE, HINT, UNKNOWN_FUNCTION)
            self.unknown.add(name)
        return shown

    def row_function(self, name: str) -> Shown:
        """Judge ``row.name``, which is a call of name(row) where no such column is. Raises Refusal."""
        return self._exposed([name])

    def quiet(self, names: Sequence[str], arguments: Sequence[Node] = ()) -> bool:
        """Whether it cannot be told from outside which value the function was given."""
        if names[-1] not in QUIET or not self.system(names):
            return False
        if names[-1] in KEYED:
            return all(named_already(each) for each in arguments[::2])
        value = VALUE_AT.get(names[-1])
        return value is None or all(at == value or named_already(each) for at, each in enumerate(arguments))

    def system(self, names: Sequence[str]) -> bool:
        """Whether the name can only mean a function of the server."""
        return all(function.system for function in self.functions(names))

    def known(self, name: str) -> bool:
        return self._index.known_function(name)

    def operator(self, names: list[str]) -> None:
        """Judge an operator by its name. Raises Refusal."""
        if names and self._index.unsafe_operator(names[-1]):
            raise refuse(f"operator {names[-1]} calls code whose reads the gateway cannot see", CODE, HINT)

    def cast(self, type_name: Node, value: Node) -> None:
        """Judge a cast by its target type. Raises Refusal. A string is not cast but read by the type's input."""
        if "sval" in value.get("A_Const", {}):
            return
        names = strings(type_name.get("names", ()))
        if names and self._index.unsafe_cast(names[-1]):
            raise refuse(f"a cast to {names[-1]} calls code whose reads the gateway cannot see", CODE, HINT)

    def _exposed(self, names: Sequence[str]) -> Shown:
        taints: dict[Taint, None] = {}
        probes: dict[tuple[Taint, bool], None] = {}
        for function in self.functions(names):
            self.effects += self._has_effects(function)
            if function.system:
                continue
            exposed = self._index.function(function.oid)
            if exposed.refused is not None:
                reason = f"{function}() cannot be called: {exposed.refused.reason}"
                raise refuse(reason, exposed.refused.mask, HINT)
            for name in exposed.names & self._own.keys():
                raise refuse(f"{function}() reads {name}, to which masked values were written", CODE, HINT)
            self.effects += exposed.writes
            taints.update((Taint(each.mask, f"{function}()"), None) for each in exposed.columns.values())
            probes.update(((Taint(each.mask, each.column), each.narrow), None) for each in exposed.probes)
        return Shown(tuple(taints), tuple(probes))

    def _has_effects(self, function: Function, within: frozenset[int] = frozenset()) -> bool:
        """Whether it may do something: of users' functions those that are volatile, but for those of extensions that
        look at their arguments alone, and those in SQL whose body calls nothing that does."""
        if function.system:
            return _acts(function)
        body = self._index.snapshot.bodies.get(function.oid)
        if isinstance(body, Mentions):
            if function.oid in within or len(within) >= DEEPEST:
                return True
            deeper = within | {function.oid}
            named = (each for schema, name in body.functions for each in self._index.functions(name, schema))
            return any(self._has_effects(each, deeper) or self._writes(each) for each in named)
        if isinstance(body, Reads) and not body.opaque:
            servers = {
                each.oid for several in self._index.snapshot.builtins.values() for each in several if _acts(each)
            }
            return any(oid in servers or oid >= FIRST_USER_OID for oid in body.calls)
        return function.volatility == "v" and not function.extension

    def _writes(self, function: Function) -> bool:
        return not function.system and bool(self._index.function(function.oid).writes)


def _acts(function: Function) -> bool:
    """Whether a function of the server does something."""
    acts = function.volatility == "v" and function.name not in HARMLESS
    return acts or ACTS.fullmatch(function.name) is not None


def check_setting(name: str) -> None:
    """Raise Refusal for a setting that changes how text is read: then nobody could judge what follows."""
    if name.lower() == _LEXICAL:
        raise refuse(f"{_LEXICAL} cannot be changed through the gateway", CODE)


def _check_set_config(node: Node) -> None:
    """A name that is computed (pg_dump does that) is let pass: the codec looks at what the setting has become."""
    name = literal((node.get("args") or [{}])[0])
    if name is not None:
        check_setting(name)


def named_already(node: Any) -> bool:
    """Whether the client itself gives the value: a constant or a parameter."""
    while isinstance(node, dict) and "TypeCast" in node:
        node = node["TypeCast"].get("arg", {})
    return isinstance(node, dict) and bool(set(node) & {"A_Const", "ParamRef", "SQLValueFunction"})


def strings(nodes: Any) -> list[str]:
    """The texts of a list of String nodes."""
    return [node["String"].get("sval", "") for node in nodes if "String" in node]
