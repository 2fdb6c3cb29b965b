"""Validation of specs at and beyond their limits."""

from typing import Any

import pytest

from fakes.build import SPEC, spec
from imagejob_operator.api.sources import InlineFile, ListSource, MatchSource, Source
from imagejob_operator.api.spec import (
    FailurePolicy,
    InvalidSpec,
    item_limits,
    parse_spec,
    quantity_bytes,
    tolerated_failures,
)
from imagejob_operator.documents.outputs import staying
from imagejob_operator.validation.keys import KeyCollision

RESIZE = {"resize": {"width": 1, "height": 1}}


def renditions(**fields: Any) -> dict[str, Any]:
    return spec(renditions=[{**SPEC["renditions"][0], **fields}])


def step(**fields: Any) -> dict[str, Any]:
    return renditions(steps=[fields])


def execution(**fields: Any) -> dict[str, Any]:
    return spec(execution=fields)


def numbered(count: int) -> list[dict[str, Any]]:
    return [{"name": f"r{i}", "output": {"format": "PNG"}} for i in range(count)]


def inline(count: int = 1, **fields: Any) -> dict[str, Any]:
    files = [{"name": f"f{i}.png", "data": "aGk=", **fields} for i in range(count)]
    return spec(source={"inline": files})


def headers(**fields: Any) -> dict[str, Any]:
    return spec(destination={"headers": fields})


def urls(url: str, count: int = 1) -> dict[str, Any]:
    return spec(source={"urls": [{"url": url}] * count})


def pod(**fields: Any) -> dict[str, Any]:
    return execution(podTemplate=fields)


