"""The configuration: one TOML file, read whole, checked whole, immutable afterwards."""
