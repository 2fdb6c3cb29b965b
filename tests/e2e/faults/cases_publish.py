"""Existing objects at the keys of outputs, and sources that are not copied."""

from __future__ import annotations

from e2e.faults.bench import Bench, Case, job
from e2e.faults.store_faults import lost_answer, meanwhile, once, refused

HURRIED = {"execution": {"stagingDeadlineSeconds": 5}}
SLOW_DOWN = refused(503, "SlowDown")
NEVER = {"prefix": "out/", "overwrite": "Never"}
TAKEN = "out/photos/china-thumb.jpg"
UPLOADS = ("post", "put")
PUBLISHES = ("copy", "put")
"""What Pods and the operator do with an output in a store with forms, and in one without them."""

OVERWRITES = (
    Case(
        "output-key-taken",
        "overwrite is Never, and an object is at the key of an output",
        "JOB_007/OverwriteRefused",
        evidence=(TAKEN, "IfDifferent or Always"),
        job=job(destination=NEVER),
        outputs=1,
        broken=lambda b: b.shop.upload(TAKEN, b"older"),
    ),
    Case(
        "output-key-taken-meanwhile",
        "overwrite is Never, and somebody writes to the key of an output while the Pods run",
        "JOB_007/OverwriteRefused",
        within=10,
        evidence=(TAKEN,),
        job=job(destination=NEVER),
        outputs=1,
        broken=lambda b: b.store(
            meanwhile(lambda: b.shop.upload(TAKEN, b"older")), *UPLOADS, about="/out/", who="pod", times=1
        ),
    ),
    Case(
        "destination-unlisted",
        "overwrite is Never, and the store returns 503 when existing objects are listed",
        "JOB_002/StoreUnavailable",
        within=8,
        evidence=("SlowDown",),
        job=job(destination=NEVER, **HURRIED),
        broken=lambda b: b.store(SLOW_DOWN, "list", about="/out/"),
    ),
    Case(
        "output-key-unseen",
        "overwrite is Never, and the store does not answer at first whether a key is taken",
        "Succeeded",
        within=20,
        job=job(destination=NEVER),
        broken=lambda b: b.store(SLOW_DOWN, "stat", about="/out/", times=4),
    ),
    Case(
        "published-answer-lost",
        "overwrite is Never, an output is copied and its answer is lost: it is the run's own",
        "Succeeded",
        within=10,
        job=job(destination=NEVER),
        broken=lambda b: b.store(lost_answer, *PUBLISHES, about="/out/photos/", times=1),
    ),
)

TWO = ("china.jpg", "flower.jpg")
KEYS = ("photos/china.jpg", "photos/flower.jpg")
DENIED = refused(403, "AccessDenied")


def half_published(bench: Bench) -> None:
    """The first output is published, and the second is not."""
    # Not at once: the first denial ends all copies that have not begun.
    bench.store(once(bench.shop.outputs, DENIED), *PUBLISHES, about="/out/photos/flower")


HALF_PUBLISHED = (
    Case(
        "published-half",
        "the store denies one of two outputs: the other one stays",
        "JOB_007/DestinationDenied",
        within=10,
        evidence=("out/photos/flower-thumb.jpg",),
        job=job(KEYS),
        photos=TWO,
        outputs=1,
        broken=half_published,
    ),
)

REFERENCE = {"mode": "Reference"}


def change(bench: Bench) -> None:
    bench.shop.upload("photos/china.jpg", b"another picture")


def remove(bench: Bench) -> None:
    bench.shop.remove("photos/china.jpg")


REFERENCES = (
    Case(
        "referred-source-changed",
        "staging.mode is Reference, and a source is written anew before the Pod reads it",
        "JOB_005/ItemsFailed",
        within=10,
        evidence=("IMG_004", "photos/china.jpg"),
        job=job(staging=REFERENCE),
        broken=lambda b: b.store(
            meanwhile(lambda: change(b)), "get", about="/photos/china", who="pod", times=1
        ),
    ),
    Case(
        "referred-source-gone",
        "staging.mode is Reference, and a source is deleted before the Pod reads it",
        "JOB_005/ItemsFailed",
        within=10,
        evidence=("IMG_010", "photos/china.jpg"),
        job=job(staging=REFERENCE),
        broken=lambda b: b.store(
            meanwhile(lambda: remove(b)), "get", about="/photos/china", who="pod", times=1
        ),
    ),
    Case(
        "referred-source-slow-down",
        "staging.mode is Reference, and the store is busy when the Pod reads the source",
        "Succeeded",
        within=15,
        job=job(staging=REFERENCE),
        broken=lambda b: b.store(SLOW_DOWN, "get", about="/photos/china", who="pod", times=2),
    ),
)

CASES = (*OVERWRITES, *HALF_PUBLISHED, *REFERENCES)