ACCEPTED = {
    "smallest": SPEC,
    "keys-1000": spec(source={"keys": [f"k{i}" for i in range(1000)]}),
    "key-512": spec(source={"keys": ["x" * 512]}),
    "match-10000": spec(source={"match": {"prefix": "uploads/", "maxItems": 10000}}),
    "match-16-globs": spec(source={"match": {"prefix": "uploads/", "include": ["*"] * 16}}),
    "inline-8": inline(8),
    "renditions-32": spec(renditions=numbered(32)),
    "rendition-name-32": renditions(name="a" * 32),
    "steps-16": renditions(steps=[RESIZE] * 16),
    "steps-none": renditions(steps=[]),
    "side-16384": step(resize={"width": 16384}),
    "rotate-270": step(rotate={"degrees": 270}),
    "watermark-256": step(watermark={"text": "x" * 256, "opacityPercent": 100}),
    "quality-100": renditions(output={"format": "JPEG", "quality": 100}),
    "run-id-63": spec(run={"id": "x" * 63}),
    "parallelism-100": execution(parallelism=100),
    "items-per-pod-1000": execution(itemsPerPod=1000),
    "retries-0": execution(retriesPerShard=0),
    "deadline-7-days": execution(activeDeadlineSeconds=604800),
    "staging-deadline-a-day": execution(stagingDeadlineSeconds=86400),
    "tolerate-100%": spec(failurePolicy={"maxFailedItems": "100%"}),
    "tolerate-0": spec(failurePolicy={"maxFailedItems": 0}),
    "ttl-0": spec(retention={"ttlSecondsAfterFinished": 0}),
    "item-size": spec(limits={"itemSize": "2Gi"}),
    "headers-all": headers(
        cacheControl="public, max-age=31536000",
        contentDisposition='inline; filename="x"',
        storageClass="STANDARD_IA",
        metadata={"a" * 32: "x" * 128, **{f"m{n}": "~" for n in range(7)}},
        tags={"k" * 128: "v" * 256} | {f"a b+c=d._:/@-{n}": "" for n in range(9)},
    ),
    "pod-resources": pod(resources={"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"cpu": 2}}),
    "pod-labels": pod(labels={"team": "a"}, annotations={"x": "any text at all\n"}),
}

REFUSED = {
    "no-source": (spec(source={}), "spec.source", "exactly one"),
    "two-sources": (
        spec(source={"keys": ["a"], "match": {"prefix": "u/"}}),
        "spec.source",
        "exactly one of keys, match, list, urls, inline",
    ),
    "unknown-source": (spec(source={"links": []}), "spec.source", "unknown field 'links'"),
    "keys-0": (spec(source={"keys": []}), "spec.source.keys", "must not be empty"),
    "keys-1001": (spec(source={"keys": ["k"] * 1001}), "spec.source.keys", "at most 1000"),
    "key-513": (spec(source={"keys": ["x" * 513]}), "spec.source.keys", "at most 512"),
    "key-climbs": (spec(source={"keys": ["ok", "../x"]}), "spec.source.keys[1]", "segment"),
    "match-10001": (
        spec(source={"match": {"prefix": "u/", "maxItems": 10001}}),
        "spec.source.match.maxItems",
        "at most 10000",
    ),
    "match-17-globs": (
        spec(source={"match": {"prefix": "u/", "include": ["*"] * 17}}),
        "spec.source.match.include",
        "at most 16",
    ),
    "outputs-below-match": (
        spec(source={"match": {"prefix": "catalog/"}}),
        "spec.destination.prefix",
        "the outputs would become sources",
    ),
    "list-climbs": (spec(source={"list": {"key": "../x"}}), "spec.source.list.key", "segment"),
    "urls-0": (spec(source={"urls": []}), "spec.source.urls", "must not be empty"),
    "urls-257": (urls("https://a.example/a.jpg", 257), "spec.source.urls", "at most 256"),
    "url-ftp": (urls("ftp://a.example/a.jpg"), "spec.source.urls[0].url", "http:// or https://"),
    "url-userinfo": (urls("https://me:secret@a.example/a.jpg"), "spec.source.urls[0].url", "user:password@"),
    "url-octal": (urls("http://0177.0.0.1/a.jpg"), "spec.source.urls[0].url", "four decimal numbers"),
    "url-no-name": (urls("https://a.example/a/"), "spec.source.urls[0].url", "must end with a file name"),
    "url-slash-in-name": (urls("https://a.example/a%2Fb.jpg"), "spec.source.urls[0].url", "a file name"),
    "url-climbs": (urls("https://a.example/%2e%2e"), "spec.source.urls[0].url", "segment"),
    "url-newline-in-name": (urls("https://a.example/a%0Ab"), "spec.source.urls[0].url", "control characters"),
    "url-reserved": (
        urls("https://a.example/.imagejob"),
        "spec.source.urls[0].url",
        "reserved for the operator",
    ),
    "inline-9": (inline(9), "spec.source.inline", "at most 8"),
    "inline-not-base64": (inline(data="a==="), "spec.source.inline[0].data", "must match the pattern"),
    "inline-cut-off": (inline(data="aGk"), "spec.source.inline[0].data", "3 characters are not complete"),
    "inline-newline": (inline(data="aGk=\n"), "spec.source.inline[0].data", "must match the pattern"),
    "inline-folder": (inline(name="a/b"), "spec.source.inline", "must not contain '/'"),
    "inline-twice": (inline(2, name="a"), "spec.source.inline", "duplicate name 'a'"),
    "renditions-0": (spec(renditions=[]), "spec.renditions", "must not be empty"),
    "renditions-33": (spec(renditions=numbered(33)), "spec.renditions", "at most 32"),
    "rendition-twice": (spec(renditions=numbered(1) * 2), "spec.renditions", "duplicate name 'r0'"),
    "rendition-name-33": (renditions(name="a" * 33), "spec.renditions[0].name", "at most 32"),
    "rendition-name": (renditions(name="A"), "spec.renditions[0].name", "must match the pattern"),
    "steps-17": (renditions(steps=[RESIZE] * 17), "spec.renditions[0].steps", "at most 16"),
    "step-empty": (step(), "spec.renditions[0].steps[0]", "exactly one"),
    "step-two": (step(**RESIZE, rotate={"degrees": 90}), "spec.renditions[0].steps[0]", "exactly one"),
    "side-0": (step(resize={"width": 0}), "spec.renditions[0].steps[0].resize.width", "at least 1"),
    "side-16385": (
        step(resize={"width": 16385}),
        "spec.renditions[0].steps[0].resize.width",
        "at most 16384",
    ),
    "resize-no-side": (step(resize={}), "spec.renditions[0].steps[0].resize", "width or height"),
    "cover-one-side": (
        step(resize={"width": 1, "fit": "Cover"}),
        "spec.renditions[0].steps[0].resize",
        "requires width and height",
    ),
    "rotate-45": (step(rotate={"degrees": 45}), "spec.renditions[0].steps[0].rotate.degrees", "45"),
    "quality-101": (
        renditions(output={"format": "JPEG", "quality": 101}),
        "spec.renditions[0].output.quality",
        "at most 100",
    ),
    "format": (renditions(output={"format": "BMP"}), "spec.renditions[0].output.format", "BMP"),
    "template": (
        spec(destination={"keyTemplate": "{nope}"}),
        "spec.destination.keyTemplate",
        "only the variables",
    ),
    "destination-climbs": (spec(destination={"prefix": "../x/"}), "spec.destination.prefix", "segment"),
    "destination-reserved": (
        spec(destination={"prefix": ".imagejob/"}),
        "spec.destination",
        "reserved for the operator",
    ),
    "cache-control-empty": (
        headers(cacheControl=""),
        "spec.destination.headers.cacheControl",
        "must not be empty",
    ),
    "cache-control-257": (
        headers(cacheControl="x" * 257),
        "spec.destination.headers.cacheControl",
        "at most 256",
    ),
    "cache-control-newline": (
        headers(cacheControl="no-store\n"),
        "spec.destination.headers.cacheControl",
        "must match the pattern",
    ),
    "disposition-umlaut": (
        headers(contentDisposition="inline; filename=ä"),
        "spec.destination.headers.contentDisposition",
        "must match the pattern",
    ),
    "storage-class": (
        headers(storageClass="standard"),
        "spec.destination.headers.storageClass",
        "must match the pattern",
    ),
    "metadata-9": (
        headers(metadata={f"m{n}": "x" for n in range(9)}),
        "spec.destination.headers.metadata",
        "at most 8",
    ),
    "metadata-name": (headers(metadata={"Owner": "x"}), "spec.destination.headers.metadata", "'Owner'"),
    "metadata-name-33": (headers(metadata={"a" * 33: "x"}), "spec.destination.headers.metadata", "1 to 32"),
    "metadata-own": (
        headers(metadata={"imagejob-run": "x"}),
        "spec.destination.headers.metadata",
        "prefix imagejob- are reserved",
    ),
    "metadata-blank": (headers(metadata={"a": "x "}), "spec.destination.headers.metadata.a", "printable"),
    "tags-11": (
        headers(tags={f"t{n}": "" for n in range(11)}),
        "spec.destination.headers.tags",
        "at most 10",
    ),
    "tag-name": (headers(tags={"ä": ""}), "spec.destination.headers.tags", "'ä'"),
    "tag-aws": (headers(tags={"aws:x": ""}), "spec.destination.headers.tags", "prefix aws: are reserved"),
    "tag-value": (headers(tags={"a": "b,c"}), "spec.destination.headers.tags.a", "at most 256"),
    "reference-urls": (
        spec(source={"urls": [{"url": "https://example.com/a.jpg"}]}, staging={"mode": "Reference"}),
        "spec.staging.mode",
        "requires sources in the store",
    ),
    "reference-inline": (
        {**inline(), "staging": {"mode": "Reference"}},
        "spec.staging.mode",
        "requires sources in the store",
    ),
    "run-id-empty": (spec(run={"id": ""}), "spec.run.id", "must not be empty"),
    "run-id-64": (spec(run={"id": "x" * 64}), "spec.run.id", "at most 63"),
    "run-items": (spec(run={"items": "Some"}), "spec.run.items", "Some"),
    "cancel-empty": (spec(cancelRunID=""), "spec.cancelRunID", "must not be empty"),
    "suspend-text": (spec(suspend="yes"), "spec.suspend", "type boolean, found string"),
    "run-id-newline": (spec(run={"id": "1\n"}), "spec.run.id", "must match the pattern"),
    "parallelism-0": (execution(parallelism=0), "spec.execution.parallelism", "at least 1"),
    "parallelism-101": (execution(parallelism=101), "spec.execution.parallelism", "at most 100"),
    "retries-11": (execution(retriesPerShard=11), "spec.execution.retriesPerShard", "at most 10"),
    "deadline-0": (execution(activeDeadlineSeconds=0), "spec.execution.activeDeadlineSeconds", "at least 1"),
    "deadline-text": (
        execution(startDeadlineSeconds="1"),
        "spec.execution.startDeadlineSeconds",
        "type integer, found string",
    ),
    "tolerate-101%": (
        spec(failurePolicy={"maxFailedItems": "101%"}),
        "spec.failurePolicy.maxFailedItems",
        "must match the pattern",
    ),
    "tolerate-minus": (
        spec(failurePolicy={"maxFailedItems": -1}),
        "spec.failurePolicy.maxFailedItems",
        "at least 0",
    ),
    "item-size": (spec(limits={"itemSize": "64MB"}), "spec.limits.itemSize", "must match the pattern"),
    "retention": (spec(retention={"policy": "Keep"}), "spec.retention.policy", "Keep"),
    "unknown-field": (spec(nonsense=1), "spec", "unknown field 'nonsense'"),
    "not-an-object": ([], "spec", "object"),
    "pod-unknown": (pod(image="x"), "spec.execution.podTemplate", "unknown field 'image'"),
    "pod-our-label": (
        pod(labels={"imagejob.dev/job": "x"}),
        "spec.execution.podTemplate.labels",
        "reserved for the operator",
    ),
    "pod-kueue-label": (
        pod(labels={"kueue.x-k8s.io/queue-name": "x"}),
        "spec.execution.podTemplate.labels",
        "reserved for the operator",
    ),
    "pod-quantity": (
        pod(resources={"limits": {"cpu": "lots"}}),
        "spec.execution.podTemplate.resources.limits.cpu",
        "not a valid quantity",
    ),
    "pod-label-value": (
        pod(labels={"a": "b\n"}),
        "spec.execution.podTemplate.labels.a",
        "not a valid label value",
    ),
    "pod-pull-secret-twice": (
        pod(imagePullSecrets=[{"name": "a"}, {"name": "a"}]),
        "spec.execution.podTemplate.imagePullSecrets[1]",
        "duplicate name 'a'",
    ),
}


@pytest.mark.parametrize("raw", ACCEPTED.values(), ids=ACCEPTED)
def test_values_at_the_limit_are_accepted(raw: dict[str, Any]) -> None:
    parse_spec(raw)


@pytest.mark.parametrize(("raw", "field", "words"), REFUSED.values(), ids=REFUSED)
def test_values_beyond_the_limit_are_rejected_with_their_field(raw: object, field: str, words: str) -> None:
    with pytest.raises(InvalidSpec) as refusal:
        parse_spec(raw)
    message = str(refusal.value)
    assert field in message
    assert words in message


@pytest.mark.parametrize(
    ("quantity", "wanted"), [("1", 1), ("3Ki", 3072), ("64Mi", 67108864), ("1Gi", 2**30)]
)
def test_quantities(quantity: str, wanted: int) -> None:
    assert quantity_bytes(quantity) == wanted


def test_limits_reach_the_processor_in_its_units() -> None:
    limits = item_limits(parse_spec(spec(limits={"itemSize": "1Ki", "frames": 7})).limits)
    assert (limits.item_bytes, limits.frames, limits.pixels) == (1024, 7, 50_000_000)


@pytest.mark.parametrize(
    ("policy", "total", "wanted"),
    [(0, 10, 0), (3, 10, 3), ("5%", 100, 5), ("5%", 19, 0), ("5%", 20, 1), ("100%", 7, 7), ("0%", 7, 0)],
)
def test_percentages_are_rounded_down(policy: int | str, total: int, wanted: int) -> None:
    assert tolerated_failures(FailurePolicy(policy), total) == wanted


@pytest.mark.parametrize(
    ("outputs", "names", "source"),
    [
        (["a"], ["a"], Source(keys=("a",))),
        (["l"], ["a"], Source(list=ListSource("l"))),
        (["u/x.webp"], ["u/x.jpg"], Source(match=MatchSource("u/"))),
        (["u/x.webp"], [], Source(match=MatchSource("u/", ("**/*.webp",)))),
    ],
    ids=["overwrites", "overwrites-list", "below-match", "matches-include"],
)
def test_outputs_that_become_sources_are_refused(
    outputs: list[str], names: list[str], source: Source
) -> None:
    with pytest.raises(KeyCollision, match=r"spec\.destination"):
        list(staying(outputs, names, source))


@pytest.mark.parametrize(
    "source",
    [Source(match=MatchSource("u/", ("**/*.jpg",))), Source(inline=(InlineFile("u/x.webp", "AAA="),))],
    ids=["no-glob", "not-in-the-store"],
)
def test_outputs_that_are_no_sources_are_fine(source: Source) -> None:
    assert [*staying(["u/x.webp"], ["u/x.webp" if source.inline else "u/x.jpg"], source)] == ["u/x.webp"]
