"""Code that a statement names: functions, operators, casts. What of it may read tables behind our back, what has
effects, and what can tell of its arguments by failing or by giving nothing."""

from __future__ import annotations

import re
from typing import Any, Final

from hoopgate.catalogue.index import MaskIndex
from hoopgate.policy.lineage.refusals import refuse
from hoopgate.policy.lineage.values import Node
from hoopgate.policy.sql.expressions import literal

CODE: Final = "functions"
"""What refusals of code name where no single mask is concerned."""

HINT: Final = (
    "Functions known to read no masked column can be listed in functions_safe; people whom no mask covers may run it."
)

DANGEROUS: Final = re.compile(
    r"""
    (query|cursor|table|schema|database)_to_xml(schema|_and_xmlschema)?
    | ts_stat | ts_rewrite                      # run a query given as text
    | pg_read_(binary_)?file | pg_ls_\w+ | pg_stat_file | pg_current_logfile
    | lo_\w+ | loread | lowrite                 # large objects and server files
    | pg_(logical|copy_logical|copy_physical|create_logical|create_physical)_\w*
    | pg_(replication_slot|sync_replication|get_replication)_\w+ | pg_logicalinspect\w*
    | pg_stat_get_activity | pg_stat_get_backend_activity | pg_prepared_statement | pg_cursor
    | pg_mcv_list_items | pg_walinspect\w* | pg_get_wal_record\w* | currtid2? | binary_upgrade_\w+
    | pg_restore_\w+ | pg_import_\w+ | pg_show_all_file_settings | pg_hba_file_rules | pg_ident_file_mappings
    | dblink\w* | crosstab\w* | connectby | xpath_table | get_raw_page | heap_page_\w+ | bt_page_\w+
    | pg_stat_statements\w*
    """,
    re.VERBOSE,
)
"""Functions of the server, and of its usual extensions under any name's schema, that show stored values."""

EFFECTS: Final = re.compile(
    r"""
    nextval | setval | set_config | setseed | pg_notify | pg_sleep\w* | pg_(try_)?advisory_\w+
    | pg_(cancel|terminate|log)_backend\w* | pg_(backup|wal_replay|replication_origin)_\w+ | pg_drop_\w+
    | pg_create_restore_point | pg_switch_wal | pg_promote | pg_reload_conf | pg_rotate_logfile | pg_export_snapshot
    | pg_stat_reset\w* | pg_stat_(clear_snapshot|force_next_flush) | pg_clear_\w+ | pg_extension_config_dump
    | (brin|gin)_(summarize|desummarize|clean)\w+ | pg_stop_making_pinned_objects | pg_nextoid
    """,
    re.VERBOSE,
)
"""Functions of the server that do something: given a masked value they would carry it to where nobody looks for it."""

QUIET: Final = frozenset(
    {
        "any_value", "array_agg", "array_to_json", "array_to_string", "ascii", "avg", "bit_length",
        "bool_and", "bool_or", "btrim", "cardinality", "char_length", "character_length", "concat", "concat_ws",
        "count", "cume_dist", "date_part", "date_trunc", "dense_rank", "every", "extract", "first_value", "hashtext",
        "initcap", "json_agg", "json_build_array", "json_build_object", "jsonb_agg", "jsonb_build_array",
        "jsonb_build_object", "lag", "last_value", "lead", "left", "length", "lower", "lpad", "ltrim", "max", "md5",
        "min", "mode", "nth_value", "octet_length", "percent_rank", "percentile_cont", "percentile_disc", "position",
        "quote_ident", "quote_literal", "quote_nullable", "rank", "replace", "reverse", "right", "row_number",
        "row_to_json", "rpad", "rtrim", "split_part", "starts_with", "string_agg", "strpos", "sum", "to_json",
        "to_jsonb", "translate", "upper", "xmlagg",
    }
)  # fmt: skip
"""Functions of the server that give one value for every value, and never fail for one: not to be told from outside
by which value they were given. ``substring`` is none of them, nor arithmetic."""

QUIET_OPERATORS: Final = frozenset({"=", "<>", "<", ">", "<=", ">=", "||", "~~", "!~~", "~~*", "!~~*"})
QUIET_TYPES: Final = frozenset({"text", "varchar", "bpchar", "name", "char"})

UNKNOWN_FUNCTION: Final = "42883"
_LEXICAL: Final = "standard_conforming_strings"


class Calls:
    """Judges names of code against the catalogue. ``unknown`` collects functions that it does not have.

    ``final``: the catalogue is as new as can be, so a function that it does not have is refused. ``literal``: the value
    of an argument was looked at. ``effects`` counts the calls met that do something.
    """

    def __init__(self, index: MaskIndex, *, final: bool) -> None:
        self._index = index
        self._final = final
        self.literal = False
        self.effects = 0
        self.unknown: set[str] = set()

    def function(self, node: Node) -> None:
        """Judge a FuncCall. Raises Refusal."""
        names = strings(node.get("funcname", ()))
        if not names:
            raise refuse("the statement calls a function without a name", CODE)
        name = names[-1]
        schema = names[-2] if len(names) > 1 else None
        if DANGEROUS.fullmatch(name):
            raise refuse(f"{name}() can show stored values, and masks are in force", CODE, HINT)
        if name == "set_config":
            self.literal = True
            _check_set_config(node)
        self._unsafe(name, schema)
        if not self.known(name):
            if self._final:
                raise refuse(f"function {name}() does not exist", CODE, HINT, UNKNOWN_FUNCTION)
            self.unknown.add(name)
        self.effects += self._has_effects(name)

    def row_function(self, name: str) -> None:
        """Judge ``row.name``, which is a call of name(row) where no such column is. Raises Refusal."""
        self._unsafe(name, None)
        self.effects += self._has_effects(name)

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

    def _unsafe(self, name: str, schema: str | None) -> None:
        for function in self._index.unsafe_functions(name, schema):
            raise refuse(f"{function}() is code whose reads the gateway cannot see, and masks are in force", CODE, HINT)

    def _has_effects(self, name: str) -> bool:
        """Of the server's functions some; of users' all but those of extensions that look at their arguments alone."""
        users = self._index.snapshot.function_names.get(name, ())
        return EFFECTS.fullmatch(name) is not None or any(not function.extension for function in users)


def check_setting(name: str) -> None:
    """Raise Refusal for a setting that changes how text is read: then nobody could judge what follows."""
    if name.lower() == _LEXICAL:
        raise refuse(f"{_LEXICAL} cannot be changed through the gateway", CODE)


def _check_set_config(node: Node) -> None:
    """A name that is computed (pg_dump does that) is let pass: the codec looks at what the setting has become."""
    name = literal((node.get("args") or [{}])[0])
    if name is not None:
        check_setting(name)


def strings(nodes: Any) -> list[str]:
    """The texts of a list of String nodes."""
    return [node["String"].get("sval", "") for node in nodes if "String" in node]
