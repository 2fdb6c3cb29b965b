"""The process of a Pod: the processor, which ends with all its children when the run's process ends.

Its standard input is a pipe that the run's process holds open. The kernel closes it, however that process
ends.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

from imagejob_processor.main import main


def end_with_parent() -> None:
    """Wait until standard input is closed, then kill the process group, which the Pod's process leads."""
    while os.read(0, 1):
        pass
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=end_with_parent, daemon=True).start()
    sys.exit(main())
