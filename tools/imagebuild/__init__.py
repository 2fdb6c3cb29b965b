"""What the Dockerfile runs in its builds; standard library only."""
