"""What every kind of source provides, and what staging one needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from imagejob_operator.api.imagejob import ImageJob
from imagejob_operator.api.spec import Spec, StagingMode, item_limits
from imagejob_operator.operations.staging.download import Downloader
from imagejob_operator.ports.object_store import ObjectStore, StoredObject


@dataclass(frozen=True, slots=True)
class StagingRun:
    """Where the sources of a run are staged, and how."""

    store: ObjectStore
    downloader: Downloader
    job: ImageJob
    spec: Spec
    prefix: str

    @property
    def by_reference(self) -> bool:
        """Whether Pods read the sources themselves."""
        return self.spec.staging.mode is StagingMode.REFERENCE

    @property
    def max_bytes(self) -> int:
        """The size that an item may have."""
        return item_limits(self.spec.limits).item_bytes


class FoundSource(Protocol):
    """One source that was found; nothing of it is staged yet."""

    @property
    def name(self) -> str:
        """The key or file name that users know it by, and that outputs are named after."""

    @property
    def identity(self) -> str:
        """Identifies its bytes: an ETag or a hash; empty if it is not known before the download."""

    @property
    def size(self) -> int:
        """In bytes; 0 if it is not known before the download."""

    @property
    def at_once(self) -> int:
        """How many sources of this kind are staged at the same time."""

    async def stage(
        self, run: StagingRun, key: str, present: StoredObject | None
    ) -> tuple[StoredObject, str]:
        """The object that Pods read, and the identity of its bytes.

        It is a copy at `key`, where `present` may be from an earlier try, or the source itself.
        """
