"""Failures of ImageStores."""

from __future__ import annotations

import threading
from collections.abc import Callable

from demo import photos
from e2e.faults.arena import BUDGET, GRACE
from e2e.faults.bench import Bench, Case, job
from e2e.faults.cases_runs import held_source
from e2e.faults.store_faults import cut, other_hashes
from e2e.tenants import Tenant

STORE = {"storeRef": {"name": "media"}}
STAGING = 10
"""Seconds: the staging deadline where it decides."""
ARCHIVE = {"destination": {"prefix": "out/", "storeRef": {"name": "media"}}}


def tenant(bench: Bench) -> Tenant:
    """A tenant with a photo in its own bucket."""
    made = Tenant(bench.shop)
    bench.cleanup.callback(made.close)
    made.upload("photos/china.jpg", photos.photo("china.jpg"))
    return made


def without_role(bench: Bench) -> None:
    tenant(bench).declare(role=False)


def without_bucket(bench: Bench) -> None:
    tenant(bench).declare(bucket="own-no-such-bucket")


def not_allowed(bench: Bench) -> None:
    tenant(bench).declare(endpoint="kubernetes.default.svc:443", tls={"mode": "Verify"})


def late(bench: Bench) -> None:
    made = tenant(bench)
    made.keep_secret()
    made.permit()
    timer = threading.Timer(GRACE / 4, made.apply)
    timer.start()
    bench.cleanup.callback(timer.join)


def rotated(bench: Bench) -> None:
    """At the first order, after the operator has read the sources with the old keys."""
    made = tenant(bench)
    made.declare()
    made.await_reason("Ready")
    made.rotate()


def revoked(bench: Bench) -> None:
    made = tenant(bench)
    made.declare()
    made.await_reason("Ready")
    made.revoke()


def deny_everything(bench: Bench) -> None:
    """A Pod whose result has wrong hashes."""
    made = tenant(bench)
    made.declare()
    made.await_reason("Ready")
    bench.store(other_hashes, "put", about="/results/", who="pod")


def owned(bench: Bench) -> None:
    """A quota blocks the run after its sources are staged."""
    tenant(bench).declare()
    bench.shop.set_quota(pods="0")


def taken_away(bench: Bench, name: str) -> None:
    """The namespace is deleted, its Secret and its ImageStore before its job."""
    bench.shop.await_phase(name, "Launching")
    bench.core.delete_namespaced_secret("keys", bench.shop.name)
    bench.shop.delete_store("media")
    bench.core.delete_namespace(bench.shop.name)


def staging_fails(bench: Bench) -> None:
    made = tenant(bench)
    made.declare()
    made.await_reason("Ready")
    bench.store(cut, "copy", about="/in/")


def waiting_pod(bench: Bench) -> None:
    made = tenant(bench)
    made.declare()
    made.await_reason("Ready")
    held_source(bench)


def delete_store_in(wanted: str) -> Callable[[Bench, str], None]:
    """Delete the ImageStore for the outputs in a phase."""

    def then(bench: Bench, name: str) -> None:
        bench.reach(name, wanted)
        bench.shop.delete_store("media")
        bench.released.set()

    return then


CASES = (
    Case(
        "store-deleted-while-staging",
        "the ImageStore for the outputs is deleted in Staging, which a failing store delays",
        "JOB_002/StoreNotFound",
        within=STAGING,
        evidence=("/media does not exist", "stagingDeadlineSeconds"),
        job=job(**ARCHIVE, execution={"stagingDeadlineSeconds": STAGING}),
        broken=staging_fails,
        then=delete_store_in("Staging"),
    ),
    Case(
        "store-deleted-while-running",
        "the ImageStore for the outputs is deleted while a Pod runs",
        "JOB_007/StoreNotFound",
        within=STAGING + 5,
        evidence=("/media does not exist", "stagingDeadlineSeconds"),
        job=job(**ARCHIVE, execution={"stagingDeadlineSeconds": STAGING}),
        outputs=0,
        broken=waiting_pod,
        then=delete_store_in("Running"),
    ),
    Case(
        "store-not-there",
        "the job names an ImageStore that nobody creates",
        "JOB_001/StoreNotFound",
        within=GRACE,
        evidence=("no ImageStore 'media'", "(waited "),
        job=job(**STORE),
    ),
    Case(
        "store-not-permitted",
        "no Role lets the operator read the Secret of the job's ImageStore",
        "JOB_001/StoreNotReady",
        within=GRACE,
        evidence=("NotPermitted", "'keys'", "imagestore-role.yaml"),
        job=job(**STORE),
        broken=without_role,
    ),
    Case(
        "store-not-reached",
        "the ImageStore for the outputs names a bucket that its credentials do not reach",
        "JOB_001/StoreNotReady",
        within=GRACE,
        evidence=("CredentialsRefused",),
        job=job(**ARCHIVE),
        broken=without_bucket,
    ),
    Case(
        "store-not-allowed",
        "the ImageStore leads to an address that only the operator should reach",
        "JOB_001/StoreNotReady",
        within=GRACE,
        evidence=("EndpointNotAllowed", "kubernetes.default.svc:443"),
        job=job(**STORE),
        broken=not_allowed,
    ),
    Case(
        "store-comes-late",
        "the ImageStore is applied some seconds after the job",
        "Succeeded",
        within=GRACE + 10,
        job=job(**STORE),
        broken=late,
    ),
    Case(
        "store-rotated",
        "the credentials of the ImageStore are replaced, the old ones refused, when it was last looked at",
        "Succeeded",
        within=10,
        job=job(**STORE),
        broken=rotated,
    ),
    Case(
        "store-revoked",
        "the credentials of the ImageStore are revoked after it was last looked at",
        "JOB_002/AccessDenied",
        within=BUDGET,
        job=job(**STORE),
        broken=revoked,
        deferred=True,
    ),
    Case(
        "output-of-other-bytes",
        "an output differs from what its Pod reported, and is copied to an ImageStore",
        "JOB_005/ResultsInvalid",
        within=15,
        evidence=("out/photos/china-thumb.jpg", "has the SHA-256 digest", f"expected {'0' * 64}"),
        job=job(**ARCHIVE),
        outputs=0,
        broken=deny_everything,
    ),
    Case(
        "namespace-deleted-with-its-store",
        "the namespace is deleted while a run owns staging in its store; Secret and ImageStore go first",
        "Deleted",
        within=2 * BUDGET,
        job=job(**STORE),
        broken=owned,
        then=taken_away,
    ),
)
