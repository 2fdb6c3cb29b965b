"""Web servers that users name."""
