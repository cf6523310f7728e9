"""Masks, against a real server: what is refused, what is masked, and what passes."""
