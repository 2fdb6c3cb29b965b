"""A cluster in memory: the API server's ImageJobs and the launcher of attempts, behind their ports.

Objects have resource versions, conflicts, finalizers and deletion as on an API server. Attempts are
played by a script that the test gives: each has its scenes, at moments of the manual clock.
"""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import msgspec

from fakes.clock import ManualClock
from fakes.hooks import Hooks
from fakes.memory_store import MemoryStore, key_of
from imagejob_contract.order import Order
from imagejob_contract.result import Summary
from imagejob_operator.api.errors import Reason
from imagejob_operator.api.imagejob import ImageJob, Key, attempt_name, parse_job, parse_whole_job
from imagejob_operator.api.spec import InvalidSpec
from imagejob_operator.api.status import RunPlace, Status, parse_status, status_body
from imagejob_operator.decision.action import RecordEvent
from imagejob_operator.decision.attempt import Attempt, Problem, State
from imagejob_operator.naming.names import API_VERSION, FINALIZER, KIND
from imagejob_operator.ports.imagejobs import Conflict, Gone, with_spec_of
from imagejob_operator.ports.launcher import Refused

GATED = Problem(Reason.START_DEADLINE_EXCEEDED, "Scheduling is blocked due to non-empty scheduling gates")
"""What a Pod says of itself while a queue holds it back."""
NO_ORDER = Problem(Reason.CRASHED, "the staging with its order was deleted", counted=False)

Work = Callable[[MemoryStore, Order], Summary]


@dataclass(frozen=True)
class Scene:
    """What an attempt comes to, `after` seconds from the scene before."""

    after: float
    state: State
    problem: Problem | None = None
    work: Work | None = None
    """Done as the scene begins, with the attempt's order; gives the summary."""
    held: bool = False
    """A queue holds the attempt back; where the job names a queue, it does from the beginning."""
    lingers: bool = False
    """Another container of its Pod runs on, until the Pod is deleted."""


Script = Callable[[int, int], Sequence[Scene]]
"""The scenes of an attempt by its shard and number; they begin when it has its order."""


def idle(shard: int, number: int) -> Sequence[Scene]:
    """Waits for ever."""
    return ()


def _waiting(place: RunPlace, name: str, uid: str, shard: int, number: int, now: datetime) -> Attempt:
    run, epoch, run_uid = place
    return Attempt(name, uid, run, shard, number, State.WAITING, now, epoch=epoch, run_uid=run_uid)


@dataclass
class _Running:
    job_uid: str
    namespace: str
    attempt: Attempt
    order_url: str = ""
    scenes: list[tuple[datetime, Scene]] = field(default_factory=list)
    gone_at: datetime | None = None


