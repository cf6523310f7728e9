"""Who is there: verifying tokens of identity providers, and issuing, exchanging and finding tokens."""
