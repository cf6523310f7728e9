"""Shell text to operations: what ``ssh host command`` does, as far as its text says."""
