"""An ImageJob as read from the API server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import msgspec

from imagejob.errors import RunFailed
from imagejob_operator.api.status import (
    Condition,
    ErrorStatus,
    FailedItem,
    ItemCounts,
    PastRun,
    RunStatus,
    Status,
)
from imagejob_operator.naming.names import FINALIZER

UNSERVED_AFTER = timedelta(seconds=30)
"""An operator that runs writes the first status of a job within seconds."""


@dataclass(frozen=True)
class ImageJob:
    """One ImageJob at one moment. `body` is the resource; the properties are what its status reports."""

    body: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.body["metadata"]["name"])

    @property
    def namespace(self) -> str:
        """Its namespace."""
        return str(self.body["metadata"].get("namespace") or "")

    @property
    def deleted_at(self) -> datetime | None:
        """Since when it is being deleted; None if it is not."""
        return _moment(self.body["metadata"].get("deletionTimestamp"))

    @property
    def finalizers(self) -> tuple[str, ...]:
        """What has to be removed from it before it is gone."""
        return tuple(self.body["metadata"].get("finalizers") or ())

    @property
    def spec(self) -> Mapping[str, Any]:
        """Its spec."""
        spec: Mapping[str, Any] = self.body.get("spec") or {}
        return spec

    @cached_property
    def status(self) -> Status:
        """The whole status. Members that this version cannot read are left out."""
        raw = self.body.get("status") or {}
        try:
            return msgspec.convert(raw, Status)
        except msgspec.ValidationError:
            return msgspec.convert(
                {name: part for name, part in raw.items() if _readable(name, part)}, Status
            )

    @property
    def phase(self) -> str:
        """The phase, for display; Pending before an operator has handled the job."""
        return self.status.phase or "Pending"

    @property
    def run(self) -> RunStatus:
        """The current run."""
        return self.status.run or RunStatus()

    @property
    def items(self) -> ItemCounts:
        """How many items are done, by result."""
        return self.status.items or ItemCounts()

    @property
    def error(self) -> ErrorStatus | None:
        """Why the run failed, is failing, or was cancelled."""
        return self.status.error

    @property
    def failures(self) -> tuple[FailedItem, ...]:
        """The first ten failed items; the report in the store, at the key `status.report`, has all."""
        return self.status.failures

    @property
    def history(self) -> tuple[PastRun, ...]:
        """The five runs before the current one, the newest first."""
        return self.status.history

    @property
    def finished(self) -> bool:
        """Whether the current run has finished. A status that is older than the spec does not count."""
        current = self.status.observed_generation == self.body["metadata"].get("generation")
        return current and self._is("Finished")

    @property
    def succeeded(self) -> bool | None:
        """Whether the current run succeeded; None if it has not finished."""
        return self._is("Succeeded") if self.finished else None

    def _is(self, kind: str) -> bool:
        condition = self.condition(kind)
        return condition is not None and condition.status == "True"

    def condition(self, kind: str) -> Condition | None:
        """The condition of a type, if set."""
        return self.status.condition(kind)

    @property
    def waits_for(self) -> str:
        """Why the job is not ready, in full: the message of Ready is only as long as `kubectl get` shows."""
        ready = self.condition("Ready")
        if ready is None or ready.status == "True":
            return ready.message if ready else ""
        under_way = self.condition("Reconciling")
        longer = under_way.message if under_way and under_way.status == "True" else ""
        return longer or ready.message

    def raise_if_failed(self) -> None:
        """Raise RunFailed if the run has finished without success."""
        if self.succeeded is False:
            error = self.error
            cause = f"{error.code} {error.reason}: {error.message}" if error else self.phase
            raise RunFailed(f"ImageJob {self.name!r}: {cause}")

    def unserved(self, now: datetime) -> str:
        """What no operator has handled for 30 seconds, and the likely causes; empty if nothing."""
        what, since = self._unhandled()
        if since is None or now - since < UNSERVED_AFTER:
            return ""
        name = self.spec.get("class")
        asked = f"an operator with the class {name!r}" if name else "an operator without a class"
        wrong = f"; is spec.class {name!r} right" if name else "; is spec.class missing"
        seconds = UNSERVED_AFTER.total_seconds()
        return (
            f"no operator has handled {what} for {seconds:.0f} s: is {asked} running in this cluster{wrong}?"
        )

    def _unhandled(self) -> tuple[str, datetime | None]:
        """What the status does not show yet, and since when."""
        metadata, phase = self.body["metadata"], self.status.phase
        if not phase and not self.deleted_at:
            return "it", _moment(metadata.get("creationTimestamp"))
        if phase == "Deleting":
            return "", None
        if self.deleted_at:
            # Without the finalizer of an operator, the deletion waits for another controller.
            return "its deletion", self.deleted_at if FINALIZER in self.finalizers else None
        wanted = (self.spec.get("run") or {}).get("id")
        current = self.status.observed_generation == metadata.get("generation")
        if phase in ("Cancelling", "Failing") or wanted == (self.run.id or None) or current:
            # An operator ends the earlier run first.
            return "", None
        writes = [
            e.get("time") or "" for e in metadata.get("managedFields") or [] if not e.get("subresource")
        ]
        return f"the new run {wanted!r}", _moment(max(writes, default=""))


def _moment(text: object) -> datetime | None:
    return datetime.fromisoformat(str(text)) if text else None


def _readable(name: str, part: object) -> bool:
    try:
        msgspec.convert({name: part}, Status)
    except msgspec.ValidationError:
        return False
    return True
