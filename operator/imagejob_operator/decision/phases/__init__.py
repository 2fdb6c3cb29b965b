"""One module per phase, and how a run ends."""
