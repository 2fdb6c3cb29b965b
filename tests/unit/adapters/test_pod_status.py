"""What the kubelet, the scheduler and the node say of a Pod, in the core's words."""

from __future__ import annotations

from typing import Any

import pytest

from fakes.build import KEY, SPEC, UID, job, later, status
from imagejob_contract.result import ExitCode, PodSpan, Summary, Work
from imagejob_operator.adapters.kubernetes.pod_manifest import PodSettings, pod_manifest
from imagejob_operator.adapters.kubernetes.pod_status import read_attempt
from imagejob_operator.api.errors import Reason
from imagejob_operator.api.imagejob import Identity
from imagejob_operator.api.phase import Phase
from imagejob_operator.decision.attempt import AttemptCounts, State

MOMENT = "2026-01-01T12:00:05Z"


def pod(pod_status: dict[str, Any] | None = None, **metadata: Any) -> dict[str, Any]:
    """Our own Pod, with a status."""
    of = job(status(Phase.RUNNING, counts=(AttemptCounts(1),)))
    made = pod_manifest(PodSettings("i", "image:1"), of, 3, 2, later(60) - later(0))
    made["metadata"] |= {"uid": "pod-uid", "creationTimestamp": "2026-01-01T12:00:00Z", **metadata}
    return {**made, "status": pod_status or {}}


