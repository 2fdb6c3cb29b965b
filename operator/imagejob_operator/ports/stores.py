"""The object stores of runs; a run cannot reach those of another namespace."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from imagejob_operator.api.errors import Failure
from imagejob_operator.api.imagejob import ImageJob
from imagejob_operator.ports.object_store import ObjectStore, StoreUnavailable


class StoreNotOpen(StoreUnavailable):
    """The ImageStore of a run is gone or not ready, and its store is not open."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


@dataclass(frozen=True, slots=True)
class StoreWithStaging:
    """An open store that the garbage collector sweeps."""

    name: str
    """`default` for the operator's own, else namespace and name of the ImageStore; unique."""
    namespace: str
    """Of the ImageStore; empty for the operator's own."""
    store: ObjectStore


OWN_STORE = "default"
"""The name of the operator's own store in metrics and logs."""


class Stores(Protocol):
    """The open stores."""

    async def of(self, job: ImageJob) -> ObjectStore:
        """All that a run may access, as one store, with outputs below `job.outputs_prefix`; or StoreError."""

    def ca_bundle(self, job: ImageJob) -> str:
        """The CA bundle of the store that a run's Pods use; empty for the system's."""
