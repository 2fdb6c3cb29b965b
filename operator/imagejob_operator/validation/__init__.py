"""Validation of values that users write. Pure."""