def test_a_pod_of_a_queue_waits_behind_its_gate_until_it_is_taken_away() -> None:
    of = job(status(Phase.LAUNCHING), {**SPEC, "execution": {"queueName": "team-a"}})
    made = pod_manifest(PodSettings("i", "image:1"), of, 0, 1, later(60) - later(0))
    made["metadata"] |= {"uid": "pod-uid", "creationTimestamp": "2026-01-01T12:00:00Z"}
    assert made["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "team-a"
    assert made["spec"]["schedulingGates"] == [{"name": "kueue.x-k8s.io/admission"}]

    def held(*gates: str) -> bool:
        seen = read_attempt(
            {**made, "spec": {**made["spec"], "schedulingGates": [{"name": g} for g in gates]}}
        )
        assert seen
        return seen[1].held

    assert held("kueue.x-k8s.io/admission")
    assert held("kueue.x-k8s.io/topology")
    assert not held()
    assert not held("example.com/other")
    assert "schedulingGates" not in pod()["spec"]
    assert "kueue.x-k8s.io/queue-name" not in pod()["metadata"]["labels"]


def waiting(reason: str, message: str = "evidence") -> dict[str, Any]:
    state = {"waiting": {"reason": reason, "message": message}}
    return {"phase": "Pending", "containerStatuses": [{"name": "processor", "state": state}]}


def ended(code: int, phase: str = "Failed", **more: Any) -> dict[str, Any]:
    state = {"terminated": {"exitCode": code, "finishedAt": MOMENT, **more}}
    return {"phase": phase, "containerStatuses": [{"name": "processor", "state": state}]}


@pytest.mark.parametrize(
    ("pod_status", "ran"),
    [
        (ended(0, phase="Succeeded", startedAt=MOMENT), True),
        (ended(70, startedAt=MOMENT), True),
        (ended(128, reason="StartError", startedAt="1970-01-01T00:00:00Z"), False),
        ({"phase": "Running"}, True),
        ({"phase": "Failed", "reason": "Evicted"}, False),
        (waiting("ImagePullBackOff"), False),
    ],
    ids=["done", "crashed", "not-started", "running", "evicted-before", "waiting"],
)
def test_whether_a_pod_ever_ran(pod_status: dict[str, Any], ran: bool) -> None:
    found = read_attempt(pod(pod_status))
    assert found
    assert found[1].ran is ran


def condition(kind: str, value: str, **more: Any) -> dict[str, Any]:
    return {"phase": "Pending", "conditions": [{"type": kind, "status": value, **more}]}


WAITING = {
    "no-status": ({}, None, False),
    "creating": (waiting("ContainerCreating"), None, False),
    "bad-name": (waiting("InvalidImageName"), Reason.INVALID_IMAGE_NAME, True),
    "pull": (waiting("ErrImagePull"), Reason.IMAGE_PULL_FAILED, False),
    "pull-again": (waiting("ImagePullBackOff"), Reason.IMAGE_PULL_FAILED, False),
    "never-pull": (waiting("ErrImageNeverPull"), Reason.IMAGE_PULL_FAILED, False),
    "no-secret": (waiting("CreateContainerConfigError"), Reason.CONFIG_ERROR, False),
    "no-program": (waiting("RunContainerError"), Reason.CONFIG_ERROR, False),
    "nowhere": (
        condition("PodScheduled", "False", reason="Unschedulable", message="0/3 nodes"),
        Reason.UNSCHEDULABLE,
        False,
    ),
    "held-back": (
        condition("PodScheduled", "False", reason="SchedulingGated", message="gates"),
        Reason.START_DEADLINE_EXCEEDED,
        False,
    ),
    "scheduled": (condition("PodScheduled", "True"), None, False),
}

FAILED = {
    "exit-70": (ended(ExitCode.INTERNAL, message="boom"), Reason.CRASHED, True, "exit code 70: boom"),
    "exit-74": (
        ended(ExitCode.RESULT_NOT_STORED, message="the request for a source failed"),
        Reason.STORE_UNREACHABLE,
        True,
        "could not use the store: the request for a source failed",
    ),
    "exit-65": (ended(ExitCode.BAD_ORDER), Reason.CRASHED, True, "exit code 65"),
    "order-expired": (ended(ExitCode.ORDER_EXPIRED), Reason.CRASHED, False, "expired"),
    "terminated": (ended(143), Reason.NODE_LOST, False, "SIGTERM"),
    "out-of-memory": (ended(137, reason="OOMKilled"), Reason.OUT_OF_MEMORY, True, "increase limits.memory"),
    "killed": (ended(137), Reason.CRASHED, True, "exit code 137"),
    "never-ran": (
        ended(128, reason="StartError", message="no such file"),
        Reason.CONFIG_ERROR,
        True,
        "no such file",
    ),
    "no-room-on-its-node": (
        {"phase": "Failed", "reason": "OutOfmemory", "message": "Node didn't have enough resource: memory"},
        Reason.UNSCHEDULABLE,
        False,
        "enough resource: memory",
    ),
    "evicted": (
        {"phase": "Failed", "reason": "Evicted", "message": "low on disk"},
        Reason.NODE_LOST,
        False,
        "low on disk",
    ),
    "preempted": ({"phase": "Failed", "reason": "Preempting"}, Reason.NODE_LOST, False, "Preempting"),
    "drained": (
        {**ended(137), "conditions": [{"type": "DisruptionTarget", "status": "True", "message": "by drain"}]},
        Reason.NODE_LOST,
        False,
        "by drain",
    ),
    "no-disruption": (
        {**ended(1), "conditions": [{"type": "DisruptionTarget", "status": "False"}]},
        Reason.CRASHED,
        True,
        "exit code 1",
    ),
    "deadline": (
        {"phase": "Failed", "reason": "DeadlineExceeded", "message": "Pod was active too long"},
        Reason.CRASHED,
        True,
        "active too long",
    ),
    "no-word-at-all": ({"phase": "Failed"}, Reason.CRASHED, True, "no container status"),
}  # fmt: skip


@pytest.mark.parametrize(("pod_status", "reason", "certain"), WAITING.values(), ids=WAITING)
def test_a_pod_that_waits(pod_status: dict[str, Any], reason: Reason | None, certain: bool) -> None:
    seen = read_attempt(pod(pod_status))
    assert seen
    attempt = seen[1]
    assert attempt.state is State.WAITING
    assert (attempt.problem and attempt.problem.reason) == reason
    assert not attempt.problem or attempt.problem.certain == certain
    assert attempt.finished_at is None


@pytest.mark.parametrize(("pod_status", "reason", "counted", "words"), FAILED.values(), ids=FAILED)
def test_a_pod_that_failed(pod_status: dict[str, Any], reason: Reason, counted: bool, words: str) -> None:
    seen = read_attempt(pod(pod_status))
    assert seen
    attempt = seen[1]
    assert attempt.state is State.FAILED
    assert attempt.problem
    assert (attempt.problem.reason, attempt.problem.counted) == (reason, counted)
    assert words in attempt.problem.message
    assert len(attempt.problem.message) <= 500


def test_a_pod_that_runs_is_running_whatever_its_earlier_state() -> None:
    seen = read_attempt(pod({**waiting("ImagePullBackOff"), "phase": "Running"}))
    assert seen
    assert (seen[1].state, seen[1].problem) == (State.RUNNING, None)


@pytest.mark.parametrize(
    ("message", "wanted"),
    [
        ('{"succeeded":3,"failed":1}', Summary(3, 1)),
        (
            '{"succeeded":3,"spans":[{"work":"fetch","start":5,"length":2,"busy":4,"count":3}]}',
            Summary(3, spans=(PodSpan(Work.FETCH, 5, 2, 4, 3),)),
        ),
        ('{"succeeded":3,"spans":[{"work":"sleep","start":5,"length":2,"busy":4,"count":3}]}', Summary()),
        ("", Summary()),
        ("not json", Summary()),
        ('{"succeeded":-1}', Summary()),
        ('{"unknown":1}', Summary()),
    ],
    ids=["counts", "spans", "unknown-work", "none", "garbage", "negative", "unknown"],
)
def test_counts_come_from_the_termination_message_if_it_can_be_read(message: str, wanted: Summary) -> None:
    seen = read_attempt(pod(ended(0, "Succeeded", message=message)))
    assert seen
    assert seen[1].state is State.SUCCEEDED
    assert seen[1].summary == wanted
    assert seen[1].finished_at == later(5)


def test_identity_comes_from_labels_and_the_controlling_owner() -> None:
    seen = read_attempt(pod(deletionTimestamp=MOMENT))
    assert seen
    owner, attempt = seen
    assert owner == Identity(KEY, UID)
    assert (attempt.uid, attempt.run, attempt.shard, attempt.number) == ("pod-uid", 1, 3, 2)
    assert attempt.deleting


@pytest.mark.parametrize(
    "change",
    [{"labels": {}}, {"labels": None}, {"ownerReferences": []}, {"labels": {"imagejob.dev/run": "x"}}],
    ids=["no-labels", "null-labels", "no-owner", "no-number"],
)
def test_other_pods_are_none_of_ours(change: dict[str, Any]) -> None:
    assert read_attempt(pod(**change)) is None
