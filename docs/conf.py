"""Sphinx: the documentation of hoopgate. ``python -m sphinx -W docs OUT`` builds it."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

from hoopgate._version import __version__

project = "hoopgate"
author = "the hoopgate authors"
copyright = "2026, the hoopgate authors"  # noqa: A001 - Sphinx's name
version = release = __version__

extensions = ["myst_parser", "generated"]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["_build", "examples/**"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
nitpicky = True
highlight_language = "text"

html_theme = "alabaster"
html_theme_options = {
    "description": "A Layer 7 access gateway",
    "fixed_sidebar": True,
    "page_width": "1080px",
}
html_show_sourcelink = False
html_copy_source = False
