"""From one observation to actions, a status, an operation and the time of the next reconcile. Pure."""
