"""The `imagejob` command: how a job is doing, for people at a terminal."""
