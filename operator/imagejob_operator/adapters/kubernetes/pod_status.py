"""Translates the status of a Pod into the state of an attempt."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import msgspec

from imagejob_contract.result import ExitCode, Summary
from imagejob_operator.adapters.kubernetes.container_status import (
    MAX_EVIDENCE,
    blocking_problem,
    init_failure,
    memory_limit,
    processor_state,
    start_problem,
)
from imagejob_operator.adapters.kubernetes.pod_manifest import QUEUE_PREFIX
from imagejob_operator.api.errors import Reason, bounded
from imagejob_operator.api.imagejob import Identity, Key, attempt_name
from imagejob_operator.api.status import RunPlace
from imagejob_operator.decision.attempt import Attempt, Problem, State
from imagejob_operator.naming.names import (
    API_VERSION,
    KIND,
    LABEL_ATTEMPT,
    LABEL_EPOCH,
    LABEL_JOB,
    LABEL_RUN,
    LABEL_RUN_UID,
    LABEL_SHARD,
)

_COUNT = re.compile("[0-9]{1,9}")
SIGTERM_EXIT = 143

_DISRUPTED = {"Evicted", "Preempting", "NodeShutdown", "Terminated", "Shutdown"}
_NEVER_RAN = {"StartError", "ContainerCannotRun"}
_NODE_REFUSES = ("OutOf", "UnexpectedAdmissionError", "NodeAffinity", "NodePorts", "Taint", "PodOS")
"""Prefixes of the reasons with which a kubelet refuses a Pod that was bound to its node."""


def read_attempt(pod: dict[str, Any]) -> tuple[Identity, Attempt] | None:
    """The job that a Pod is an attempt of, and the attempt; None if it does not agree with itself.

    Anybody who may create Pods can write such labels and owners. So the job is identified by all of them: its
    namespace is that of the Pod, and the name of the Pod must follow from the rest.
    """
    metadata = pod["metadata"]
    labels = metadata.get("labels") or {}
    owner = _owner(metadata, labels)
    counts = [labels.get(name, "") for name in (LABEL_RUN, LABEL_EPOCH, LABEL_SHARD, LABEL_ATTEMPT)]
    if owner is None or not all(map(_COUNT.fullmatch, counts)):
        return None
    run, epoch, shard, number = map(int, counts)
    place = RunPlace(run, epoch, labels.get(LABEL_RUN_UID, ""))
    if metadata["name"] != attempt_name(owner.key, owner.uid, place, shard, number):
        return None
    state, problem = _state(pod)
    terminated = processor_state(pod, "terminated")
    finished = terminated.get("finishedAt") or metadata.get("deletionTimestamp")
    attempt = Attempt(
        name=metadata["name"],
        uid=metadata["uid"],
        run=run,
        shard=shard,
        number=number,
        epoch=epoch,
        run_uid=place.uid,
        state=state,
        created_at=datetime.fromisoformat(metadata["creationTimestamp"]),
        problem=problem,
        held=state is State.WAITING and _is_held(pod),
        summary=_summary(terminated) if state is State.SUCCEEDED else None,
        started_at=_started(terminated),
        finished_at=datetime.fromisoformat(finished)
        if finished and state in (State.SUCCEEDED, State.FAILED)
        else None,
        lingers=bool(terminated) and not _has_ended(pod),
        deleting="deletionTimestamp" in metadata,
        gone_by=datetime.fromisoformat(metadata["deletionTimestamp"])
        if "deletionTimestamp" in metadata
        else None,
    )
    return owner, attempt


def _owner(metadata: dict[str, Any], labels: dict[str, str]) -> Identity | None:
    """The ImageJob that controls a Pod and that its label names, in the namespace of the Pod."""
    controllers = [one for one in metadata.get("ownerReferences") or () if one.get("controller") is True]
    if len(controllers) != 1:
        return None
    (owner,) = controllers
    kind, name, uid = (owner.get("apiVersion"), owner.get("kind")), owner.get("name"), owner.get("uid")
    if kind != (API_VERSION, KIND) or not name or not uid or labels.get(LABEL_JOB) != name:
        return None
    return Identity(Key(metadata["namespace"], name), uid)


def _started(terminated: dict[str, Any]) -> datetime | None:
    """When a terminated container had started; for one that never ran the kubelet reports 1970."""
    started = terminated.get("startedAt")
    return datetime.fromisoformat(started) if started and terminated.get("reason") not in _NEVER_RAN else None


def _state(pod: dict[str, Any]) -> tuple[State, Problem | None]:
    """The state of the processor; that of the Pod only where the processor has none.

    Other containers may end later, or with another exit code, and hold the phase of the Pod.
    """
    phase = (pod.get("status") or {}).get("phase")
    if terminated := processor_state(pod, "terminated"):
        return (State.SUCCEEDED, None) if terminated.get("exitCode") == 0 else (State.FAILED, _failed(pod))
    if phase == "Succeeded":
        return State.SUCCEEDED, None
    if phase == "Failed":
        return State.FAILED, _failed(pod)
    if phase == "Running" or processor_state(pod, "running"):
        return State.RUNNING, None
    return State.WAITING, _waiting(pod)


def _has_ended(pod: dict[str, Any]) -> bool:
    """Whether all containers of the Pod have ended."""
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def _is_held(pod: dict[str, Any]) -> bool:
    gates = (pod.get("spec") or {}).get("schedulingGates") or ()
    return any(gate["name"].startswith(QUEUE_PREFIX) for gate in gates)


def _summary(terminated: dict[str, Any]) -> Summary:
    try:
        return msgspec.json.decode(terminated.get("message") or b"{}", type=Summary)
    except (msgspec.ValidationError, msgspec.DecodeError):
        return Summary()  # the results have the counts


def _waiting(pod: dict[str, Any]) -> Problem | None:
    if problem := start_problem(pod):
        return problem
    status = pod.get("status") or {}
    scheduled = _condition(status, "PodScheduled")
    if scheduled.get("status") != "False":
        return blocking_problem(pod)
    # Otherwise a scheduling gate holds it.
    unschedulable = scheduled.get("reason") == "Unschedulable"
    reason = Reason.UNSCHEDULABLE if unschedulable else Reason.START_DEADLINE_EXCEEDED
    return Problem(reason, bounded(scheduled.get("message", ""), MAX_EVIDENCE))


def _condition(status: dict[str, Any], kind: str) -> dict[str, Any]:
    found: dict[str, Any] = next((c for c in status.get("conditions") or () if c.get("type") == kind), {})
    return found


def _failed(pod: dict[str, Any]) -> Problem:
    status, name = pod.get("status") or {}, pod["metadata"]["name"]
    disruption = _condition(status, "DisruptionTarget")
    if disruption.get("status") == "True" or status.get("reason") in _DISRUPTED:
        why = disruption.get("message") or status.get("message") or status.get("reason", "")
        return Problem(Reason.NODE_LOST, bounded(f"{name} was disrupted: {why}", MAX_EVIDENCE), counted=False)
    if str(status.get("reason", "")).startswith(_NODE_REFUSES):
        why = status.get("message") or status.get("reason", "")
        text = bounded(f"{name} was rejected by its node: {why}", MAX_EVIDENCE)
        return Problem(Reason.UNSCHEDULABLE, text, counted=False)
    terminated = processor_state(pod, "terminated")
    if not terminated and (problem := init_failure(pod)):
        return problem
    exit_code = terminated.get("exitCode")
    message = bounded(terminated.get("message") or terminated.get("reason") or "", MAX_EVIDENCE)
    if terminated.get("reason") == "OOMKilled":
        limit = memory_limit(pod)
        text = (
            f"{name} was killed because it ran out of memory (limit {limit}); increase limits.memory in "
            "spec.execution.podTemplate.resources"
        )
        return Problem(Reason.OUT_OF_MEMORY, text)
    if terminated.get("reason") in _NEVER_RAN:
        return Problem(Reason.CONFIG_ERROR, f"the container of {name} cannot be started: {message}")
    if exit_code == ExitCode.ORDER_EXPIRED:
        return Problem(
            Reason.CRASHED,
            f"{name}: the presigned URL of its order (task description) had expired",
            counted=False,
        )
    if exit_code == ExitCode.RESULT_NOT_STORED:
        return Problem(Reason.STORE_UNREACHABLE, f"{name} could not use the store: {message}")
    if exit_code == SIGTERM_EXIT:
        return Problem(Reason.NODE_LOST, f"{name} was terminated by SIGTERM", counted=False)
    if exit_code is None:
        why = bounded(status.get("message") or status.get("reason") or "no container status", MAX_EVIDENCE)
        return Problem(Reason.CRASHED, f"{name} failed: {why}")
    return Problem(Reason.CRASHED, f"{name} ended with exit code {exit_code}: {message}")
