"""How runs end by a deadline, in publishing, by somebody's wish, and by being deleted in whatever phase."""

from __future__ import annotations

from typing import Any

from kubernetes import client

from e2e.faults.arena import BUDGET
from e2e.faults.bench import Bench, Case, job
from e2e.faults.cases_pods import quota
from e2e.faults.cases_runs import corrupt, slow_source
from e2e.faults.store_faults import cut, held_for, lost_answer, refused, silence, slow
from e2e.world import GROUP, PLURAL, VERSION, phase, until

FINAL = "media/{ns}/out/"
"""Where outputs are published: about this, only publishing asks."""

# --- the active deadline, and publishing -------------------------------------------------------------------


def within_deadline(seconds: int, **fields: Any) -> dict[str, Any]:
    return job(execution={"activeDeadlineSeconds": seconds}, **fields)


DEADLINES = (
    Case(
        "deadline-while-staging",
        "the active deadline passes while a copy is under way",
        "JOB_006/DeadlineExceeded",
        within=8,
        evidence=("activeDeadlineSeconds 4", "in phase Staging"),
        job=within_deadline(4),
        broken=lambda b: b.store(slow(8), "copy", times=1),
    ),
    Case(
        "deadline-while-launching",
        "the active deadline passes while a quota holds the Pods back",
        "JOB_006/DeadlineExceeded",
        within=15,
        evidence=("activeDeadlineSeconds 15", "in phase Launching"),
        job=within_deadline(15),
        broken=quota(pods="0"),
    ),
    Case(
        "deadline-while-running",
        "the active deadline passes while a Pod waits for its source",
        "JOB_006/DeadlineExceeded",
        within=20 + BUDGET / 2,
        evidence=("activeDeadlineSeconds 20", "in phase Running"),
        job=within_deadline(20),
        broken=lambda b: slow_source(b, 60),
    ),
    Case(
        "deadline-while-publishing",
        "the active deadline passes while outputs are published: nothing is committed",
        "JOB_006/DeadlineExceeded",
        within=30 + BUDGET,
        evidence=("activeDeadlineSeconds 30", "in phase Publishing"),
        outputs=1,
        # So long that a machine which plays many cases at once comes to its publishing.
        job=within_deadline(30),
        # Past the deadline and well within the time for cleaning; what is tried anew till then waits too.
        broken=lambda b: b.store(held_for(32), "copy", about=FINAL),
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
        "destination-fails",
        "the store answers 503 to writing to the destination",
        "JOB_007/StoreUnavailable",
        within=15,
        evidence=("SlowDown", "given up after 5 s"),
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
        evidence=("the first Pod would be refused", "exceeded quota: none"),
        job=job(run=VALIDATE),
        broken=quota(pods="0"),
    ),
    Case(
        "validated-store-unreachable",
        "every connection to the store is reset while a run is only validated",
        "JOB_002/StoreUnavailable",
        within=4,
        evidence=("stagingDeadlineSeconds 4",),
        job=job(run=VALIDATE, execution={"stagingDeadlineSeconds": 4}),
        broken=lambda b: b.store(cut),
    ),
)

# --- our own status, and deletions -------------------------------------------------------------------------


def refuse_status_with_failures(bench: Bench) -> None:
    """The API server refuses our status as long as it names failed items: a schema that became stricter."""
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
    bench.undo.callback(admission.delete_validating_admission_policy, name)
    here = {"matchLabels": {"kubernetes.io/metadata.name": name}}
    binding = {
        "policyName": name,
        "validationActions": ["Deny"],
        "matchResources": {"namespaceSelector": here},
    }
    admission.create_validating_admission_policy_binding({"metadata": {"name": name}, "spec": binding})
    bench.undo.callback(admission.delete_validating_admission_policy_binding, name)
    corrupt(bench)


def reach(bench: Bench, name: str, wanted: str) -> None:
    """Wait until the job is in a phase, and what the case broke has struck: a Pod may run and not yet ask."""
    bench.shop.await_job(name, lambda j: phase(j) == wanted, f"phase {wanted}")
    until("the faults strike", lambda: all(rule.hits for rule in bench.rules), 30)


