"""One module per command, or per group of similar ones."""
