"""Failures before the launch: the job itself, its sources, the store."""

from __future__ import annotations

from e2e.faults.arena import BUDGET, GRACE
from e2e.faults.bench import Bench, Case, job
from e2e.faults.store_faults import (
    cut,
    cut_download,
    lost_answer,
    meanwhile,
    pretended,
    refused,
    silence,
    slow,
)
from e2e.faults.store_proxy import cut_upload

HURRIED = {"execution": {"stagingDeadlineSeconds": 5}}
ARCHIVED = refused(403, "InvalidObjectState")
SLOW_DOWN = refused(503, "SlowDown")
PHOTOS = {"match": {"prefix": "photos/"}}
DEEP = f"photos/{'a' * 60}/china.jpg"
TWO = ("china.jpg", "flower.jpg")
COPY_ERROR = "<?xml version='1.0'?><Error><Code>InternalError</Code><Message>planted</Message></Error>"


def overwrite(bench: Bench) -> None:
    bench.store(
        meanwhile(lambda: bench.shop.upload("photos/china.jpg", photo_of(bench))),
        "copy",
        about="/in/",
        times=1,
    )


def photo_of(bench: Bench) -> bytes:
    return bench.shop.read(f"{bench.shop.name}/photos/flower.jpg")


def remove(bench: Bench) -> None:
    store = bench.arena.world.store
    key = f"{bench.shop.name}/photos/china.jpg"
    bench.store(
        meanwhile(lambda: store.client.remove_object(store.bucket, key)), "copy", about="/in/", times=1
    )


def archive(bench: Bench) -> None:
    """No Pod reads a source that could not be copied."""
    bench.store(ARCHIVED, "copy", about="/photos/china.jpg")


def unlabel(bench: Bench) -> None:
    bench.core.patch_namespace(bench.shop.name, {"metadata": {"labels": {"imagejob.dev/store": None}}})


CREATION = (
    Case(
        "namespace-not-admitted",
        "the namespace lacks the label that the operator's store asks for",
        "JOB_001/NotPermitted",
        within=GRACE,
        evidence=("imagejob.dev/store=default", "kubectl label namespace", "(waited "),
        broken=unlabel,
    ),
    Case(
        "two-outputs-one-key",
        "the key template gives one key to two outputs",
        "JOB_001/KeyCollision",
        evidence=("photos/china.jpg", "photos/flower.jpg"),
        photos=TWO,
        job=job(
            source={"keys": ["photos/china.jpg", "photos/flower.jpg"]},
            destination={"prefix": "out/", "keyTemplate": "{rendition}.{ext}"},
        ),
    ),
    Case(
        "no-report-of-a-run-before",
        "only the failed items of the run before are wanted, and there was none",
        "JOB_001/NoPreviousReport",
        evidence=("run.items",),
        job=job(run={"id": "1", "items": "Failed"}),
    ),
    Case(
        "output-key-too-long",
        "the key template makes a key that no store takes, which no schema sees",
        "JOB_001/InvalidSpec",
        evidence=("1024",),
        job=job((DEEP,), destination={"prefix": "out/", "keyTemplate": "{dir}" * 20 + "{stem}.{ext}"}),
        broken=lambda b: b.shop.upload(DEEP, b"any bytes will do"),
    ),
)

MARKED = [
    {
        "name": "marked",
        "steps": [{"watermark": {"image": "brand/logo.png"}}],
        "output": {"format": "JPEG"},
    }
]


def heavy_mark(bench: Bench) -> None:
    bench.shop.upload("brand/logo.png", bytes(1024 * 1024 + 1))


SOURCES = (
    Case(
        "mark-missing",
        "the image that a watermark is made of is not there",
        "JOB_002/SourceNotFound",
        evidence=("watermark.image", "brand/logo.png"),
        job=job(renditions=MARKED),
    ),
    Case(
        "mark-too-large",
        "the image that a watermark is made of has more bytes than are allowed",
        "JOB_002/SourceTooLarge",
        evidence=("watermark.image: 'brand/logo.png' has 1048577 bytes", "1048576 are allowed"),
        job=job(renditions=MARKED),
        broken=heavy_mark,
    ),
    Case(
        "source-missing",
        "a key of `source.keys` is not there",
        "JOB_002/SourceNotFound",
        evidence=(
            "1 of 2 sources cannot be staged",
            "maxFailedItems: 1 would process the other 1",
            "IMG_010",
        ),
        job=job(("photos/china.jpg", "photos/none.jpg")),
    ),
    Case(
        "sources-missing-within-policy",
        "two of three keys of `source.keys` are not there, and two items may fail",
        "Succeeded/SucceededWithFailures",
        within=10,
        outputs=1,
        job=job(
            ("photos/none.jpg", "photos/china.jpg", "photos/no.jpg"), failurePolicy={"maxFailedItems": 2}
        ),
    ),
    Case(
        "source-deleted-while-staging",
        "the only source is deleted between the listing and its copy",
        "JOB_002/SourceNotFound",
        evidence=("photos/china.jpg", "deleted while"),
        broken=remove,
    ),
    Case(
        "source-archived",
        "one of two sources is in an archive class, so the store refuses to copy or read it",
        "Succeeded/SucceededWithFailures",
        within=10,
        photos=TWO,
        outputs=1,
        job=job(source={"keys": [f"photos/{name}" for name in TWO]}, failurePolicy={"maxFailedItems": 1}),
        broken=archive,
    ),
    Case(
        "sources-archived",
        "all sources are in an archive class",
        "JOB_002/AccessDenied",
        evidence=("2 of 2 sources cannot be staged", "photos/", "InvalidObjectState"),
        photos=TWO,
        job=job(source={"keys": [f"photos/{name}" for name in TWO]}, failurePolicy={"maxFailedItems": 1}),
        broken=lambda b: b.store(ARCHIVED, "copy", about="/photos/"),
    ),
    Case(
        "source-overwritten-while-staging",
        "a source is written anew between the listing and its copy",
        "Succeeded",
        within=10,
        photos=TWO,
        outputs=1,
        broken=overwrite,
    ),
    Case(
        "nothing-matches",
        "no object lies below `source.match.prefix`",
        "JOB_002/SourceEmpty",
        evidence=("nothing/",),
        job=job(source={"match": {"prefix": "nothing/"}}),
    ),
    Case(
        "too-many-match",
        "more objects match than `maxItems` admits",
        "JOB_002/TooManyItems",
        evidence=("maxItems (1)",),
        photos=TWO,
        job=job(source={"match": {"prefix": "photos/", "maxItems": 1}}),
    ),
)

