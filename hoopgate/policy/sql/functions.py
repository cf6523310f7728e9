"""What calling a function does, by its name.

Three kinds. *Reads*: PostgreSQL's own harmless functions (:data:`hoopgate.policy.sql.builtin.READS`) add no
operation, so that ordinary queries pass under a rule that allows reading. *Named effects*: the table below, for
functions that reach files, other servers, other sessions, or run text as SQL; their names count in every schema,
since extensions may be installed in any. *Everything else* is "execute": a user-defined function is code that the
statement's text does not show and may do anything its owner may (SECURITY DEFINER), so somebody must have allowed it,
by a rule with ``effect = ["execute"]`` and its name as the object. A name that looks like the system's own
(``pg_...``) and is on no list is "unknown".

Trusting built-in names trusts that nobody has put a better-matching overload on the target's search path: who can do
that can already create functions, and creating them is "schema".
"""

from __future__ import annotations

from typing import Final

from hoopgate.policy.sql.builtin import READS

EXECUTE: Final = "execute.function"

_ADMIN_FILES: Final = "reads or writes the server's files"
_ADMIN_SERVER: Final = "concerns the server, not this session's data"
_OTHER_SESSIONS: Final = "reaches into other sessions"
_REPLICATION: Final = "concerns replication"
_RUNS_TEXT: Final = "runs text as SQL, which nobody has judged"
_READS_BY_NAME: Final = "reads a table named by a value"
_REMOTE: Final = "reaches another server"
_LARGE_OBJECTS: Final = "large object"

_BY_EFFECT: Final[tuple[tuple[str, str, str], ...]] = (
    ("admin.file", _ADMIN_FILES, """
        lo_export lo_import pg_current_logfile pg_file_read pg_file_rename pg_file_settings pg_file_sync
        pg_file_unlink pg_file_write pg_hba_file_rules pg_ident_file_mappings pg_logdir_ls pg_logfile_rotate
        pg_ls_archive_statusdir pg_ls_dir pg_ls_logdir pg_ls_logicalmapdir pg_ls_logicalsnapdir pg_ls_replslotdir
        pg_ls_summariesdir pg_ls_tmpdir pg_ls_waldir pg_read_binary_file pg_read_file pg_read_file_old
        pg_show_all_file_settings pg_stat_file pg_config"""),
    ("admin.maintenance", _ADMIN_SERVER, """
        amvalidate autoprewarm_dump_now autoprewarm_start_worker brin_desummarize_range brin_summarize_new_values
        brin_summarize_range currtid2 get_raw_page gin_clean_pending_list heap_force_freeze heap_force_kill
        heap_page_items pg_available_wal_summaries pg_backup_start pg_backup_stop pg_buffercache_evict
        pg_buffercache_evict_all pg_buffercache_evict_relation pg_clear_attribute_stats pg_clear_relation_stats
        pg_create_restore_point pg_extension_config_dump pg_get_backend_memory_contexts pg_get_shmem_allocations
        pg_get_shmem_allocations_numa pg_get_wal_summarizer_state pg_import_system_collations pg_is_in_backup
        pg_nextoid pg_prewarm pg_reload_conf pg_restore_attribute_stats pg_restore_relation_stats pg_rotate_logfile
        pg_rotate_logfile_old pg_start_backup pg_stat_reset pg_stat_reset_backend_stats pg_stat_reset_replication_slot
        pg_stat_reset_shared pg_stat_reset_single_function_counters pg_stat_reset_single_table_counters
        pg_stat_reset_slru pg_stat_reset_subscription_stats pg_stat_statements_reset pg_stop_backup
        pg_stop_making_pinned_objects pg_switch_wal pg_switch_xlog pg_truncate_visibility_map
        pg_wal_summary_contents"""),
    ("admin.replication", _REPLICATION, """
        bdr_replicate_ddl_command binary_upgrade_replorigin_advance pg_copy_logical_replication_slot
        pg_copy_physical_replication_slot pg_create_logical_replication_slot pg_create_physical_replication_slot
        pg_drop_replication_slot pg_log_standby_snapshot pg_logical_emit_message pg_logical_slot_get_binary_changes
        pg_logical_slot_get_changes pg_logical_slot_peek_binary_changes pg_logical_slot_peek_changes pg_promote
        pg_replication_origin_advance pg_replication_origin_create pg_replication_origin_drop
        pg_replication_origin_progress pg_replication_origin_session_is_setup pg_replication_origin_session_progress
        pg_replication_origin_session_reset pg_replication_origin_session_setup pg_replication_origin_xact_reset
        pg_replication_origin_xact_setup pg_replication_slot_advance pg_show_replication_origin_status
        pg_sync_replication_slots pg_wal_replay_pause pg_wal_replay_resume pg_xact_commit_timestamp_origin
        pg_xlog_replay_pause pg_xlog_replay_resume"""),
    ("admin.remote", "runs text as SQL in the background", "add_job alter_job delete_job run_job"),
    ("admin.backend", _OTHER_SESSIONS, """
        pg_cancel_backend pg_log_backend_memory_contexts pg_terminate_backend"""),
    ("admin.remote", _REMOTE, """
        dblink dblink_build_sql_delete dblink_build_sql_insert dblink_build_sql_update dblink_cancel_query
        dblink_close dblink_connect dblink_connect_u dblink_disconnect dblink_exec dblink_fetch dblink_get_notify
        dblink_get_result dblink_is_busy dblink_open dblink_send_query postgres_fdw_disconnect
        postgres_fdw_disconnect_all postgres_fdw_get_connections"""),
    ("transfer.remote", _REMOTE, """
        http http_delete http_get http_head http_patch http_post http_put query_export_to_s3 table_import_from_s3
        invoke_lambda"""),
    ("unknown.dynamic", _RUNS_TEXT, """
        connectby crosstab crosstab2 crosstab3 crosstab4 crosstabn cursor_to_xml database_to_xml
        database_to_xml_and_xmlschema pg_background_launch pg_background_result query_to_xml
        query_to_xml_and_xmlschema query_to_xmlschema run_command_on_all_nodes run_command_on_colocated_placements
        run_command_on_coordinator run_command_on_placements run_command_on_shards run_command_on_workers
        schedule_in_database ts_rewrite ts_stat xpath_table"""),
    ("unknown.dynamic", _READS_BY_NAME, """
        cursor_to_xmlschema database_to_xmlschema schema_to_xml schema_to_xml_and_xmlschema schema_to_xmlschema
        table_to_xml table_to_xml_and_xmlschema table_to_xmlschema querytree"""),
    ("write", "advances a sequence", "nextval setval"),
    ("write.notify", "sends to other sessions", "pg_notify"),
    ("write", _LARGE_OBJECTS, """
        lo_creat lo_create lo_from_bytea lo_put lo_truncate lo_truncate64 lowrite lo_open"""),
    ("delete", _LARGE_OBJECTS, "lo_unlink"),
    ("read", _LARGE_OBJECTS, "lo_close lo_get lo_lseek lo_lseek64 lo_tell lo_tell64 loread"),
    ("write.lock", "may keep other sessions waiting", """
        pg_advisory_lock pg_advisory_lock_shared pg_advisory_xact_lock pg_advisory_xact_lock_shared
        pg_try_advisory_lock pg_try_advisory_lock_shared pg_try_advisory_xact_lock
        pg_try_advisory_xact_lock_shared"""),
    ("session", "concerns this session alone", """
        pg_advisory_unlock pg_advisory_unlock_all pg_advisory_unlock_shared pg_export_snapshot pg_sleep pg_sleep_for
        pg_sleep_until pg_stat_clear_snapshot pg_stat_force_next_flush setseed"""),
)  # fmt: skip

