"""Garbage collection of staging that no run needs."""
