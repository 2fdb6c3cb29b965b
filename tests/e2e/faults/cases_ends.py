"""Runs that end by a deadline, in publishing, or by a request of the user."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from kubernetes import client

from e2e.faults.arena import BUDGET
from e2e.faults.bench import Bench, Case, job
from e2e.faults.cases_pods import quota
from e2e.faults.cases_runs import corrupt, held_source
from e2e.faults.store_faults import cut, held, lost_answer, refused
from e2e.world import GROUP, PLURAL, VERSION, Job, condition, ended, until

FINAL = "media/{ns}/out/"
"""Where outputs are published: about this, only publishing asks."""

# --- the active deadline, and publishing -------------------------------------------------------------------


RUN = 30
"""Seconds of a run that is to come to its publishing, also on a machine that plays many cases at once."""


def released_past_deadline(wanted: str) -> Callable[[Bench, str], None]:
    """Requests that are delayed in a phase continue after the active deadline."""

    def then(bench: Bench, name: str) -> None:
        bench.reach(name, wanted)
        found = bench.shop.get(name)
        begun = datetime.fromisoformat(found["status"]["run"]["startedAt"])
        seconds = found["spec"]["execution"]["activeDeadlineSeconds"] + 1
        past = begun + timedelta(seconds=seconds)
        until("the active deadline passes", lambda: datetime.now(UTC) > past, seconds)
        bench.released.set()

    return then


def earlier_run_over(job: Job) -> bool:
    """Whether run 1 has ended, which is not the end of the generation that asks for run 2."""
    over = condition(job, "Finished") == "True" and job["status"]["run"]["number"] == 1
    assert not (over and ended(job)), "the end of run 1 is reported for the generation that asks for run 2"
    return over


def within_deadline(seconds: int, **fields: Any) -> dict[str, Any]:
    return job(execution={"activeDeadlineSeconds": seconds}, **fields)


DEADLINES = (
    Case(
        "deadline-while-staging",
        "the active deadline passes while a copy is under way",
        "JOB_006/DeadlineExceeded",
        within=8,
        evidence=("activeDeadlineSeconds (8 s)", "in phase Staging"),
        job=within_deadline(8),
        broken=lambda b: b.store(held(b.released), "copy"),
        then=released_past_deadline("Staging"),
    ),
    Case(
        "deadline-while-launching",
        "the active deadline passes while a quota holds the Pods back",
        "JOB_006/DeadlineExceeded",
        within=15,
        evidence=("activeDeadlineSeconds (15 s)", "in phase Launching"),
        job=within_deadline(15),
        broken=quota(pods="0"),
    ),
    Case(
        "deadline-while-running",
        "the active deadline passes while a Pod waits for its source",
        "JOB_006/DeadlineExceeded",
        within=20 + BUDGET / 2,
        evidence=("activeDeadlineSeconds (20 s)", "in phase Running"),
        job=within_deadline(20),
        broken=held_source,
    ),
    Case(
        "deadline-while-publishing",
        "the active deadline passes while outputs are published: nothing is committed",
        "JOB_006/DeadlineExceeded",
        within=RUN + BUDGET,
        evidence=(f"activeDeadlineSeconds ({RUN} s)", "in phase Publishing"),
        outputs=1,
        job=within_deadline(RUN),
        broken=lambda b: b.store(held(b.released), "copy", about=FINAL),
        then=released_past_deadline("Publishing"),
    ),
)

PUBLISHING = (
    Case(
        "destination-denied",
        "the store denies writing to the destination",
        "JOB_007/DestinationDenied",
        within=10,
        evidence=("out/photos/china-thumb.jpg", "AccessDenied"),
        broken=lambda b: b.store(refused(403, "AccessDenied"), "copy", about=FINAL),
    ),
    Case(
        "destination-bucket-gone",
        "the bucket of the outputs does not exist any more",
        "JOB_007/BucketNotFound",
        within=10,
        evidence=("out/photos/china-thumb.jpg", "NoSuchBucket"),
        broken=lambda b: b.store(refused(404, "NoSuchBucket"), "copy", about=FINAL),
    ),
    Case(
        "destination-fails",
        "the store answers 503 to writing to the destination",
        "JOB_007/StoreUnavailable",
        within=15,
        evidence=("SlowDown", "stopped retrying after", "stagingDeadlineSeconds (5 s)"),
        job=job(execution={"stagingDeadlineSeconds": 5}),
        broken=lambda b: b.store(refused(503, "SlowDown"), "copy", about=FINAL),
    ),
    Case(
        "report-denied",
        "the store denies writing the report: all is published, nothing is committed",
        "JOB_007/DestinationDenied",
        within=10,
        evidence=("403",),
        outputs=1,
        broken=lambda b: b.store(refused(403, "AccessDenied"), "put", about=".imagejob/{ns}/"),
    ),
    Case(
        "report-answer-lost",
        "the report is written and the operator does not hear of it",
        "Succeeded",
        within=15,
        broken=lambda b: b.store(lost_answer, "put", about=".imagejob/{ns}/", times=1),
    ),
    Case(
        "publish-burst-of-503",
        "a burst of 503 while publishing",
        "Succeeded",
        within=20,
        broken=lambda b: b.store(refused(503, "SlowDown"), "copy", about=FINAL, times=4),
    ),
)

VALIDATE = {"id": "1", "mode": "Validate"}
"""Nothing may be done by such a run, so nothing can be left."""

VALIDATIONS = (
    Case(
        "validated-destination-denied",
        "the store would deny writing to the destination of a run that is only validated",
        "JOB_007/DestinationDenied",
        evidence=("/out/", "403"),
        job=job(run=VALIDATE),
        broken=lambda b: b.store(refused(403, "AccessDenied"), "put", about=FINAL),
    ),
    Case(
        "validated-quota",
        "a quota would admit no Pod of a run that is only validated",
        "JOB_003/QuotaExceeded",
        evidence=("the first Pod would be rejected", "exceeded quota: none"),
        job=job(run=VALIDATE),
        broken=quota(pods="0"),
    ),
    Case(
        "validated-store-unreachable",
        "every connection to the store is reset while a run is only validated",
        "JOB_002/StoreUnavailable",
        within=4,
        evidence=("stagingDeadlineSeconds (4 s)",),
        job=job(run=VALIDATE, execution={"stagingDeadlineSeconds": 4}),
        broken=lambda b: b.store(cut),
    ),
)

# --- somebody's wish, and our own status ------------------------------------------------------------------


def refuse_status_with_failures(bench: Bench) -> None:
    """The API server rejects a status with failed items, as with a stricter schema."""
    name, admission = bench.shop.name, client.AdmissionregistrationV1Api(bench.arena.world.api)
    on_status = {
        "apiGroups": ["imagejob.dev"],
        "apiVersions": ["v1alpha1"],
        "operations": ["UPDATE"],
        "resources": ["imagejobs/status"],
    }
    rule = "!has(object.status.failures) || size(object.status.failures) == 0"
    admission.create_validating_admission_policy(
        {
            "metadata": {"name": name},
            "spec": {
                "matchConstraints": {"resourceRules": [on_status]},
                "validations": [{"expression": rule, "message": "planted: no failures in a status"}],
            },
        }
    )
    bench.cleanup.callback(admission.delete_validating_admission_policy, name)
    here = {"matchLabels": {"kubernetes.io/metadata.name": name}}
    binding = {
        "policyName": name,
        "validationActions": ["Deny"],
        "matchResources": {"namespaceSelector": here},
    }
    admission.create_validating_admission_policy_binding({"metadata": {"name": name}, "spec": binding})
    bench.cleanup.callback(admission.delete_validating_admission_policy_binding, name)
    corrupt(bench)


def change(bench: Bench, name: str, **spec: Any) -> None:
    """Change the job as soon as a Pod of it works."""
    bench.reach(name, "Running")
    where = (GROUP, VERSION, bench.shop.name, PLURAL, name)
    bench.arena.world.objects.patch_namespaced_custom_object(*where, {"spec": spec})


OWN = (
    Case(
        "cancelled",
        "`spec.cancelRunID` names the run while a Pod of it works",
        "JOB_008/Cancelled",
        within=5 + BUDGET,
        evidence=("cancelRunID",),
        broken=held_source,
        then=lambda b, name: change(b, name, cancelRunID="1"),
    ),
    Case(
        "superseded",
        "`spec.run.id` names another run while a Pod of this one works",
        "JOB_008/Superseded",
        within=5 + BUDGET,
        evidence=("spec.run.id",),
        broken=held_source,
        # The next run rests at once, so that nothing but this end is seen.
        then=lambda b, name: change(b, name, run={"id": "2"}, suspend=True),
        over=earlier_run_over,
    ),
    Case(
        "own-status-refused",
        "the API server refuses the operator's status: the fault is the operator's, and it says less",
        "Succeeded/SucceededWithFailures",
        within=10,
        outputs=0,
        job=job(failurePolicy={"maxFailedItems": 1}),
        broken=refuse_status_with_failures,
    ),
)

CASES = (*DEADLINES, *PUBLISHING, *VALIDATIONS, *OWN)
