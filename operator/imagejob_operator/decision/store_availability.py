"""Waiting for the ImageStores that a job names: GitOps applies in any order, so each has its grace."""

from __future__ import annotations

from dataclasses import dataclass

from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.api.imagestore_status import Readiness
from imagejob_operator.api.status import StagingStore


@dataclass(frozen=True, slots=True)
class StoreView:
    """An ImageStore that a job names: its uid and how it stands; no standing if there is none."""

    name: str
    uid: str = ""
    standing: Readiness | None = None
    location: str = ""
    """Bucket and place of its staging, as a URL; empty while it is not open."""

    @property
    def failure(self) -> Failure | None:
        """Why it cannot be used; None if it can."""
        if self.standing is None:
            text = f"there is no ImageStore {self.name!r} in this namespace; create it, or correct storeRef"
            return Failure(Code.CREATION, Reason.STORE_NOT_FOUND, text)
        if not self.standing.ready:
            text = (
                f"the ImageStore {self.name!r} is not ready, {self.standing.reason}: {self.standing.message}"
            )
            return Failure(Code.CREATION, Reason.STORE_NOT_READY, text)
        return None


@dataclass(frozen=True, slots=True)
class StoreViews:
    """The stores that a job names; None where it names none."""

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
