"""An ImageJob that is being deleted: clean within the budget, then release it in any case."""

from __future__ import annotations

from imagejob_operator.decision.action import RecordEvent, ReleaseFinalizer
from imagejob_operator.decision.observation import Decision, Observation
from imagejob_operator.decision.operation import Clean
from imagejob_operator.decision.phases.cleaning import clean_within_budget, stop_live
from imagejob_operator.naming.prefixes import job_staging_prefix


def decide_deleted(o: Observation) -> Decision:
    """Empty the staging of all runs, and take the finalizer off."""
    status = o.job.status
    if not o.job.guarded or o.job.deleted_at is None:
        return Decision(status)
    operation = Clean((job_staging_prefix(o.policy.staging_folder, o.job.key.namespace, o.job.uid),))
    cleaning = clean_within_budget(o, operation, o.job.deleted_at)
    if cleaning.done:
        return Decision(status, (ReleaseFinalizer(),))
    if why := cleaning.deferral:
        run = status.run.number if status.run else 0
        event = RecordEvent(warning=True, reason="CleaningDeferred", message=why.message, run=run)
        return Decision(status, (event, ReleaseFinalizer(deferred=why.reason)))
    return Decision(status, stop_live(o), cleaning.operation, cleaning.requeue_at)
