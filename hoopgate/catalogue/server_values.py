"""Columns of the server's own relations that hold values of users' tables, or texts that quote them.

Statistics keep samples of columns, activity views the texts of other people's statements. While any mask is in
force, these are masked as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hoopgate.config.model import Mask

_COLUMNS: Final = {
    "pg_statistic": ("stavalues?", "stanumbers?"),
    "pg_statistic_ext_data": ("stxd*",),
    "pg_stats": ("most_common_vals", "histogram_bounds", "most_common_elems", "range_*_histogram"),
    "pg_stats_ext": ("most_common_val*", "most_common_base_freqs", "expr*"),
    "pg_stats_ext_exprs": ("most_common_*", "histogram_bounds", "range_*_histogram", "expr"),
    "pg_stat_activity": ("query",),
    "pg_prepared_statements": ("statement",),
    "pg_cursors": ("statement",),
    "pg_largeobject": ("data",),
    "pg_authid": ("rolpassword",),
    "pg_shadow": ("passwd",),
    "pg_subscription": ("subconninfo",),
    "pg_user_mapping": ("umoptions",),
    "pg_user_mappings": ("umoptions",),
}

SERVER_VALUES: Final = Mask(
    name="server-values",
    kind="null",
    aggregates=(),
    inference=0,
    columns=(
        "*.pg_stat_statements.query",
        "*.pg_store_plans.plan",
        "information_schema._pg_user_mappings.umoptions",
        "information_schema.user_mapping_options.option_value",
        *(f"pg_catalog.{relation}.{column}" for relation, columns in _COLUMNS.items() for column in columns),
    ),
)

_SHAPES: Final = {
    "pg_statistic": ("stawidth", "stadistinct", "stakind?", "staop?", "stacoll?"),
    "pg_stats": (
        "avg_width",
        "n_distinct",
        "most_common_freqs",
        "correlation",
        "most_common_elem_freqs",
        "elem_count*",
    ),
    "pg_stats_ext": ("n_distinct", "dependencies", "most_common_freqs"),
    "pg_stats_ext_exprs": ("avg_width", "n_distinct", "correlation", "elem_count*"),
}

SERVER_SHAPES: Final = Mask(
    name="server-shapes",
    kind="null",
    aggregates=(),
    inference=0,
    columns=tuple(f"pg_catalog.{relation}.{name}" for relation, names in _SHAPES.items() for name in names),
)
"""Statistics that hold no value, but tell of values how long they are and how many are alike."""


STATISTICS: Final = frozenset(_SHAPES)
"""The server's relations that have such columns."""


def server_masks(masks: Sequence[Mask]) -> tuple[Mask, ...]:
    """The masks of the server's own relations while ``masks`` are in force. Where one of them allows no inference,
    statistics are hidden whole."""
    if not masks:
        return ()
    strict = any(mask.reading == "source" or not mask.inference for mask in masks)
    return (SERVER_VALUES, SERVER_SHAPES) if strict else (SERVER_VALUES,)
