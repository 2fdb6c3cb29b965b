"""The world in the parent process: the cluster, the store, the users, and operators that come and go.

One request is carried out at a time, so the requests of a scenario can be numbered, and a plan can say what
goes wrong at which of them.
"""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from multiprocessing import Pipe
from typing import Any

from chaos.link import Answer, Ask, Broke, Call, Go, Packed, Wish, carry_out
from chaos.living import Setup, be_born
from fakes.clock import START, ManualClock
from fakes.memory_cluster import MemoryCluster, Script
from fakes.memory_lease import LeaseLine, MemoryLease
from fakes.memory_owners import ClusterOwners
from fakes.memory_store import MemoryStore
from fakes.scripts import well
from imagejob_operator.core.attempt import Attempt
from imagejob_operator.core.job import ImageJob, Key
from imagejob_operator.core.phase import TERMINAL, Phase
from imagejob_operator.core.staging import manifest_key
from unit.core.build import SPEC

KEY = Key("shop", "spring")
SETTLING = 20.0
"""Seconds of the world after the end in which what is still to come must have come."""
LONGEST = 200_000.0
MOST_STEPS = 20_000
FORWARD = {Phase.STAGING, Phase.LAUNCHING, Phase.RUNNING}


@dataclass(frozen=True)
class Request:
    """One request of an operator to the API server or the store, numbered from 0."""

    number: int
    target: str
    operation: str
    about: str

    def __str__(self) -> str:
        return f"{self.operation} {self.about}".strip()


class Killed(Exception):
    """The operator ends here."""


