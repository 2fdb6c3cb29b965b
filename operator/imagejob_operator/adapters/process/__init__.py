"""The operator's own process."""
