"""Object stores: the registry, opening one, and the part that a run may use."""
