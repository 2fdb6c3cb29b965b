"""The Pod's entry point: `python -m imagejob_processor`.

The signal handler is installed before the imports: process 1 of a container ignores signals without a
handler, so an early SIGTERM would be lost. `os._exit` skips the interpreter's exit, which waits for threads
with open requests.
"""

import os
import signal
import sys
from types import FrameType

SIGTERM_EXIT_CODE = 128 + signal.SIGTERM


def _stop(_signal: int, _frame: FrameType | None) -> None:
    # A second signal must not interrupt the cleanup.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise SystemExit(SIGTERM_EXIT_CODE)


def _run() -> int:
    try:
        signal.signal(signal.SIGTERM, _stop)
        from imagejob_processor.main import main

        return main()
    except SystemExit:
        return SIGTERM_EXIT_CODE


if __name__ == "__main__":
    code = _run()
    sys.stderr.flush()
    os._exit(code)
