"""Pending: whether the job can be accepted, and the start of its run."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import timedelta

import msgspec

from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.api.phase import Phase
from imagejob_operator.api.spec import InvalidSpec, SpecHead
from imagejob_operator.api.status import RunStatus, StagingStatus, duration_text
from imagejob_operator.decision.observation import Decision, Observation
from imagejob_operator.decision.phases.compensation import (
    abort_run,
    cancelled,
    finalizer_failure,
    wait_for_finalizer,
)
from imagejob_operator.decision.phases.suspended import add_finalizer, suspend
from imagejob_operator.decision.phases.terminal import finish_run
from imagejob_operator.decision.status_update import next_status
from imagejob_operator.naming.names import RUN_UID_LENGTH

RECHECK_STORES = timedelta(seconds=5)


def decide_pending(o: Observation, spec: SpecHead) -> Decision:
    """Refuse the job, wait for its stores, or start its run."""
    if spec.cancel_run_id == spec.run.id:
        return _finish_unstarted(o, Phase.CANCELLED, cancelled(spec.run.id))
    if spec.suspend:
        return suspend(o)
    if not_ready := _check_stores(o, spec):
        return not_ready
    validates = spec.run.mode == "Validate"
    if not validates:
        if failure := finalizer_failure(o):
            return refuse(o, failure)
        if waiting := wait_for_finalizer(o):
            return waiting
    before = o.job.status.run or RunStatus()
    run = RunStatus(
        id=spec.run.id,
        number=before.number + 1,
        epoch=1,
        started_at=o.now.replace(microsecond=0),
        store=o.stores.staging,
    )
    run = msgspec.structs.replace(run, uid=_run_uid(o, run))
    status = msgspec.structs.replace(o.job.status, run=run)
    if validates:
        # Without the finalizer: a validation leaves nothing to clean.
        status = msgspec.structs.replace(status, phase=Phase.VALIDATING.value)
        return Decision(next_status(o, status))
    staging = StagingStatus(prefix=o.staging_prefix(run))
    status = msgspec.structs.replace(status, phase=Phase.STAGING.value, staging=staging)
    return Decision(next_status(o, status), add_finalizer(o))


def _run_uid(o: Observation, run: RunStatus) -> str:
    """Identifies the run by all that makes it this run; the uid of the job cannot be computed from it.

    A report or a staged object that names it was written by this run, whatever numbers other runs have.
    """
    places = [(view.uid, view.location) for view in (o.stores.source, o.stores.destination) if view]
    facts = (o.job.uid, run.id, run.number, run.started_at, o.job.spec_hash, places)
    return hashlib.sha256(msgspec.json.encode(facts)).hexdigest()[:RUN_UID_LENGTH]


def refuse(o: Observation, failure: Failure) -> Decision:
    """End a job that cannot be accepted; what a run of it has staged is removed first."""
    if o.job.status.at is not Phase.PENDING:
        return abort_run(o, failure)
    return _finish_unstarted(o, Phase.FAILED, failure)


def _finish_unstarted(o: Observation, phase: Phase, failure: Failure) -> Decision:
    """End a run before it has started: it takes a number, and there is nothing to clean."""
    spec = o.job.spec
    before = o.job.status.run or RunStatus()
    run = RunStatus(
        id="" if isinstance(spec, InvalidSpec) else spec.run.id,
        number=before.number + 1,
        started_at=o.now.replace(microsecond=0),
    )
    status = msgspec.structs.replace(o.job.status, run=run)
    return finish_run(o, status, phase, failure)


def _check_stores(o: Observation, spec: SpecHead) -> Decision | None:
    """What to do about a store that the job may not use, or not yet; None if all are ready."""
    name = o.job.key.namespace
    if spec.store_ref is None and o.admission is None:
        text = (
            f"the labels of namespace {name!r} could not be read, so it is not known whether the namespace "
            "may use the operator's store; see the log of the operator"
        )
        failure = Failure(Code.CREATION, Reason.CLUSTER_REFUSED, text)
        return _wait_or_refuse(o, failure)
    if o.admission and not o.admission.admitted:
        return _wait_or_refuse(o, Failure(Code.CREATION, Reason.NOT_PERMITTED, o.admission.message))
    if unready := o.stores.failure:
        return _wait_or_refuse(o, unready)
    return None


def _wait_or_refuse(o: Observation, failure: Failure) -> Decision:
    """Wait for what may still become ready (GitOps applies in any order); after the grace, refuse the job.

    The grace starts with the first status: the job may have been created while there was no operator.
    """
    grace = o.policy.start_grace
    deadline = (o.job.status.phase_since or o.now) + grace
    if o.now >= deadline:
        return refuse(o, replace(failure, message=f"{failure.message} (waited {duration_text(grace)})"))
    until = f"{deadline:%Y-%m-%dT%H:%M:%SZ}"
    note = replace(failure, message=f"{failure.message} (the operator waits until {until})")
    return Decision(next_status(o, o.job.status, note=note), requeue_at=min(deadline, o.now + RECHECK_STORES))
