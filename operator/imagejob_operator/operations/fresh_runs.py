"""Small runs that this process staged from nothing, so that it knows what their staging has.

No process launched or published anything of such a run before: a status that says Launching is written only
after the manifest, and only by the leader. So the process need not ask the store whether there is a result or
a report before it launches or publishes for the first time, nor read the manifest that it wrote. After a
restart it knows nothing and asks.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field

from imagejob_operator.documents.staging import Manifest

MAX_RUNS = 1000
MAX_ITEMS = 16
"""Of one run. A thousand runs with so many items take about 6 MiB."""


@dataclass(slots=True)
class _Run:
    manifest: Manifest
    launched: set[int] = field(default_factory=set)
    published: bool = False


class FreshRuns:
    """Runs by the prefix of their staging, which only one epoch of one run has."""

    def __init__(self) -> None:
        self._runs: OrderedDict[str, _Run] = OrderedDict()

    def staged(self, prefix: str, manifest: Manifest) -> None:
        """This process wrote the manifest, and had found none there."""
        if len(manifest.items) <= MAX_ITEMS:
            self._runs[prefix] = _Run(manifest)
            if len(self._runs) > MAX_RUNS:
                self._runs.popitem(last=False)

    def manifest(self, prefix: str) -> Manifest | None:
        """The manifest with all of its items, if this process wrote it."""
        run = self._runs.get(prefix)
        return run.manifest if run else None

    def is_first_launch(self, prefix: str, shard: int) -> bool:
        """Whether no Pod was launched for the shard before, so that it cannot have a result.

        Asked once for each launch.
        """
        run = self._runs.get(prefix)
        if run is None or shard in run.launched:
            return False
        run.launched.add(shard)
        return True

    def is_first_publish(self, prefix: str) -> bool:
        """Whether no process tried to publish the run before, so that it cannot have a report.

        Asked once for each try.
        """
        run = self._runs.get(prefix)
        if run is None or run.published:
            return False
        run.published = True
        return True

    def forget(self, prefixes: Iterable[str]) -> None:
        """What starts with one of these prefixes is deleted."""
        gone = tuple(prefixes)
        for prefix in [prefix for prefix in self._runs if prefix.startswith(gone)]:
            del self._runs[prefix]
