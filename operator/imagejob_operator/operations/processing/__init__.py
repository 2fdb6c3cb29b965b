"""Orders for Pods, and their results."""
