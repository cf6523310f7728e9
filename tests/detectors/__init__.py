"""Values found by what they look like."""
