"""SSH: what its messages mean, without a socket."""
