"""Tests of hoopgate.config."""
