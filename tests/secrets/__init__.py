"""Tests of hoopgate.secrets."""
