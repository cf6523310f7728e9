"""PostgreSQL's own regression suite, run through a gateway that allows everything."""
