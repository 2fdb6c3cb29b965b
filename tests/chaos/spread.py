"""Parallel work in forked processes."""

from __future__ import annotations

import gc
import os
import traceback
from collections.abc import Callable, Sequence
from multiprocessing import Pipe
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def spread(work: Callable[[T], R], todo: Sequence[T], workers: int = 0) -> list[R]:
    """Run `work` on every item in parallel; results are in the order of the items."""
    count = min(len(todo), workers or len(os.sched_getaffinity(0)))
    # What is there already is never collected in a child: its pages stay shared.
    gc.collect()
    gc.freeze()
    lines = []
    for share in range(count):
        mine, theirs = Pipe(duplex=False)
        pid = os.fork()
        if pid == 0:
            mine.close()
            try:
                theirs.send([work(item) for item in todo[share::count]])
            except BaseException:  # noqa: BLE001  (whatever it is, the parent must hear of it)
                theirs.send(traceback.format_exc())
            finally:
                os._exit(0)
        theirs.close()
        lines.append((pid, mine))
    answers: dict[int, R] = {}
    for share, (pid, mine) in enumerate(lines):
        got = mine.recv()
        os.waitpid(pid, 0)
        assert isinstance(got, list), got
        answers.update(zip(range(share, len(todo), count), got, strict=True))
    gc.unfreeze()
    return [answers[position] for position in range(len(todo))]
