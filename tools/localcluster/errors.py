"""The error for users of the tool."""


class ClusterError(Exception):
    """An operation failed; the message says which, and which log has more."""