class Plan:
    """What goes wrong; here nothing."""

    remembers = False
    """Whether it needs listings of before."""

    def before(self, arena: Arena, request: Request) -> None:
        """A request is about to take effect: raise Killed, or the error that it ends with."""

    def effect(self, arena: Arena, request: Request) -> None:
        """It has taken effect: raise what becomes of the answer."""

    def late(self, arena: Arena, call: Call) -> bool:
        """Whether the operator ends with this call on its way, which then takes effect later."""
        return False

    def answer(self, arena: Arena, last: Request) -> str:
        """A call is over, and `last` was its last request: "", "lost", or "taken" by one that then ends."""
        return ""

    def events(self, arena: Arena, waiting: deque[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """Which of the watch's events are told now; they are taken out of `waiting`."""
        told = list(waiting)
        waiting.clear()
        return told

    def wall(self, arena: Arena) -> float:
        """Seconds by which the operator's wall clock is wrong now."""
        return 0.0

    def between(self, arena: Arena) -> None:
        """Nothing is being carried out just now."""

    def next_moment(self, arena: Arena) -> float | None:
        """When it does something by itself."""
        return None


@dataclass(frozen=True)
class Step:
    """Something that somebody does as soon as something holds."""

    when: Callable[[Arena], bool]
    do: Callable[[Arena], object]


@dataclass(frozen=True)
class Scenario:
    """What is asked of the operator, and how the world goes on beside it."""

    name: str
    spec: Mapping[str, Any] = field(default_factory=dict)
    script: Script = field(default_factory=well)
    steps: Sequence[Step] = ()
    prepare: Callable[[Arena], object] = lambda arena: None
    sources: Mapping[str, bytes] = field(
        default_factory=lambda: {"uploads/a.jpg": b"aaa", "uploads/b.png": b"bb"}
    )
    setup: Setup = field(default_factory=Setup)
    some_outputs: bool = False
    """Whether it depends on the moment how many outputs there are; never which."""


Listing = tuple[list[ImageJob], list[tuple[str, Attempt]]]


class Process:
    """One operator as the world sees it."""

    def __init__(self, setup: Setup, begun: Go) -> None:
        self.name = setup.name
        self.connection, theirs = Pipe()
        self.pid = os.fork()
        if self.pid == 0:
            self.connection.close()
            be_born(theirs, setup, begun)
        theirs.close()
        self.calls: deque[Call] = deque()
        self.events: deque[tuple[Any, ...]] = deque()
        self.wake_at: float | None = None
        self.waits = False
        self.lives = True
        self.frozen = False
        self.listing: Listing | None = None
        """What it is told when it lists, if that is not what there is."""

    def send(self, go: Go) -> None:
        self.waits = False
        self.connection.send(go)

    def receive(self, answer: Callable[[Call], Answer]) -> bool:
        """Hear it until it can do nothing more by itself; False if it has ended."""
        while not self.waits and self.lives:
            try:
                message = self.connection.recv()
            except (EOFError, ConnectionResetError):
                self.reap()
                break
            match message:
                case Ask(call) if self.listing and call.method in ("jobs", "attempts"):
                    self.connection.send(Answer(call.number, self.listing[call.method == "attempts"]))
                case Ask(call):
                    self.connection.send(answer(call))
                case Wish(calls, wake_at):
                    self.calls.extend(calls)
                    self.wake_at = wake_at
                    self.waits = True
                case Broke(text):
                    self.reap()
                    raise AssertionError(f"the operator broke:\n{text}")
        return self.lives

    def kill(self, go: Go) -> None:
        self.connection.send(replace(go, die=True))
        self.reap()

    def reap(self) -> None:
        self.lives = False
        self.connection.close()
        os.waitpid(self.pid, 0)


class Arena:
    """One scenario, played to its end."""

    def __init__(self, scenario: Scenario, plan: Plan | None = None) -> None:
        self.scenario = scenario
        self.plan = plan or Plan()
        self.clock = ManualClock()
        self.store = MemoryStore(self.clock)
        self.cluster = MemoryCluster(self.clock, self.store, scenario.script)
        self.lease = MemoryLease()
        self.requests: list[Request] = []
        self.launched: Counter[str] = Counter()
        self.wrongs: list[str] = []
        """What must never be seen, wherever the operator ends."""
        self.restarts = 0
        self.listed_before = 0
        """How many changes old the listing is that the next operator gets."""
        self._told: list[tuple[tuple[Any, ...], Listing]] = []
        """Every event, and what a listing said just before it."""
        self.processes: list[Process] = []
        self._fakes: dict[str, Any] = {
            "cluster": self.cluster,
            "store": self.store,
            "owners": ClusterOwners(self.cluster),
            "lease": LeaseLine(self.lease),
        }
        for target, fake in self._fakes.items():
            fake.hooks.install(self._hook(target))
        self.cluster.on_job = self._job_changed
        self.cluster.on_attempt = self._attempt_changed
        self._steps = deque(scenario.steps)
        self._before: Listing = ([], [])
        self._ended_at: float | None = None
        for key, data in scenario.sources.items():
            self.store.set(f"shop/{key}", data, "image/any")
        scenario.prepare(self)
        self.cluster.create(KEY.name, {**SPEC, "execution": {"itemsPerPod": 1}, **scenario.spec})

    # --- what scenarios ask ----------------------------------------------------------------------------

    @property
    def now(self) -> float:
        return (self.clock() - START).total_seconds()

    @property
    def job(self) -> ImageJob | None:
        return self.cluster.job(KEY)

    def ended(self) -> bool:
        job = self.job
        return job is None or (job.status.at in TERMINAL and not job.guarded)

    # --- the play --------------------------------------------------------------------------------------

    def run(self) -> Arena:
        """Play it to its end; what is wrong is in `wrongs`."""
        self.begin(self.scenario.setup)
        try:
            for _ in range(MOST_STEPS):
                if self._over():
                    return self
                self._go_on()
            self.wrongs.append(f"no end in sight after {MOST_STEPS} steps: {self._where()}")
        except AssertionError as error:
            self.wrongs.append(str(error))
        finally:
            for process in list(self.processes):
                self.end(process)
        return self

    def begin(self, setup: Setup) -> Process:
        process = Process(setup, self._word())
        self.processes.append(process)
        if self.listed_before:
            missed = self._told[-self.listed_before :]
            process.listing = missed[0][1]
            process.events.extend(event for event, _ in missed)
            self.listed_before = 0
        return process

    def listing(self) -> Listing:
        """All that is there, as a listing tells it."""
        jobs = self.cluster.jobs()
        return jobs, self.cluster.attempts()

    def end(self, process: Process) -> None:
        """End an operator where it stands."""
        self.processes.remove(process)
        if process.receive(self.tell):
            process.kill(self._word())

    def restart(self, process: Process) -> None:
        """End an operator, and start the next one."""
        self.end(process)
        self.restarts += 1
        self.begin(self.scenario.setup)

    def carry_out(self, call: Call) -> None:
        """Have a call of an operator that is no more take effect."""
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
        told = False
        for process in able:
            events = tuple(self.plan.events(self, process.events))
            if events or (process.wake_at is not None and process.wake_at <= self.now):
                process.send(self._word(events=events))
                told = True
        if told or self.cluster.play():
            return
        self._wait(able)

    def _wait(self, able: list[Process]) -> None:
        """Nothing happens now: on to the next moment at which something does."""
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
        try:
            answer = self.tell(call)
        except Killed:
            self.restart(process)
            return
        fate = self.plan.answer(self, self.requests[-1])
        if fate == "lost":
            # Whatever else was on its way arrives, and nobody hears of it.
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
            return Answer(call.number, carry_out(self._fakes[call.target], call))
        except Killed:
            raise
        except Exception as error:  # noqa: BLE001  (the operator is to see it)
            return Answer(call.number, Packed.of(error), failed=True)

    def _hook(self, target: str) -> Callable[[str, str, bool], Any]:
        async def hook(operation: str, about: str, done: bool) -> None:
            if done:
                self.plan.effect(self, self.requests[-1])
                return
            request = Request(len(self.requests), target, operation, about)
            self.requests.append(request)
            self.plan.before(self, request)
            self._watch_over(request)

        return hook

    # --- what must never be seen -----------------------------------------------------------------------

    def _job_changed(self, kind: str, job: ImageJob) -> None:
        self._happened(("job", kind, job))

    def _happened(self, event: tuple[Any, ...]) -> None:
        if self.plan.remembers:
            self._told.append((event, self._before))
            self._before = self.listing()
        for process in self.processes:
            process.events.append(event)

    def _attempt_changed(self, kind: str, uid: str, key: Key, attempt: Attempt) -> None:
        self._happened(("attempt", kind, uid, key, attempt))
        if kind == "ADDED":
            self._watch_launch(attempt)

    def _watch_launch(self, attempt: Attempt) -> None:
        self.launched[attempt.name] += 1
        if self.launched[attempt.name] > 1:
            self.wrongs.append(
                f"duplicate launch: {attempt.name} was launched {self.launched[attempt.name]} times"
            )
        job = self.job
        staging = job.status.staging if job else None
        if staging is None or manifest_key(staging.prefix) not in self.store.objects:
            self.wrongs.append(f"{attempt.name} was launched before all was staged")
        others = [a for _, a in self.cluster.attempts() if a.live and not a.deleting]
        if sum((a.run, a.epoch, a.shard) == (attempt.run, attempt.epoch, attempt.shard) for a in others) > 1:
            self.wrongs.append(f"{attempt.name} was launched beside another live attempt at its shard")

    def _watch_over(self, request: Request) -> None:
        job = self.job
        if request.operation != "delete" or request.target != "store" or job is None or job.deleted_at:
            return
        staging = job.status.staging
        if job.status.at in FORWARD and staging and staging.prefix == request.about:
            self.wrongs.append(f"staging was deleted under a run that is {job.status.phase}")

    def _where(self) -> str:
        job = self.job
        return f"{job.status.phase} {job.status.error} finalizers {job.finalizers}" if job else "gone"
