"""Small runs that this process began, so that it knows what their staging has.

A run is begun by the status that names the prefix of its staging, which only one process can write, and each
run and epoch has its own prefix. So no other process staged, launched or published anything of it before. The
process need not ask the store for the objects, results or reports of earlier tries before its own first one,
nor read the manifest that it wrote. After a restart it knows nothing and asks.
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
    tried: bool = False
    manifest: Manifest | None = None
    launched: set[int] = field(default_factory=set)
    published: bool = False


class FreshRuns:
    """Runs by the prefix of their staging, which only one epoch of one run has."""

    def __init__(self) -> None:
        self._runs: OrderedDict[str, _Run] = OrderedDict()

    def begun(self, prefix: str) -> None:
        """This process wrote the status that begins the run. Of many runs, the oldest is forgotten."""
        self._runs[prefix] = _Run()
        if len(self._runs) > MAX_RUNS:
            self._runs.popitem(last=False)

    def is_first_try(self, prefix: str) -> bool:
        """Whether no process tried to stage the run before, so that its staging is empty.

        Asked once for each try.
        """
        run = self._runs.get(prefix)
        if run is None or run.tried:
            return False
        run.tried = True
        return True

    def staged(self, prefix: str, manifest: Manifest) -> None:
        """This process wrote the manifest; a large run is forgotten."""
        if len(manifest.items) > MAX_ITEMS:
            self._runs.pop(prefix, None)
        elif run := self._runs.get(prefix):
            run.manifest = manifest

    def manifest(self, prefix: str) -> Manifest | None:
        """The manifest with all of its items, if it is known."""
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
