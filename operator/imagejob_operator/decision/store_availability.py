"""The ImageStores that a job names, and whether a run may use them."""

from __future__ import annotations

from dataclasses import dataclass

from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.api.imagestore_status import Readiness
from imagejob_operator.api.status import StagingStore


@dataclass(frozen=True, slots=True)
class StoreView:
    """An ImageStore that a job names; without a readiness if it does not exist."""

    name: str
    uid: str = ""
    readiness: Readiness | None = None
    location: str = ""
    """Bucket and prefix of its staging, as a URL; empty while it is not open."""

    @property
    def failure(self) -> Failure | None:
        """Why it cannot be used; None if it can."""
        if self.readiness is None:
            text = f"there is no ImageStore {self.name!r} in this namespace; create it, or correct storeRef"
            return Failure(Code.CREATION, Reason.STORE_NOT_FOUND, text)
        if not self.readiness.ready:
            why = f"{self.readiness.reason}: {self.readiness.message}"
            text = f"the ImageStore {self.name!r} is not ready, {why}"
            return Failure(Code.CREATION, Reason.STORE_NOT_READY, text)
        return None


@dataclass(frozen=True, slots=True)
class StoreViews:
    """The ImageStores of a job; None where it uses the operator's own store."""

    source: StoreView | None = None
    destination: StoreView | None = None

    @property
    def failure(self) -> Failure | None:
        """Why one of them cannot be used."""
        found = [view.failure for view in (self.source, self.destination) if view]
        return next(filter(None, found), None)

    @property
    def staging(self) -> StagingStore | None:
        """The ImageStore that the run is staged in; None for the operator's own store."""
        source = self.source
        return StagingStore(source.name, source.uid, source.location) if source else None
