"""Attacks on masks and denials: each first shown to work without the gateway, then not to work through it."""
