"""Pods with injected containers: the processor alone decides, whatever the others and the Pod's phase are.

The table is every phase x state of the processor x kind and state of another container.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fakes.build import SPEC, job, later, status
from imagejob_contract.result import Summary
from imagejob_operator.adapters.kubernetes.container_status import MAX_EVIDENCE
from imagejob_operator.adapters.kubernetes.pod_manifest import PodSettings, pod_manifest
from imagejob_operator.adapters.kubernetes.pod_status import read_attempt
from imagejob_operator.api.errors import Reason
from imagejob_operator.api.phase import Phase
from imagejob_operator.decision.attempt import Attempt, State
from imagejob_operator.validation.pod_template_policy import PodTemplatePolicy
from unit.adapters.test_pod_status import MOMENT, pod

RUNS = {"running": {"startedAt": MOMENT}}


def ended(code: int, **more: Any) -> dict[str, Any]:
    return {"terminated": {"exitCode": code, "startedAt": MOMENT, "finishedAt": MOMENT, **more}}


def waits(reason: str, message: str = "") -> dict[str, Any]:
    return {"waiting": {"reason": reason, "message": message}}


PROCESSOR = {
    "done": ended(0, message='{"succeeded":3}'),
    "crashed": ended(70),
    "out-of-memory": ended(137, reason="OOMKilled"),
    "running": RUNS,
    "creating": waits("ContainerCreating"),
}
OTHERS = {
    "runs": RUNS,
    "ended-well": ended(0),
    "failed": ended(1),
    "out-of-memory": ended(137, reason="OOMKilled"),
    "no-image": waits("ImagePullBackOff", "no such image"),
    "crash-loop": waits("CrashLoopBackOff", "back-off 40s"),
}
KINDS = ("first", "last", "native")
PHASES = ("Pending", "Running", "Succeeded", "Failed", "Unknown")


@dataclass(frozen=True)
class Row:
    """One Pod, with the names of what it is made of."""

    phase: str
    processor: str
    kind: str
    other: str

    @property
    def possible(self) -> bool:
        """Whether a kubelet may report it: a Pod has ended only with its containers."""
        over = self.phase in ("Succeeded", "Failed")
        if self.phase == "Succeeded" and self.processor != "done":
            return False
        if self.phase == "Running" and self.processor == "creating":
            return False
        return not over or (
            self.processor not in ("running", "creating") and "terminated" in OTHERS[self.other]
        )

    def pod(self) -> dict[str, Any]:
        made = pod()
        (processor,) = made["spec"]["containers"]
        other = {"name": "proxy", "resources": {"limits": {"memory": "7Mi"}}}
        mine = {"name": "processor", "state": PROCESSOR[self.processor]}
        theirs = {"name": "proxy", "state": OTHERS[self.other]}
        found: dict[str, Any] = {"phase": self.phase}
        match self.kind:
            case "native":
                made["spec"]["initContainers"] = [{**other, "restartPolicy": "Always"}]
                found |= {
                    "containerStatuses": [mine],
                    "initContainerStatuses": [{**theirs, "started": True}],
                }
            case "first":
                made["spec"]["containers"] = [other, processor]
                found["containerStatuses"] = [theirs, mine]
            case _:
                made["spec"]["containers"] = [processor, other]
                found["containerStatuses"] = [mine, theirs]
        return {**made, "status": found}


ROWS = [
    row
    for row in (Row(*parts) for parts in itertools.product(PHASES, PROCESSOR, KINDS, OTHERS))
    if row.possible
]

Read = Callable[[dict[str, Any]], Attempt]


def read(body: dict[str, Any]) -> Attempt:
    found = read_attempt(body)
    assert found
    return found[1]


def wrong(row: Row, reader: Read) -> Iterator[str]:
    """What a reader of Pods gets wrong about a row."""
    attempt = reader(row.pod())
    states = {"done": State.SUCCEEDED, "running": State.RUNNING, "creating": State.WAITING}
    wanted = states.get(row.processor, State.FAILED)
    if attempt.state is not wanted:
        yield f"{row}: {attempt.state} instead of {wanted}"
        return
    over = wanted in (State.SUCCEEDED, State.FAILED)
    if attempt.lingers != (over and row.phase not in ("Succeeded", "Failed")):
        yield f"{row}: lingers is {attempt.lingers}"
    if attempt.finished_at != (later(5) if over else None):
        yield f"{row}: ended at {attempt.finished_at}"
    if attempt.summary != (Summary(succeeded=3) if row.processor == "done" else None):
        yield f"{row}: counts {attempt.summary}"
    reasons = {"crashed": Reason.CRASHED, "out-of-memory": Reason.OUT_OF_MEMORY}
    blocked = {"no-image": Reason.IMAGE_PULL_FAILED, "crash-loop": Reason.CONFIG_ERROR}
    reason = blocked.get(row.other) if row.processor == "creating" else reasons.get(row.processor)
    if (attempt.problem and attempt.problem.reason) != reason:
        yield f"{row}: {attempt.problem} instead of {reason}"
    message = attempt.problem.message if attempt.problem else ""
    if row.processor == "out-of-memory" and "7Mi" in message:
        yield f"{row}: the memory limit of another container"
    if row.processor == "creating" and reason and not message.startswith("container proxy: "):
        yield f"{row}: does not name the container: {message}"


def all_wrong(reader: Read) -> list[str]:
    return [text for row in ROWS for text in wrong(row, reader)]


def test_the_processor_alone_decides() -> None:
    assert len(ROWS) > 250
    assert all_wrong(read) == []


# --- planted faults --------------------------------------------------------------------------------------


def _swapped(body: dict[str, Any], change: Callable[[list[Any]], None]) -> dict[str, Any]:
    for part in (body["spec"]["containers"], body["status"]["containerStatuses"]):
        change(part)
    return body


def by_phase(body: dict[str, Any]) -> Attempt:
    """Uses the phase of the Pod while that is Running."""
    attempt = read(body)
    if body["status"]["phase"] == "Running":
        bare = {**body, "status": {"phase": "Running"}}
        attempt = read(bare)
    return attempt


def by_place(body: dict[str, Any]) -> Attempt:
    """Takes the first container for the processor."""

    def rename(containers: list[Any]) -> None:
        containers[:] = [{**one, "name": "other"} for one in containers]
        containers[0]["name"] = "processor"

    return read(_swapped(body, rename))


def by_every_container(body: dict[str, Any]) -> Attempt:
    """Takes a failed Pod for a failed processor."""
    if body["status"]["phase"] == "Failed":
        body = {**body, "status": {"phase": "Failed"}}
    return read(body)


@pytest.mark.parametrize("planted", [by_phase, by_place, by_every_container])
def test_a_reader_that_does_not_ask_the_processor_is_found(planted: Read) -> None:
    assert all_wrong(planted)


# --- what keeps the processor from starting -----------------------------------------------------------------


def initial(*containers: dict[str, Any], native: bool = False, **more: Any) -> dict[str, Any]:
    """A Pod that has not got to its processor, by the statuses of its init containers."""
    made = pod()
    policy = {"restartPolicy": "Always"} if native else {}
    made["spec"]["initContainers"] = [{"name": one["name"], **policy} for one in containers]
    mine = {"name": "processor", "state": waits("PodInitializing")}
    whole = {"phase": "Pending", "containerStatuses": [mine], "initContainerStatuses": list(containers)}
    return {**made, "status": {**whole, **more}}


BLOCKED = {
    "no-image": (
        initial({"name": "istio-init", "state": waits("ErrImagePull", "not found")}),
        Reason.IMAGE_PULL_FAILED,
        "container istio-init: not found",
    ),
    "never-ends": (
        initial({"name": "done", "state": ended(0)}, {"name": "istio-validation", "state": RUNS}),
        Reason.START_DEADLINE_EXCEEDED,
        "the processor waits for init container istio-validation, which has not ended",
    ),
    "native-not-ready": (
        initial({"name": "istio-proxy", "state": RUNS, "started": False}, native=True),
        Reason.START_DEADLINE_EXCEEDED,
        "the processor waits for sidecar istio-proxy, which is not ready",
    ),
    "native-restarts": (
        initial(
            {
                "name": "istio-proxy",
                "state": RUNS,
                "started": False,
                "restartCount": 3,
                "lastState": ended(1),
            },
            native=True,
        ),
        Reason.CONFIG_ERROR,
        "the processor waits for sidecar istio-proxy (restarted 3 times, last exit code 1), which is not",
    ),
    "native-crash-loop": (
        initial(
            {
                "name": "istio-proxy",
                "state": waits("CrashLoopBackOff", "back-off 40s"),
                "restartCount": 4,
                "lastState": ended(2),
            },
            native=True,
        ),
        Reason.CONFIG_ERROR,
        "container istio-proxy (restarted 4 times, last exit code 2): back-off 40s",
    ),
    "native-ready": (initial({"name": "istio-proxy", "state": RUNS, "started": True}, native=True), None, ""),
    "long-name": (
        initial({"name": "p" * 500, "state": waits("ErrImagePull", "x" * 500)}),
        Reason.IMAGE_PULL_FAILED,
        "container ppp",
    ),
}


@pytest.mark.parametrize(("body", "reason", "words"), BLOCKED.values(), ids=BLOCKED)
def test_what_blocks_the_processor_is_named(body: dict[str, Any], reason: Reason | None, words: str) -> None:
    attempt = read(body)
    assert attempt.state is State.WAITING
    assert (attempt.problem and attempt.problem.reason) == reason
    message = attempt.problem.message if attempt.problem else ""
    assert message.startswith(words)
    assert len(message) <= MAX_EVIDENCE


def test_an_init_container_that_fails_is_named() -> None:
    failed = {"name": "istio-init", "state": ended(255, message="iptables: permission denied")}
    attempt = read(initial(failed, phase="Failed"))
    assert attempt.state is State.FAILED
    assert not attempt.ran
    assert attempt.problem
    assert (attempt.problem.reason, attempt.problem.counted) == (Reason.CONFIG_ERROR, True)
    assert "init container istio-init of " in attempt.problem.message
    assert "exit code 255: iptables: permission denied" in attempt.problem.message


def test_a_native_sidecar_that_was_stopped_is_no_failed_init_container() -> None:
    stopped = {"name": "istio-proxy", "state": ended(137)}
    attempt = read(initial(stopped, native=True, phase="Failed"))
    assert attempt.problem
    assert attempt.problem.reason is Reason.CRASHED
    assert "istio-proxy" not in attempt.problem.message


def test_a_pod_that_was_evicted_after_its_processor_had_succeeded_has_succeeded() -> None:
    evicted = Row("Failed", "done", "last", "failed").pod()
    evicted["status"] |= {"reason": "Evicted", "conditions": [{"type": "DisruptionTarget", "status": "True"}]}
    assert read(evicted).state is State.SUCCEEDED


# --- Pods without a sidecar ---------------------------------------------------------------------------------

WITHOUT = {
    "labels": ("sidecar.istio.io/inject", "false", PodTemplatePolicy(labels=("sidecar.istio.io/inject",))),
    "annotations": (
        "linkerd.io/inject",
        "disabled",
        PodTemplatePolicy(annotations=("linkerd.io/inject",)),
    ),
}


@pytest.mark.parametrize(("field", "key", "value", "allowed"), [(f, *rest) for f, rest in WITHOUT.items()])
def test_a_template_keeps_the_sidecar_of_a_mesh_out_if_its_key_is_allowed(
    field: str, key: str, value: str, allowed: PodTemplatePolicy
) -> None:
    template = {field: {key: value}}
    page = (Path(__file__).parents[3] / "docs" / "users" / "pods.md").read_text()
    assert f"{field}: {{{key}: " in page
    assert key in PodTemplatePolicy().refusal(template)
    assert allowed.refusal(template) == ""
    of = job(status(Phase.RUNNING), {**SPEC, "execution": {"podTemplate": template}})
    made = pod_manifest(PodSettings("i", "image:1", allowed=allowed), of, 0, 1, later(60) - later(0))
    assert made["metadata"][field][key] == value


def test_kubectl_shows_the_log_of_the_processor() -> None:
    assert pod()["metadata"]["annotations"]["kubectl.kubernetes.io/default-container"] == "processor"
