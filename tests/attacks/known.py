"""Attacks that still come to something: the text of each, and why. Strict: what is mended has to go."""

from __future__ import annotations

from typing import Final

_UNCOUNTED: Final = "statistics of a masked column are shown, and not counted, where every mask allows inference"
_STATS: Final = "FROM pg_stats WHERE tablename = 'people' ORDER BY attname"

KNOWN: Final[dict[str, str]] = {
    f"SELECT n_distinct, correlation, avg_width {_STATS}": _UNCOUNTED,
    f"SELECT most_common_freqs, most_common_elem_freqs, elem_count_histogram {_STATS}": _UNCOUNTED,
    "SELECT stadistinct, stawidth, stanumbers1 FROM pg_statistic WHERE starelid = 'people'::regclass"
    " ORDER BY staattnum": _UNCOUNTED,
}
