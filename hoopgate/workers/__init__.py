"""Several processes under one twistd: the nursery that forks them, their own beginning, and the crew that they form."""
