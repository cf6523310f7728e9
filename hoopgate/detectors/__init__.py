"""Detectors: values that are secret by what they look like, wherever they stand. Bytes in, bytes out; no protocol."""
