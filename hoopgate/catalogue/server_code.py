"""Functions of the server, and of its usual extensions, that do more than compute: by their names, in any schema."""

from __future__ import annotations

import re
from typing import Final

SHOWS: Final = re.compile(
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
"""These show stored values that their arguments do not name as columns, or run texts as SQL."""

ACTS: Final = re.compile(
    r"""
    set_config | pg_notify | setval | pg_(try_)?advisory_\w+ | pg_logical_emit_message | pg_reload_conf
    | pg_terminate_backend | pg_cancel_backend | pg_rotate_logfile\w* | pg_switch_wal | pg_create_restore_point
    | pg_promote | pg_wal_replay_\w+ | pg_export_snapshot | pg_log_\w+ | pg_drop_replication_slot | pg_file_\w+
    | pg_set_\w+ | pg_clear_\w+
    """,
    re.VERBOSE,
)
"""These leave something behind that others, or later statements, see."""


def does_more(name: str) -> bool:
    """Whether a function of that name does more than compute with its arguments."""
    return SHOWS.fullmatch(name) is not None or ACTS.fullmatch(name) is not None
