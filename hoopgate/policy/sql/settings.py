"""What changing a setting does (PostgreSQL manual, chapter 19): most concern the own session, some are privileges.

A setting on no list here is taken for an administrator's. Settings with a dot in their name (``app.tenant``) are an
application's own: they concern the session, and a rule can name them (``object = ["app.*"]``).
"""

from __future__ import annotations

from typing import Final

from hoopgate.policy.sql.constants import HOPE
from hoopgate.policy.sql.names import folded

_PRIVILEGES: Final = {
    "role": "acts as another role from here on",
    "session_authorization": "acts as another user from here on",
}

_LEXICAL: Final = "changes how the server reads statements, so that ours would be another reading"

# encodings in which a quote or a backslash can be the second byte of a character
_UNSAFE_ENCODINGS: Final = ("sjis", "shift", "mskanji", "win932", "windows932", "big5", "win950", "windows950",
                            "gbk", "win936", "windows936", "uhc", "win949", "windows949", "johab", "gb18030",
                            "mule")  # fmt: skip

SAFE_SCHEMAS: Final = frozenset({"", "$user", "public", "pg_catalog", "pg_temp"})

_NAMES: Final = """
application_name array_nulls bytea_output backslash_quote check_function_bodies client_min_messages
client_connection_check_interval constraint_exclusion cpu_index_tuple_cost cpu_operator_cost cpu_tuple_cost
cursor_tuple_fraction datestyle debug_pretty_print default_statistics_target default_table_access_method
default_tablespace default_text_search_config default_toast_compression default_transaction_deferrable
default_transaction_isolation default_transaction_read_only effective_cache_size effective_io_concurrency
escape_string_warning exit_on_error extra_float_digits from_collapse_limit geqo geqo_effort geqo_generations
geqo_pool_size geqo_seed geqo_selection_bias geqo_threshold gin_fuzzy_search_limit gin_pending_list_limit
hash_mem_multiplier icu_validation_level idle_in_transaction_session_timeout idle_session_timeout intervalstyle
jit jit_above_cost jit_expressions jit_inline_above_cost jit_optimize_above_cost jit_tuple_deforming
join_collapse_limit lc_monetary lc_numeric lc_time lock_timeout log_parameter_max_length_on_error
logical_decoding_work_mem maintenance_io_concurrency maintenance_work_mem max_parallel_maintenance_workers
max_parallel_workers max_parallel_workers_per_gather min_parallel_index_scan_size min_parallel_table_scan_size
names parallel_leader_participation parallel_setup_cost parallel_tuple_cost plan_cache_mode quote_all_identifiers
random_page_cost recursive_worktable_factor restrict_nonsystem_relation_kind row_security scram_iterations
seed seq_page_cost statement_timeout stats_fetch_consistency synchronize_seqscans synchronous_commit
tcp_keepalives_count tcp_keepalives_idle tcp_keepalives_interval tcp_user_timeout temp_buffers temp_tablespaces
timezone timezone_abbreviations transaction_deferrable transaction_isolation transaction_read_only
transaction_timeout vacuum_buffer_usage_limit vacuum_cost_delay vacuum_cost_limit wal_skip_threshold work_mem
xmlbinary xmloption xml
"""

# settings of extensions that guard, watch or run something: an application calls none of its own like these
_EXTENSIONS: Final = (
    "anon.", "auto_explain.", "auth_delay.", "basic_archive.", "citus.", "cron.", "google_", "passwordcheck.",
    "pg_hint_plan.", "pg_stat_statements.", "pg_tle.", "pgaudit.", "pgsodium.", "pgtle.", "plperl.", "plpython.",
    "plpython3.", "plrust.", "pltcl.", "pltclu.", "plv8.", "rds.", "rds_", "sepgsql.", "session_exec.", "set_user.",
    "supautils.", "timescaledb.", "vault.", "azure.", "pg_cron.",
)  # fmt: skip
_BY_VALUE: Final = frozenset({"client_encoding", "names", "search_path", "standard_conforming_strings"})
_SESSION: Final = frozenset(_NAMES.split())


def setting_effect(name: str, values: list[str] | None) -> tuple[str, str]:
    """The effect of giving setting ``name`` these values, and why. ``values`` is None where they cannot be known.

    Going back to the default is not asked here: it restores what the session began with.
    """
    key = folded(name)
    if values == [HOPE] and key in _BY_VALUE:
        return "session", ""
    if key in _PRIVILEGES:
        return "admin.become", _PRIVILEGES[key]
    if key == "standard_conforming_strings":
        harmless = values is not None and [folded(value) for value in values] in (["on"], ["true"], ["1"])
        return ("session", "") if harmless else ("unknown.reading", _LEXICAL)
    if key in ("client_encoding", "names"):
        return _encoding_effect(values)
    if key == "search_path":
        return _search_path_effect(values)
    if key in _SESSION or key.startswith("enable_") or ("." in key and not key.startswith(_EXTENSIONS)):
        return "session", ""
    return "admin.setting", f"{key} is a setting for administrators"


def _encoding_effect(values: list[str] | None) -> tuple[str, str]:
    if values is None:
        return "unknown.reading", _LEXICAL
    for value in values:
        plain = "".join(char for char in folded(value) if char.isalnum())
        if plain.startswith(_UNSAFE_ENCODINGS):
            return "unknown.reading", _LEXICAL
    return "session", ""


def _search_path_effect(values: list[str] | None) -> tuple[str, str]:
    """Rules over objects read an unqualified name as the session's first search_path has it: no one may turn it.

    One value may be a whole list, as ``set_config`` takes it.
    """
    schemas = [part.strip().strip('"') for value in values or () for part in value.split(",")]
    if values is not None and all(schema in SAFE_SCHEMAS for schema in schemas):
        return "session", ""
    return "admin.names", "turns unqualified names to other schemas; write schema.table instead"
