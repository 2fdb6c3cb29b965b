"""The error of a failed step."""

from __future__ import annotations


class DemoError(Exception):
    """A step failed; the message says which log or command shows more."""
