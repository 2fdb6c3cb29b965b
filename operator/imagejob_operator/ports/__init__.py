"""Interfaces to everything outside, and their errors."""
