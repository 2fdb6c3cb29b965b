"""An ImageJob as a value: identity, spec and status."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

import msgspec

from imagejob_operator.api.phase import Phase
from imagejob_operator.api.spec import InvalidSpec, Spec, SpecHead, as_invalid, parse_spec
from imagejob_operator.api.status import MAX_COUNT, RunPlace, RunStatus, Status, parse_status
from imagejob_operator.naming.names import FINALIZER, OUTPUTS_ROOT
from imagejob_operator.naming.prefixes import namespace_prefix

SMALL_SPEC_BYTES = 2048
"""Size of the JSON of a spec that is kept whole, so that it is not read again for each operation."""
P = TypeVar("P")
Q = TypeVar("Q")


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """Namespace and name of a resource."""

    namespace: str
    name: str

    def __str__(self) -> str:
        """`namespace/name`."""
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Identity:
    """Which ImageJob: a name is used again, and a uid can be claimed in another namespace."""

    key: Key
    uid: str


@dataclass(frozen=True, slots=True)
class ImageJob:
    """One ImageJob at one resource version, with the head of its spec unless it was read as a whole."""

    key: Key
    uid: str
    resource_version: str
    generation: int
    spec: SpecHead | InvalidSpec
    status: Status
    raw_status: dict[str, Any]
    """The status as read, from which patches are computed."""
    spec_hash: str = ""
    """A hash of the whole spec, also where only its head is kept; empty if it is invalid."""
    small_spec: bytes = b""
    """The JSON of the whole spec if it is valid and small; else empty."""
    downloads: bool = False
    """Whether its sources are on web servers, also where only the head of the spec is kept."""
    finalizer_at: int | None = None
    """The position of our finalizer; None if it has none of ours."""
    finalizer_count: int = 0
    deleted_at: datetime | None = None
    created_at: datetime | None = None

    @property
    def identity(self) -> Identity:
        """What its Pods must name as their owner."""
        return Identity(self.key, self.uid)

    @property
    def guarded(self) -> bool:
        """Whether it has our finalizer."""
        return self.finalizer_at is not None

    @property
    def outputs_prefix(self) -> str:
        """The prefix of the outputs in the store of the run."""
        own = namespace_prefix(self.key.namespace)
        if isinstance(self.spec, InvalidSpec):
            return own
        elsewhere = self.spec.destination.store_ref not in (None, self.spec.store_ref)
        return f"{OUTPUTS_ROOT}/{own}" if elsewhere else own

    @property
    def uses_image_store(self) -> bool:
        """Whether its staging or its outputs are in an ImageStore, which a user of the namespace provides."""
        run, spec = self.status.run, self.spec
        named = not isinstance(spec, InvalidSpec) and (spec.store_ref or spec.destination.store_ref)
        return bool(named or (run and run.store))

    def ends_by(self, now: datetime) -> datetime:
        """When the active deadline passes (from `now` if not started), without suspended and queued time."""
        run = self.status.run
        begun = run.counted_from if run and run.counted_from else now
        held = now - run.queued_since if run and run.queued_since else timedelta()
        seconds = 0 if isinstance(self.spec, InvalidSpec) else self.spec.execution.active_deadline_seconds
        return begun + held + timedelta(seconds=seconds)

    def ends_at_the_latest(self, now: datetime) -> datetime:
        """When the active deadline passes if a queue holds the run for the maximum time."""
        end, run = self.ends_by(now), self.status.run
        if isinstance(self.spec, InvalidSpec) or self.spec.execution.queue_name is None:
            return end
        allowed = timedelta(seconds=self.spec.execution.queue_deadline_seconds)
        return end + max(timedelta(), allowed - (run.queued_for(now) if run else timedelta()))


def parse_job(body: dict[str, Any]) -> ImageJob:
    """Parse an ImageJob with the head of its spec; an invalid spec is returned as an `InvalidSpec`."""
    job = parse_whole_job(body)
    return replace(job, spec=job.spec.head) if isinstance(job.spec, Spec) else job


def whole_if_small(job: ImageJob) -> ImageJob | None:
    """The job with its whole spec; None if its spec is large or invalid, so that it must be read."""
    if not job.small_spec:
        return None
    return replace(job, spec=msgspec.json.decode(job.small_spec, type=Spec))


def with_metadata(job: ImageJob, metadata: dict[str, Any]) -> ImageJob:
    """The job after a write that was guarded by its resource version, which left all else as it was."""
    finalizers = metadata.get("finalizers", [])
    return replace(
        job,
        resource_version=metadata["resourceVersion"],
        finalizer_at=_place(finalizers),
        finalizer_count=len(finalizers),
    )


def _place(finalizers: list[str]) -> int | None:
    return finalizers.index(FINALIZER) if FINALIZER in finalizers else None


def whole_spec(job: ImageJob) -> Spec:
    """The spec of an accepted job that was read as a whole."""
    assert isinstance(job.spec, Spec)  # noqa: S101  (operations and launches read the whole job first)
    return job.spec


def parse_whole_job(body: dict[str, Any]) -> ImageJob:
    """Parse an ImageJob with its whole spec; only for the time of an operation, never to be cached."""
    metadata = body["metadata"]
    spec: Spec | InvalidSpec = parsed(parse_spec, body.get("spec", {}), as_invalid)
    raw_status = body["status"] if isinstance(body.get("status"), dict) else {}
    status = parsed(parse_status, raw_status, lambda _: _unreadable(raw_status))
    encoded = parsed(_encoded, spec, lambda error: b"")
    finalizers = metadata.get("finalizers", [])
    deleted, created = metadata.get("deletionTimestamp"), metadata.get("creationTimestamp")
    if not _belongs_to(status, metadata["uid"], deleted is not None):
        status = _unreadable(raw_status)
    return ImageJob(
        key=Key(metadata["namespace"], metadata["name"]),
        uid=metadata["uid"],
        resource_version=metadata["resourceVersion"],
        generation=metadata.get("generation", 1),
        spec=spec,
        status=status,
        raw_status=raw_status,
        spec_hash=hashlib.sha256(encoded).hexdigest() if encoded else "",
        small_spec=encoded if len(encoded) <= SMALL_SPEC_BYTES else b"",
        downloads=isinstance(spec, Spec) and spec.source.urls is not None,
        finalizer_at=_place(finalizers),
        finalizer_count=len(finalizers),
        deleted_at=datetime.fromisoformat(deleted) if deleted else None,
        created_at=datetime.fromisoformat(created) if created else None,
    )


def _encoded(spec: Spec | InvalidSpec) -> bytes:
    return b"" if isinstance(spec, InvalidSpec) else msgspec.json.encode(spec, order="deterministic")


def parsed(parse: Callable[[Any], P], raw: Any, otherwise: Callable[[Exception], Q]) -> P | Q:
    """What `parse` returns, or what any of its errors means: nothing that a user wrote stops the operator."""
    try:
        return parse(raw)
    except Exception as error:  # noqa: BLE001  (an unforeseen error must not keep a job from its status)
        return otherwise(error)


def _belongs_to(status: Status, uid: str, deleted: bool) -> bool:
    """Whether a status was written for the object with this uid, deleted or not."""
    # An object restored from a backup has a new uid and may have the status of the original, which may still
    # exist, or was being deleted: its staging must not be deleted.
    staging, report = status.staging, status.report
    own_report = not report or f"/{uid[:8]}/" in report
    own_phase = deleted or status.at is not Phase.DELETING
    return own_phase and own_report and (staging is None or f"/{uid}/" in staging.prefix)


def _unreadable(raw_status: dict[str, Any]) -> Status:
    """Reduce an unreadable or foreign status to the run number, which must not be reused."""
    run = raw_status.get("run")
    number = run.get("number") if isinstance(run, dict) else None
    if isinstance(number, int) and 0 < number <= MAX_COUNT:
        return Status(run=RunStatus(number=int(number)))
    return Status()


def attempt_name(key: Key, uid: str, place: RunPlace, shard: int, number: int) -> str:
    """The name of an attempt, unique to this object, run and epoch, at most 63 characters."""
    digest = hashlib.sha256(f"{uid}/{place.number}-{place.epoch}-{place.uid}".encode()).hexdigest()[:10]
    return f"{key.name[:34].rstrip('-')}-{digest}-{shard}-{number}"
