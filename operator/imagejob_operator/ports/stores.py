"""The object stores of runs: one run may read here, write there, and none sees those of another namespace."""

from __future__ import annotations

from typing import Protocol

from imagejob_operator.api.errors import Failure
from imagejob_operator.api.imagejob import ImageJob
from imagejob_operator.ports.object_store import ObjectStore, StoreUnavailable


class StoreNotOpen(StoreUnavailable):
    """The ImageStore of a run is gone or not ready, and this process does not have its store open."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class Stores(Protocol):
    """Which stores there are; opening one does not ask it anything."""

    async def of(self, job: ImageJob) -> ObjectStore:
        """All that a run may touch, as one store.

        Its staging, its report and its sources lie there under the keys that the core gives them, and its
        outputs below `job.outputs_prefix`.

        Raises:
            StoreError: if a store of the run cannot be opened now.
        """
        ...

    def ca_bundle(self, job: ImageJob) -> str:
        """PEM certificates of the authorities that sign the certificate of the store that a run's Pods use.

        Empty if they are the usual ones.
        """
        ...
