"""Observe, decide, act: one turn of one job at a time, through ports only."""
