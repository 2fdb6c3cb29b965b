"""The namespaces that the operator watches, each of which may deny access without stopping the others."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

from imagejob_operator.operations.concurrency import for_each
from imagejob_operator.ports.imagejobs import JobsError

log = logging.getLogger(__name__)

T = TypeVar("T")

EVERYWHERE = ""
"""The name under which all namespaces are read at once."""
CONCURRENCY = 8
"""Namespaces that are read at the same time."""


def covers(name: str, namespace: str) -> bool:
    """Whether what was read under `name` includes the objects of a namespace."""
    return name in (EVERYWHERE, namespace)


class WatchedNamespaces:
    """Reads every namespace on its own, and knows which of them can be read.

    A namespace is ready when its Pods are in the cache. No job of it is reconciled before that, or the job
    might be cleaned up while its Pods run.
    """

    def __init__(
        self, names: Sequence[str] = (), report: Callable[[str, bool], None] = lambda name, available: None
    ) -> None:
        """Without `names`, the namespaces of the whole cluster are read at once."""
        self.names = tuple(names) or (EVERYWHERE,)
        self._report = report
        self._unavailable: set[str] = set()
        self._listed: set[str] = set()

    async def each(self, read: Callable[[Sequence[str]], Awaitable[T]]) -> Mapping[str, T]:
        """What `read` returns for each namespace that can be read; a JobsError if there is none.

        `read` gets one namespace, or none for the whole cluster.
        """
        found, errors = await self._read(read, self.names)
        for error in () if found else errors.values():
            raise error
        return found

    async def check(self, read: Callable[[Sequence[str]], Awaitable[T]]) -> Mapping[str, T]:
        """The same with a `read` of everything that is watched: it decides which namespaces are available."""
        found, errors = await self._read(read, self.names)
        for name in self.names:
            self._note(name, errors.get(name))
        return found

    async def list_pods(self, read: Callable[[Sequence[str]], Awaitable[None]]) -> None:
        """Cache the Pods of every namespace that is not listed yet; a later call repeats those that fail."""
        found, _ = await self._read(read, [name for name in self.names if name not in self._listed])
        self._listed |= found.keys()

    async def _read(
        self, read: Callable[[Sequence[str]], Awaitable[T]], names: Sequence[str]
    ) -> tuple[dict[str, T], dict[str, JobsError]]:
        errors: dict[str, JobsError] = {}
        found: dict[str, T] = {}

        async def attempt(name: str) -> None:
            try:
                found[name] = await read((name,) if name else ())
            except JobsError as error:
                errors[name] = error

        await for_each(names, attempt, CONCURRENCY)
        return found, errors

    def all_listed(self) -> bool:
        """Whether the Pods of every namespace are in the cache."""
        return len(self._listed) == len(self.names)

    def ready(self, namespace: str) -> bool:
        """Whether jobs of this namespace may be reconciled."""
        if EVERYWHERE in self.names:
            return EVERYWHERE in self._listed
        return namespace in self._listed and namespace not in self._unavailable

    def _note(self, name: str, error: JobsError | None) -> None:
        self._report(name, error is None)
        if (name in self._unavailable) == (error is not None):
            return
        what, extra = f"namespace {name}" if name else "the cluster", {"namespace": name}
        if error:
            self._unavailable.add(name)
            text = "cannot read %s: its ImageJobs wait until it can be read again"
            log.warning(text, what, extra={**extra, "error": str(error)})
        else:
            self._unavailable.discard(name)
            log.info("%s can be read again", what, extra=extra)
