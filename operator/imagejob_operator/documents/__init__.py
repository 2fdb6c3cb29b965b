"""What the operator keeps in the object store. Pure."""
