"""Rules for values that users write. Pure."""