def delete_in(wanted: str) -> Any:
    """Delete the job as soon as it is in a phase; then the store breaks, if the case says so."""

    def then(bench: Bench, name: str) -> None:
        reach(bench, name, wanted)
        for fault in bench.faults_on_delete:
            bench.store(fault)
        bench.shop.world.kubectl("delete", "imagejob", name, "-n", bench.shop.name, "--wait=false")

    return then


def change(bench: Bench, name: str, **spec: Any) -> None:
    """Change the job as soon as a Pod of it works."""
    reach(bench, name, "Running")
    where = (GROUP, VERSION, bench.shop.name, PLURAL, name)
    bench.arena.world.objects.patch_namespaced_custom_object(*where, {"spec": spec})


def suspend_and_delete(bench: Bench, name: str) -> None:
    change(bench, name, suspend=True)
    delete_in("Suspended")(bench, name)


def delete_namespace(bench: Bench, name: str) -> None:
    reach(bench, name, "Running")
    bench.core.delete_namespace(bench.shop.name)


def struck(fault: Any, also: Any = None) -> Any:
    def broken(bench: Bench) -> None:
        bench.faults_on_delete.append(fault)
        if also:
            also(bench)

    return broken


OWN = (
    Case(
        "cancelled",
        "`spec.cancelRunID` names the run while a Pod of it works",
        "JOB_008/Cancelled",
        within=5 + BUDGET,
        evidence=("cancelRunID",),
        broken=lambda b: slow_source(b, 60),
        then=lambda b, name: change(b, name, cancelRunID="1"),
    ),
    Case(
        "superseded",
        "`spec.run.id` names another run while a Pod of this one works",
        "JOB_008/Superseded",
        within=5 + BUDGET,
        evidence=("spec.run.id",),
        broken=lambda b: slow_source(b, 60),
        # The next run rests at once, so that nothing but this end is seen.
        then=lambda b, name: change(b, name, run={"id": "2"}, suspend=True),
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

DELETIONS = (
    Case(
        "delete-staging-store-silent",
        "deleted in Staging, while the store answers nothing",
        "Deleted",
        within=BUDGET,
        deferred=True,
        broken=lambda b: b.store(silence, "copy"),
        then=delete_in("Staging"),
    ),
    Case(
        "delete-launching-store-unreachable",
        "deleted in Launching, while every connection to the store is reset",
        "Deleted",
        within=BUDGET,
        deferred=True,
        broken=struck(cut, quota(pods="0")),
        then=delete_in("Launching"),
    ),
    Case(
        "delete-running-credentials-gone",
        "deleted in Running, while the store does not know the credentials",
        "Deleted",
        within=BUDGET,
        deferred=True,
        broken=struck(refused(403, "InvalidAccessKeyId"), lambda b: slow_source(b, 60)),
        then=delete_in("Running"),
    ),
    Case(
        "delete-running-bucket-gone",
        "deleted in Running, while there is no bucket",
        "Deleted",
        within=BUDGET,
        deferred=True,
        broken=struck(refused(404, "NoSuchBucket"), lambda b: slow_source(b, 60)),
        then=delete_in("Running"),
    ),
    Case(
        "delete-publishing",
        "deleted in Publishing, while a copy is under way",
        "Deleted",
        within=BUDGET,
        outputs=1,
        broken=lambda b: b.store(slow(4), "copy", about=FINAL),
        then=delete_in("Publishing"),
    ),
    Case(
        "delete-failing-store-silent",
        "deleted in Failing, while the store answers no delete",
        "Deleted",
        within=2 * BUDGET,
        deferred=True,
        job=job(("photos/china.jpg", "photos/none.jpg")),
        broken=lambda b: b.store(silence, "list", "delete", about=".imagejob-staging"),
        then=delete_in("Failing"),
    ),
    Case(
        "delete-suspended-store-unreachable",
        "deleted in Suspended, while every connection to the store is reset",
        "Deleted",
        within=5 + 2 * BUDGET,
        deferred=True,
        broken=struck(cut, lambda b: slow_source(b, 60)),
        then=suspend_and_delete,
    ),
    Case(
        "namespace-deleted",
        "the namespace is deleted while a Pod runs",
        "Deleted",
        within=2 * BUDGET,
        broken=lambda b: slow_source(b, 60),
        then=delete_namespace,
    ),
)

CASES = (*DEADLINES, *PUBLISHING, *VALIDATIONS, *OWN, *DELETIONS)
