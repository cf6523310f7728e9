"""Code that a statement names: functions, operators, casts, and what of it may read tables behind our back."""

from __future__ import annotations

import re
from typing import Any, Final

from hoopgate.catalogue.index import MaskIndex
from hoopgate.policy.sql.expressions import literal
from hoopgate.policy.touch_results import refuse

Node = dict[str, Any]

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

UNKNOWN_FUNCTION: Final = "42883"
_LEXICAL: Final = "standard_conforming_strings"


class Calls:
    """Judges names of code against the catalogue. ``unknown`` collects functions that it does not have.

    ``final``: the catalogue is as new as can be, so a function that it does not have is refused. ``literal``: the value
    of an argument was looked at.
    """

    def __init__(self, index: MaskIndex, *, final: bool) -> None:
        self._index = index
        self._final = final
        self.literal = False
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
        for function in self._index.unsafe_functions(name, schema):
            raise refuse(f"{function}() is code whose reads the gateway cannot see, and masks are in force", CODE, HINT)
        if not self._index.known_function(name):
            if self._final:
                raise refuse(f"function {name}() does not exist", CODE, HINT, UNKNOWN_FUNCTION)
            self.unknown.add(name)

    def row_function(self, name: str) -> None:
        """Judge ``row.name``, which is a call of name(row) where no such column is. Raises Refusal."""
        for function in self._index.unsafe_functions(name):
            raise refuse(f"{function}() is code whose reads the gateway cannot see, and masks are in force", CODE, HINT)

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
