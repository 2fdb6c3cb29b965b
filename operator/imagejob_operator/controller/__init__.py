"""The reconcile loop and what keeps it alive."""
