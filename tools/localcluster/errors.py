"""The one exception that a user of the tool is meant to read."""


class ClusterError(Exception):
    """Something did not work; the message says what, and where to look."""
