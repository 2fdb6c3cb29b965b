"""How many items a Pod gets: what was asked, else the items shared among the Pods that may run at once."""

from __future__ import annotations

import math

from imagejob_operator.api.spec import MAX_SHARDS, Execution, InvalidSpec

DEFAULT_ITEMS_PER_POD = 100
"""At most so many without `itemsPerPod`: progress is counted by Pod, and a lost Pod repeats all its items.

Enough for the largest run: MAX_SHARDS Pods of 100 items process 100,000 items."""


def items_per_pod(execution: Execution, items: int) -> int:
    """Items of one Pod in a run of `items`.

    Raises:
        InvalidSpec: when what was asked would take more than MAX_SHARDS Pods.
    """
    asked = execution.items_per_pod
    if asked is None:
        return max(1, min(math.ceil(items / execution.parallelism), DEFAULT_ITEMS_PER_POD))
    fewest = math.ceil(items / MAX_SHARDS)
    if asked < fewest:
        raise InvalidSpec(
            f"spec.execution.itemsPerPod: {asked} with {items} items needs more than {MAX_SHARDS} Pods; "
            f"set it to {fewest} or more"
        )
    return asked