class MemoryCluster:
    """See the ports Jobs and Launcher."""

    def __init__(self, clock: ManualClock, store: MemoryStore | None = None, script: Script = idle) -> None:
        self.clock = clock
        self.store = store or MemoryStore(clock)
        self.script = script
        self.hooks = Hooks()
        self.refusals: dict[int, Problem] = {}
        """Shards that are not launched, and why."""
        self.refused_orders: Problem | None = None
        self.untold = ""
        """Why it is not known whether an attempt would be accepted."""
        self.remarks: dict[str, str] = {}
        """The Event of an attempt, by its name."""
        self.stop_seconds = 0.0
        """How long a stopped attempt still lives."""
        self.namespaces: dict[str, dict[str, str]] = {"shop": {}}
        self.events: dict[tuple[str, int, str], RecordEvent] = {}
        self.steps: list[tuple[str, RecordEvent]] = []
        """Events of the steps of runs, which a crash may lose, with the uids of their jobs."""
        self.on_job: Callable[[str, ImageJob], None] = lambda kind, job: None
        self.on_attempt: Callable[[str, str, Key, Attempt], None] = lambda kind, uid, key, attempt: None
        self._bodies: dict[Key, dict[str, Any]] = {}
        self._running: dict[tuple[str, str], _Running] = {}
        self.version = 0
        """The resource version of the last change to any job."""
        self._uids = itertools.count(1)

    def _uid(self) -> str:
        """The same ones in the same order, so that two worlds can be compared."""
        return str(uuid.uuid5(uuid.NAMESPACE_OID, str(next(self._uids))))

    # --- what users do ---------------------------------------------------------------------------------

    def create(self, name: str, spec: Mapping[str, Any], namespace: str = "shop") -> ImageJob:
        key = Key(namespace, name)
        if key in self._bodies:
            raise ValueError(f"{key} is there already")
        self._bodies[key] = {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "metadata": {
                "name": name,
                "namespace": namespace,
                "uid": self._uid(),
                "generation": 1,
                "creationTimestamp": self.clock().isoformat(),
            },
            "spec": _copy(dict(spec)),
            "status": {"observedGeneration": -1},
        }
        return self._changed(key, "ADDED")

    def edit(self, key: Key, **fields: Any) -> ImageJob:
        """Change top-level fields of the spec."""
        body = self._body(key)
        body["spec"].update(_copy(fields))
        body["metadata"]["generation"] += 1
        return self._changed(key)

    def touch(self, key: Key) -> ImageJob:
        """Change something that is none of our business."""
        labels = self._body(key)["metadata"].setdefault("labels", {})
        labels["touched"] = str(int(labels.get("touched", "0")) + 1)
        return self._changed(key)

    def add_stranger(self, key: Key, finalizer: str = "example.com/stranger") -> ImageJob:
        self._body(key)["metadata"].setdefault("finalizers", []).append(finalizer)
        return self._changed(key)

    def take_finalizers(self, key: Key) -> ImageJob:
        """Remove all finalizers, as somebody may by hand."""
        self._body(key)["metadata"]["finalizers"] = []
        return self._changed(key)

    def user_deletes(self, key: Key) -> None:
        self._delete(key)

    def vanish(self, key: Key) -> None:
        """Remove a job, finalizers or not, with its attempts."""
        uid = self._body(key)["metadata"]["uid"]
        self._drop(key)
        for place, running in list(self._running.items()):
            if running.job_uid == uid:
                self.take_away(*place)

    def job(self, key: Key) -> ImageJob | None:
        return parse_job(_copy(self._bodies[key])) if key in self._bodies else None

    def jobs(self) -> list[ImageJob]:
        return [parse_job(_copy(body)) for body in self._bodies.values()]

    def attempts(self) -> list[tuple[str, Attempt]]:
        return [(run.job_uid, run.attempt) for run in self._running.values()]

    def orders(self, uid: str) -> dict[str, str]:
        """The URL that each attempt of a job was given, by name."""
        return {run.attempt.name: run.order_url for run in self._running.values() if run.job_uid == uid}

    # --- the port Jobs ---------------------------------------------------------------------------------

    async def namespace_labels(self, namespace: str) -> Mapping[str, str]:
        await self.hooks.before("namespace", namespace)
        if namespace not in self.namespaces:
            raise Gone(namespace)
        return dict(self.namespaces[namespace])

    async def whole(self, job: ImageJob) -> ImageJob:
        await self.hooks.before("whole", str(job.key))
        return with_spec_of(job, parse_whole_job(_copy(self._body(job.key))))

    async def add_finalizer(self, job: ImageJob) -> ImageJob:
        await self.hooks.before("add_finalizer", str(job.key))
        self._expect(job)
        self._body(job.key)["metadata"].setdefault("finalizers", []).append(FINALIZER)
        after = self._changed(job.key)
        await self.hooks.after("add_finalizer", str(job.key))
        return after

    async def remove_finalizer(self, job: ImageJob) -> ImageJob | None:
        await self.hooks.before("remove_finalizer", str(job.key))
        if job.key not in self._bodies:
            return None
        self._expect(job)
        left = self._body(job.key)["metadata"]["finalizers"]
        left.remove(FINALIZER)
        after: ImageJob | None = self._changed(job.key)
        if job.deleted_at and not left:
            self._drop(job.key)
            after = None
        await self.hooks.after("remove_finalizer", str(job.key))
        return after

    async def write_status(self, job: ImageJob, status: Status) -> ImageJob:
        await self.hooks.before("write_status", str(job.key))
        self._expect(job)
        wanted = msgspec.json.decode(msgspec.json.encode(status_body(status)))
        parse_status(wanted)  # the schema refuses what the operator could not read
        body = self._body(job.key)
        if body.get("status") == wanted:
            return parse_job(_copy(body))
        body["status"] = wanted
        after = self._changed(job.key)
        await self.hooks.after("write_status", str(job.key))
        return after

    async def record_event(self, job: ImageJob, event: RecordEvent) -> None:
        await self.hooks.before("announce", str(job.key))
        if event.step:
            self.steps.append((job.uid, event))
        else:
            self.events.setdefault((job.uid, event.run, event.reason), event)
        await self.hooks.after("announce", str(job.key))

    async def delete(self, job: ImageJob) -> None:
        await self.hooks.before("delete", str(job.key))
        self._expect(job)
        self._delete(job.key)
        await self.hooks.after("delete", str(job.key))

    # --- the port Launcher -----------------------------------------------------------------------------

    async def launch(self, job: ImageJob, shard: int, number: int, ends_by: datetime) -> Attempt:
        place = job.status.run.place if job.status.run else RunPlace(0, 0)
        name = attempt_name(job.key, job.uid, place, shard, number)
        await self.hooks.before("launch", name)
        where = (job.key.namespace, name)
        known = self._running.get(where)
        if known is None:
            if shard in self.refusals:
                raise Refused(self.refusals[shard])
            now = self.clock()
            attempt = _waiting(place, name, self._uid(), shard, number, now)
            if not isinstance(job.spec, InvalidSpec) and job.spec.execution.queue_name:
                attempt = replace(attempt, held=True, problem=GATED)
            known = self._running[where] = _Running(job.uid, job.key.namespace, attempt)
            self._attempt_changed(known, "ADDED")
        elif known.job_uid != job.uid:
            text = f"a Pod named {name} is there and belongs to somebody else"
            raise Refused(Problem(Reason.POD_REJECTED, text, certain=True))
        await self.hooks.after("launch", name)
        return known.attempt

    async def rehearse(self, job: ImageJob, ends_by: datetime) -> str:
        await self.hooks.before("rehearse", str(job.key))
        if problem := self.refusals.get(0) or self.refused_orders:
            raise Refused(problem)
        return self.untold

    def occupy(self, job: ImageJob, shard: int, number: int) -> None:
        """Have somebody else's Pod under the name of an attempt."""
        place = job.status.run.place if job.status.run else RunPlace(0, 0)
        name = attempt_name(job.key, job.uid, place, shard, number)
        attempt = _waiting(place, name, self._uid(), shard, number, self.clock())
        self._running[job.key.namespace, name] = _Running("somebody else", job.key.namespace, attempt)

    async def deliver(self, attempt: Attempt, namespace: str, order_url: str, ca_bundle: str = "") -> None:
        await self.hooks.before("deliver", attempt.name)
        if self.refused_orders:
            raise Refused(self.refused_orders)
        running = self._running.get((namespace, attempt.name))
        if running is None or running.attempt.uid != attempt.uid:
            return
        if not running.order_url:
            running.order_url = order_url
            moment = self.clock()
            for scene in self.script(attempt.shard, attempt.number):
                moment += timedelta(seconds=scene.after)
                running.scenes.append((moment, scene))
        await self.hooks.after("deliver", attempt.name)

    async def remark(self, attempt: Attempt, namespace: str) -> str:
        await self.hooks.before("remark", attempt.name)
        return self.remarks.get(attempt.name, "")

    async def stop(self, attempt: Attempt, namespace: str) -> None:
        await self.hooks.before("stop", attempt.name)
        self.take_away(namespace, attempt.name, attempt.uid)
        await self.hooks.after("stop", attempt.name)

    def take_away(self, namespace: str, name: str, uid: str = "") -> None:
        """Delete an attempt, as the operator or anybody else may; with a `uid` exactly that one."""
        running = self._running.get((namespace, name))
        if running is None or uid not in ("", running.attempt.uid):
            return
        if (running.attempt.live or running.attempt.lingers) and self.stop_seconds:
            running.attempt = replace(running.attempt, deleting=True)
            running.gone_at = self.clock() + timedelta(seconds=self.stop_seconds)
            self._attempt_changed(running, "MODIFIED")
        else:
            del self._running[namespace, name]
            self._attempt_changed(running, "DELETED")

    # --- time ------------------------------------------------------------------------------------------

    def next_event(self) -> datetime | None:
        """When something will happen of itself."""
        moments = [run.scenes[0][0] for run in self._running.values() if run.scenes]
        moments += [run.gone_at for run in self._running.values() if run.gone_at]
        return min(moments, default=None)

    def play(self) -> bool:
        """Let happen what is due; whether anything did."""
        happened = False
        for place, running in list(self._running.items()):
            while running.scenes and running.scenes[0][0] <= self.clock():
                _, scene = running.scenes.pop(0)
                self._enact(running, scene)
                happened = True
            if running.gone_at and running.gone_at <= self.clock():
                self._running.pop(place, None)
                self._attempt_changed(running, "DELETED")
                happened = True
        return happened

    def _enact(self, running: _Running, scene: Scene) -> None:
        summary = None
        if work := scene.work:
            store = self.store.behind(running.order_url)
            order = store.objects.get(key_of(running.order_url))
            if order is None:
                running.scenes.clear()
                scene = Scene(0, State.FAILED, NO_ORDER)
            else:
                summary = work(store, msgspec.json.decode(order.data, type=Order))
        ended = scene.state in (State.SUCCEEDED, State.FAILED)
        running.attempt = replace(
            running.attempt,
            state=scene.state,
            held=scene.held,
            lingers=scene.lingers,
            problem=scene.problem,
            summary=summary if scene.state is State.SUCCEEDED else None,
            started_at=running.attempt.started_at or (self.clock() if scene.state is State.RUNNING else None),
            finished_at=self.clock() if ended else None,
        )
        self._attempt_changed(running, "MODIFIED")

    # --- inside ----------------------------------------------------------------------------------------

    def _body(self, key: Key) -> dict[str, Any]:
        if key not in self._bodies:
            raise Gone(str(key))
        return self._bodies[key]

    def _expect(self, job: ImageJob) -> None:
        metadata = self._body(job.key)["metadata"]
        if (metadata["uid"], metadata["resourceVersion"]) != (job.uid, job.resource_version):
            raise Conflict(f"{job.key} has changed")

    def _next_version(self) -> str:
        self.version += 1
        return str(self.version)

    def _changed(self, key: Key, kind: str = "MODIFIED") -> ImageJob:
        body = self._bodies[key]
        body["metadata"]["resourceVersion"] = self._next_version()
        job = parse_job(_copy(body))
        self.on_job(kind, job)
        return job

    def _delete(self, key: Key) -> None:
        metadata = self._body(key)["metadata"]
        if not metadata.get("finalizers"):
            self._drop(key)
        elif "deletionTimestamp" not in metadata:
            metadata["deletionTimestamp"] = self.clock().isoformat()
            self._changed(key)

    def _drop(self, key: Key) -> None:
        body = self._bodies.pop(key)
        body["metadata"]["resourceVersion"] = self._next_version()
        self.on_job("DELETED", parse_job(_copy(body)))

    def _attempt_changed(self, running: _Running, kind: str) -> None:
        key = next((k for k, b in self._bodies.items() if b["metadata"]["uid"] == running.job_uid), None)
        if key is not None:
            self.on_attempt(kind, running.job_uid, key, running.attempt)


def _copy(body: dict[str, Any]) -> dict[str, Any]:
    """As over the wire, and many times faster than a deep copy."""
    copied: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(body))
    return copied
