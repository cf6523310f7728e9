"""Lineage: from which columns the outputs of a statement are made, and what else it does with masked values."""
