"""The simulated world in the parent process: cluster, store, users, and the operators' processes.

One request is carried out at a time, so the requests of a scenario can be numbered, and a plan can say what
goes wrong at which of them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

from chaos.link import Answer, Call, Go, Packed, carry_out
from chaos.living import Setup, warm_up
from chaos.plan import Killed, Plan, Request
from chaos.process import Listing, Process
from chaos.promises import Promises
from chaos.remote_stores import Body, opened
from chaos.scenario import Scenario
from fakes.build import SPEC
from fakes.clock import START, ManualClock
from fakes.memory_cluster import MemoryCluster
from fakes.memory_lease import LeaseLine, MemoryLease
from fakes.memory_owners import ClusterOwners
from fakes.memory_store import MemoryStore
from fakes.memory_stores import MemoryStores
from imagejob_operator.api.imagejob import ImageJob, Key
from imagejob_operator.api.phase import TERMINAL
from imagejob_operator.decision.attempt import Attempt

KEY = Key("shop", "spring")
SETTLING = 20.0
"""Seconds of the world after the end in which what is still to come must have come."""
LONGEST = 200_000.0
MOST_STEPS = 20_000


class Arena:
    """One run of a scenario."""

    def __init__(self, scenario: Scenario, plan: Plan | None = None) -> None:
        self.scenario = scenario
        self.plan = plan or Plan()
        self.clock = ManualClock()
        self.store = MemoryStore(self.clock)
        self.stores = MemoryStores(self.clock, self.store)
        self.cluster = MemoryCluster(self.clock, self.store, scenario.script)
        self.lease = MemoryLease()
        self.requests: list[Request] = []
        self.promises = Promises(self)
        self.restarts = 0
        self.two = False
        """Whether there have been two operators at a time."""
        self.listed_before = 0
        """How many changes old the listing is that the next operator gets."""
        self._delivered: list[tuple[tuple[Any, ...], Listing]] = []
        """Every event, and the listing just before it."""
        self.processes: list[Process] = []
        self._fakes: dict[str, Any] = {
            "cluster": self.cluster,
            "store": self.store,
            "stores": self.stores,
            "owners": ClusterOwners(self.cluster),
            "lease": LeaseLine(self.lease),
        }
        for target, fake in self._fakes.items():
            if target != "stores" or scenario.tenants:
                fake.hooks.install(self._hook(target))
        self.cluster.on_job = self._job_changed
        self.cluster.on_attempt = self._attempt_changed
        self.stores.on_store = lambda store, gone: self._happened(("store", store, gone))
        self._steps = deque(scenario.steps)
        self._before: Listing = ([], [])
        self._ended_at: float | None = None
        self._job_at, self._job = -1, cast("ImageJob | None", None)
        for key, data in scenario.sources.items():
            self.store.set(f"shop/{key}", data, "image/any")
        scenario.prepare(self)
        self.cluster.create(KEY.name, {**SPEC, "execution": {"itemsPerPod": 1}, **scenario.spec})

    # --- what scenarios ask ----------------------------------------------------------------------------

    @property
    def now(self) -> float:
        return (self.clock() - START).total_seconds()

    @property
    def wrongs(self) -> list[str]:
        """Violated invariants."""
        return self.promises.wrongs

    @property
    def job(self) -> ImageJob | None:
        """The current job, decoded only if it has changed, since every step needs it."""
        version = self.cluster.version
        if version != self._job_at:
            self._job_at, self._job = version, self.cluster.job(KEY)
        return self._job

    def ended(self) -> bool:
        job = self.job
        return job is None or (job.status.at in TERMINAL and not job.guarded)

    # --- the play --------------------------------------------------------------------------------------

    def run(self) -> Arena:
        """Run the scenario to its end; violations are in `wrongs`."""
        warm_up()
        self.begin(self.scenario.setup)
        try:
            for _ in range(MOST_STEPS):
                if self._over():
                    return self
                self._go_on()
            self.promises.wrongs.append(f"no end in sight after {MOST_STEPS} steps: {self._where()}")
        except AssertionError as error:
            self.promises.wrongs.append(str(error))
        finally:
            for process in list(self.processes):
                self.end(process)
        return self

    def begin(self, setup: Setup) -> Process:
        process = Process(setup, self._word())
        self.processes.append(process)
        self.two = self.two or len(self.processes) > 1
        if self.listed_before:
            missed = self._delivered[-self.listed_before :]
            process.listing = missed[0][1]
            process.events.extend(event for event, _ in missed)
            self.listed_before = 0
        return process

    def away(self, seconds: float) -> None:
        """No operator runs for so many seconds."""
        for process in list(self.processes):
            self.end(process)
        self.clock.advance(seconds)
        self.begin(self.scenario.setup)

    def everywhere(self) -> dict[str, MemoryStore]:
        """All buckets by the prefix of their keys here; the operator's own has none."""
        tenants = {f"{name}:": bucket.store for name, bucket in sorted(self.stores.buckets.items())}
        return {"": self.store, **tenants}

    def somewhere(self, end: str, folder: str = "") -> bool:
        """Whether any bucket has an object whose key ends with this, in such a folder."""
        keys = (found for store in self.everywhere().values() for found in store.objects)
        return any(found.endswith(end) and folder in found for found in keys)

    def somewhere_in(self, folder: str, but: str) -> bool:
        """Whether any bucket has an object below such a folder, except keys with this ending."""
        keys = (found for store in self.everywhere().values() for found in store.objects)
        return any(folder in found and not found.endswith(but) for found in keys)

    def listing(self) -> Listing:
        """All objects, as a list request returns them."""
        jobs = self.cluster.jobs()
        return jobs, self.cluster.attempts()

    def end(self, process: Process) -> None:
        """Kill an operator."""
        self.processes.remove(process)
        if process.receive(self.tell):
            process.kill(self._word())

    def restart(self, process: Process) -> None:
        """Kill an operator and start the next one."""
        self.end(process)
        self.restarts += 1
        self.begin(self.scenario.setup)

    def carry_out(self, call: Call) -> None:
        """Carry out a call of an operator that has ended."""
        self.tell(call)

    def _over(self) -> bool:
        if self._steps or not self.ended():
            self._ended_at = None
            return False
        if self._ended_at is None:
            self._ended_at = self.now
        return self.now >= self._ended_at + SETTLING

    def _go_on(self) -> None:
        if self._steps and self._steps[0].when(self):
            self._steps.popleft().do(self)
            return
        self.plan.between(self)
        for process in list(self.processes):
            if not process.receive(self.tell):
                self.processes.remove(process)
        able = [process for process in self.processes if not process.frozen]
        assert self.processes, f"no operator is left: {self._where()}"
        busy = [process for process in able if process.calls]
        if busy:
            self._serve(min(busy, key=lambda process: process.calls[0].number))
            return
        delivered = False
        for process in able:
            events = tuple(self.plan.events(self, process.events))
            if events or (process.wake_at is not None and process.wake_at <= self.now):
                process.send(self._word(events=events))
                delivered = True
        if delivered or self.cluster.play():
            return
        self._wait(able)

    def _wait(self, able: list[Process]) -> None:
        """Advance the time to the next event."""
        moments = [process.wake_at for process in able if process.wake_at is not None]
        coming = self.cluster.next_event()
        if coming:
            moments.append((coming - START).total_seconds())
        planned = self.plan.next_moment(self)
        if planned is not None:
            moments.append(planned)
        if self._ended_at is not None:
            moments.append(self._ended_at + SETTLING)
        assert moments, f"nothing will ever happen again: {self._where()}"
        assert min(moments) < LONGEST, f"no end in sight: {self._where()}"
        # A microsecond beyond it, or it might never be reached.
        self.clock.advance_to(START + timedelta(microseconds=int(min(moments) * 1e6) + 1))

    def _serve(self, process: Process) -> None:
        call = process.calls.popleft()
        if self.plan.late(self, call):
            self.restart(process)
            return
        before = len(self.requests)
        try:
            answer = self.tell(call)
        except Killed:
            self.restart(process)
            return
        fate = self.plan.answer(self, self.requests[-1]) if len(self.requests) > before else ""
        if fate == "lost":
            # All other requests in flight arrive, and their answers are lost.
            while process.calls:
                self.tell(process.calls.popleft())
            self.restart(process)
            return
        events = tuple(self.plan.events(self, process.events))
        word = self._word((answer,), events)
        if fate == "taken":
            self.processes.remove(process)
            process.kill(word)
            self.restarts += 1
            self.begin(self.scenario.setup)
        else:
            process.send(word)

    def _word(self, answers: tuple[Answer, ...] = (), events: tuple[tuple[Any, ...], ...] = ()) -> Go:
        wall = self.clock() + timedelta(seconds=self.plan.wall(self))
        return Go(self.now, wall, answers, events)

    def tell(self, call: Call) -> Answer:
        try:
            return Answer(call.number, carry_out(self._fake(call.target), self._with_bodies(call)))
        except Killed:
            raise
        except Exception as error:  # noqa: BLE001  (the operator is to see it)
            return Answer(call.number, Packed.of(error), failed=True)

    def _fake(self, target: str) -> Any:
        if target not in self._fakes:
            self._fakes[target] = bucket = opened(self.stores, target)
            bucket.hooks.install(self._hook("store"))
        return self._fakes[target]

    def _with_bodies(self, call: Call) -> Call:
        """Read the object of a call that takes its content."""
        if not any(isinstance(given, Body) for given in call.arguments):
            return call
        given = (self._fake(a.target).reader(a.source) if isinstance(a, Body) else a for a in call.arguments)
        return replace(call, arguments=tuple(given))

    def _hook(self, target: str) -> Callable[[str, str, bool], Any]:
        async def hook(operation: str, about: str, done: bool) -> None:
            if done:
                if operation == "put":
                    self.promises.wrote(about)
                self.plan.effect(self, self.requests[-1])
                return
            request = Request(len(self.requests), target, operation, about)
            self.requests.append(request)
            self.plan.before(self, request)
            self.promises.deletes(request)

        return hook

    def _job_changed(self, kind: str, job: ImageJob) -> None:
        self._happened(("job", kind, job))

    def _happened(self, event: tuple[Any, ...]) -> None:
        if self.plan.remembers:
            self._delivered.append((event, self._before))
            self._before = self.listing()
        for process in self.processes:
            process.events.append(event)

    def _attempt_changed(self, kind: str, uid: str, key: Key, attempt: Attempt) -> None:
        self._happened(("attempt", kind, uid, key, attempt))
        if kind == "ADDED":
            self.promises.launched(uid, attempt)

    def _where(self) -> str:
        job = self.job
        return f"{job.status.phase} {job.status.error} finalizers {job.finalizer_count}" if job else "gone"
