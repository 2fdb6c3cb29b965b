"""How many items a Pod gets: from what was asked, else from counts, sizes and the speed that was seen.

Work is measured in bytes of sources, each item counted for ITEM_COST more than it has, since the smallest
one costs its requests too. A Pod costs some seconds before it begins, so it should have more work than that;
and no more than about a minute's, so that a Pod that is lost takes little with it.
"""

from __future__ import annotations

import math
from datetime import timedelta

from imagejob_operator.core.spec import MAX_SHARDS, Execution, InvalidSpec

ITEM_COST = 256 * 1024
"""Bytes that an item counts for beside its own."""

DEFAULT_SPEED = 2.0 * 1024 * 1024
"""Bytes of work in a second of a Pod, until some were seen: half of what a core does on ordinary photos."""

LEAST = timedelta(seconds=3)
"""So much work is worth a Pod of its own: about what it costs to start one."""

MOST = timedelta(seconds=60)
"""So much work a Pod gets at most."""

SHARE_OF_DEADLINE = 4
"""A Pod gets no more work than this part of the time that the run may take, so that it can be tried again."""

MOST_ITEMS = 1000


def work_of(items: int, size: int) -> float:
    """The work in items of `size` bytes in all."""
    return float(size + items * ITEM_COST)


def items_per_pod(execution: Execution, items: int, size: int = 0, speed: float = DEFAULT_SPEED) -> int:
    """Items of one Pod.

    Args:
        execution: what was asked: itemsPerPod, or parallelism and the active deadline.
        items: of the run.
        size: of all sources in bytes.
        speed: bytes of work that a Pod does in a second.

    Raises:
        InvalidSpec: when what was asked would take more than MAX_SHARDS Pods.
    """
    fewest = math.ceil(items / MAX_SHARDS)
    if (asked := execution.items_per_pod) is not None:
        if asked < fewest:
            raise InvalidSpec(
                f"spec.execution.itemsPerPod: {asked} with {items} items needs more than {MAX_SHARDS} Pods; "
                f"set it to {fewest} or more"
            )
        return asked
    item_seconds = work_of(max(1, items), size) / max(1, items) / speed
    longest = min(MOST.total_seconds(), execution.active_deadline_seconds / SHARE_OF_DEADLINE)
    most, least = longest / item_seconds, LEAST.total_seconds() / item_seconds
    # Work for all Pods that may run at once, if it is worth so many.
    even = max(math.ceil(items / execution.parallelism), math.ceil(least))
    wanted = min(even, max(1, int(most)), items, MOST_ITEMS)
    return max(wanted, fewest, 1)
