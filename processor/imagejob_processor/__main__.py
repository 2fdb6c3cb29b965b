"""The Pod's entry point: `python -m imagejob_processor`.

The signal handler comes before the imports: process 1 of a container ignores signals that it has no
handler for, so an early SIGTERM would be lost. The end skips the interpreter's own, which would wait for
threads that are still at the network.
"""

import os
import signal
import sys
from types import FrameType

SIGTERM_EXIT_CODE = 128 + signal.SIGTERM


def _stop(_signal: int, _frame: FrameType | None) -> None:
    # Once is enough: what cleans up must not be interrupted by the next one.
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