REFUSALS = (
    Case(
        "store-denies-reading",
        "the store answers 403 to looking at a source",
        "JOB_002/AccessDenied",
        evidence=("AccessDenied",),
        broken=lambda b: b.store(refused(403, "AccessDenied"), "stat"),
    ),
    Case(
        "bucket-gone",
        "the bucket does not exist",
        "JOB_002/BucketNotFound",
        evidence=("NoSuchBucket",),
        job=job(source=PHOTOS),
        broken=lambda b: b.store(refused(404, "NoSuchBucket"), "list", about="/photos/"),
    ),
    Case(
        "clock-skew",
        "the operator's clock and the store's differ too much",
        "JOB_002/AccessDenied",
        evidence=("RequestTimeTooSkewed",),
        job=job(source=PHOTOS),
        broken=lambda b: b.store(refused(403, "RequestTimeTooSkewed"), "list", about="/photos/"),
    ),
    Case(
        "credentials-revoked",
        "the operator's access key is unknown from one moment on",
        "JOB_002/AccessDenied",
        within=BUDGET,
        evidence=("InvalidAccessKeyId",),
        deferred=True,
        broken=lambda b: b.store(refused(403, "InvalidAccessKeyId"), "copy", "put", "list", "delete", "get"),
    ),
)

OUTAGES = (
    Case(
        "store-unreachable",
        "every connection is reset",
        "JOB_002/StoreUnavailable",
        within=5 + BUDGET,
        evidence=("the store cannot be reached", "stagingDeadlineSeconds (5 s)"),
        deferred=True,
        job=job(**HURRIED),
        broken=lambda b: b.store(cut),
    ),
    Case(
        "store-silent",
        "the store takes copies and never answers",
        "JOB_002/StagingDeadlineExceeded",
        within=5 + BUDGET,
        evidence=("stagingDeadlineSeconds (5 s)",),
        deferred=True,
        job=job(**HURRIED),
        broken=lambda b: b.store(silence, "copy"),
    ),
    Case(
        "store-slow",
        "every copy takes 8 s",
        "JOB_002/StagingDeadlineExceeded",
        within=10,
        evidence=("stagingDeadlineSeconds (5 s)",),
        job=job(**HURRIED),
        broken=lambda b: b.store(slow(8), "copy", times=1),
    ),
    Case(
        "store-fails",
        "the store answers 500 to every copy",
        "JOB_002/StoreUnavailable",
        within=8,
        evidence=("InternalError", "stagingDeadlineSeconds (5 s)"),
        job=job(**HURRIED),
        broken=lambda b: b.store(refused(500, "InternalError"), "copy"),
    ),
    Case(
        "store-full",
        "the store has no room left",
        "JOB_002/StoreUnavailable",
        within=5,
        evidence=("XMinioStorageFull",),
        job=job(**HURRIED),
        broken=lambda b: b.store(refused(507, "XMinioStorageFull"), "copy"),
    ),
    Case(
        "uploads-fail",
        "the store answers 503 to uploads of inline sources",
        "JOB_002/StoreUnavailable",
        within=8,
        evidence=("SlowDown",),
        job=job(source={"inline": [{"name": "logo.png", "data": "AAAA"}]}, **HURRIED),
        broken=lambda b: b.store(SLOW_DOWN, "put", about="/in/"),
    ),
    Case(
        "copy-confirmed-and-not-done",
        "a copy is answered with 200, and with an error in the body, again and again",
        "JOB_002/StoreUnavailable",
        within=5,
        evidence=("did not copy",),
        job=job(**HURRIED),
        broken=lambda b: b.store(pretended(200, COPY_ERROR), "copy"),
    ),
)

SURVIVED = (
    Case(
        "store-burst-of-503",
        "a burst of 503 while staging",
        "Succeeded",
        within=20,
        broken=lambda b: b.store(SLOW_DOWN, times=6),
    ),
    Case(
        "copy-answer-lost",
        "a copy is done and its answer is lost",
        "Succeeded",
        within=10,
        broken=lambda b: b.store(lost_answer, "copy", about="/in/", times=1),
    ),
    Case(
        "copy-confirmed-once",
        "one copy is confirmed and not done",
        "Succeeded",
        within=10,
        broken=lambda b: b.store(pretended(200, COPY_ERROR), "copy", about="/in/", times=1),
    ),
    Case(
        "manifest-upload-cut",
        "the connection is cut in the middle of an upload: the whole object is sent again",
        "Succeeded",
        within=10,
        broken=lambda b: b.store(cut_upload, "put", about="manifest.json", times=1),
    ),
    Case(
        "listing-cut",
        "a listing ends in the middle",
        "Succeeded",
        within=10,
        job=job(source=PHOTOS),
        broken=lambda b: b.store(cut_download, "list", about="/photos/", times=2),
    ),
)

CASES = (*CREATION, *SOURCES, *REFUSALS, *OUTAGES, *SURVIVED)
