"""What the installed commands start: it loads the rest, which an interrupt may stop at any time."""

from __future__ import annotations

import signal

from imagejob_cli import INTERRUPTED


def main() -> int:
    """Run a command; return its exit code."""
    try:
        from imagejob_cli.main import main as run

        return run()
    except KeyboardInterrupt:
        return INTERRUPTED
    finally:
        _end_at_an_interrupt()


def complete() -> int:
    """Print completions for kubectl; return the exit code."""
    try:
        from imagejob_cli.kubectl_completion import complete as run

        return run()
    except KeyboardInterrupt:
        return INTERRUPTED
    finally:
        _end_at_an_interrupt()


def _end_at_an_interrupt() -> None:
    """Let an interrupt while Python ends, and waits for threads, end the process without a traceback."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
