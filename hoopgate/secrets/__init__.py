"""Secrets: where they lie, how they are read, and how long they are kept in memory."""

from hoopgate.secrets.cache import Secrets, secret_sources

__all__ = ["Secrets", "secret_sources"]
