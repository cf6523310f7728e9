"""Recorders: what crossed, after masking, appended before it is forwarded, chained and signed."""
