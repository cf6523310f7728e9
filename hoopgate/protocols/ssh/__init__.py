"""SSH: clients on one side, targets on the other."""
