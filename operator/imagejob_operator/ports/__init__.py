"""What the operator asks of the world, and the errors it may answer with."""
