"""The command line, `imagejob`, which is also the plug-in `kubectl imagejob`."""

INTERRUPTED = 130
"""The exit code after an interrupt (Ctrl-C); here, because an interrupt may come while the rest is loaded."""
