"""Guards of one session, between a policy and frames made by hand."""
