"""Everything that CI runs, step by step, with a table of the times at the end."""
