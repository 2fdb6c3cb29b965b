"""The test suite: every step that CI runs, and a table of their times."""
