"""One module per phase, and what several phases share."""