_NAMED: Final[dict[str, tuple[str, str]]] = {
    name: (effect, why) for effect, why, names in _BY_EFFECT for name in names.split()
}

# cron.schedule, net.http_post and the like: common words that mean something in their extension's schema alone
_IN_SCHEMA: Final[dict[str, tuple[str, str]]] = {
    "cron": ("unknown.dynamic", _RUNS_TEXT),
    "dblink": ("admin.remote", _REMOTE),
    "net": ("transfer.remote", _REMOTE),
    "aws_s3": ("transfer.remote", _REMOTE),
    "aws_lambda": ("transfer.remote", _REMOTE),
    "aws_commons": ("transfer.remote", _REMOTE),
    "pglogical": ("admin.maintenance", _ADMIN_SERVER),
    "partman": ("unknown.dynamic", _RUNS_TEXT),
}


def call_effect(schema: str, name: str) -> tuple[str | None, str]:
    """The effect of calling a function and why; None: it only computes or reads what the statement shows.

    ``schema`` is empty where the call does not say it. ``set_config`` is not asked here: its effect lies in its
    arguments.
    """
    if name in _NAMED:
        return _NAMED[name]
    if schema in _IN_SCHEMA:
        return _IN_SCHEMA[schema]
    if schema in ("", "pg_catalog"):
        if name in READS:
            return None, ""
        if schema or name.startswith(("pg_", "binary_upgrade_")):
            return "unknown.function", "a function of the system that is on no list"
    return EXECUTE, "runs code that the statement does not show"


def deferred_effect(schema: str, name: str) -> tuple[str | None, str]:
    """What a function does that is made to run under another name (an operator's, an aggregate's, a trigger's).

    None for code of the target's own, which is judged where it is made, and for what only computes.
    """
    if name == "set_config" and schema in ("", "pg_catalog"):
        return "admin.become", "sets a setting that only shows at run time"
    effect, why = call_effect(schema, name)
    return (None, "") if effect in (EXECUTE, "read", "session") else (effect, why)
