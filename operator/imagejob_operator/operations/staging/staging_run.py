"""What staging a source needs, and what it gives: see `sources.py` for the kinds."""

from __future__ import annotations

from dataclasses import dataclass

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


StagedObject = tuple[StoredObject, str]
"""The object that Pods read, a copy or the source itself, and the identity of its bytes."""
