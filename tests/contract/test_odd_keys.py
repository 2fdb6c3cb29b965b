"""Keys that people really have, on two real servers, all the way: staged, read by a Pod, published."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import minio
import msgspec
import pytest
from minio.commonconfig import ENABLED, Filter
from minio.lifecycleconfig import Expiration, LifecycleConfig, NoncurrentVersionExpiration, Rule
from minio.versioningconfig import VersioningConfig

from contract.benches import ServerBench
from fakes.build import KEY, NOW, PREFIX, UID, job, spec, status
from fakes.memory_web import downloader
from fakes.telemetry import CountingTelemetry
from imagejob_contract.order import Order, output_name
from imagejob_contract.result import ItemResult, OutputRecord, Result, encode_result
from imagejob_operator.adapters.s3.store import S3Store
from imagejob_operator.api.phase import Phase
from imagejob_operator.api.store_location import StoreLocation
from imagejob_operator.decision.action import Launch
from imagejob_operator.decision.attempt import AttemptCounts
from imagejob_operator.decision.operation import Publish, Stage
from imagejob_operator.documents.outputs import PlannedItem, planned_outputs
from imagejob_operator.documents.staging import Manifest, input_key, order_key, result_key
from imagejob_operator.naming.prefixes import report_key
from imagejob_operator.operations.fresh_runs import FreshRuns
from imagejob_operator.operations.manifest import manifest_head
from imagejob_operator.operations.processing.orders import write_order
from imagejob_operator.operations.processing.results import read_staged
from imagejob_operator.operations.publishing.publish import publish
from imagejob_operator.operations.staging.stage import stage
from imagejob_operator.ports.object_store import StoreDenied
from imagejob_operator.validation.keys import InvalidKey, check_key
from imagejob_processor.storage import Store

pytestmark = [pytest.mark.store, pytest.mark.timeout(120)]
numbers = itertools.count()

LONG = "/".join("x" * 100 for _ in range(5)) + "/y.jpg"
ODD = [
    "plain.jpg",
    "no-extension",
    "two.dots.jpg",
    ".hidden/.dot.jpg",
    "...",
    "a..b/c..jpg",
    "with space.jpg",
    " space at both ends ",
    "plus+sign.jpg",
    "percent%20written.jpg",
    "percent%.jpg",
    "question?.jpg",
    "hash#tag.jpg",
    "amper&sand=1.jpg",
    "quote's.jpg",
    'quote"d.jpg',
    "<tag>.jpg",
    "back\\slash.jpg",
    "a;b:c,d@e$f!g*h(i).jpg",
    "curly{stem}{0}.jpg",
    "[square]^|`~.jpg",
    "CASE.jpg",
    "case.jpg",
    "caf\u00e9.jpg",
    "cafe\u0301.jpg",
    "日本語/写真.jpg",
    "picture \U0001f5bc.jpg",
    "nbsp\u00a0zero\u200bwidth.jpg",
    "new\nline.jpg",
    "tab\t.jpg",
    LONG + "z" * (512 - len(LONG)),
]
EMPTY = "empty.jpg"
REFUSED = [
    "../climbs.jpg",
    "a/../climbs.jpg",
    "a/./dot.jpg",
    ".",
    "null\x00.jpg",
    "x" * 1025,
    ".imagejob-staging/x",
    "/.imagejob/x",
]
"""No server is ever asked about these."""


@dataclass
class Place:
    """One bucket of one server, as a user, the operator and a Pod see it."""

    kind: str
    client: minio.Minio
    bench: ServerBench
    bucket: str

    def upload(self, key: str, data: bytes) -> None:
        self.client.put_object(self.bucket, f"shop/{key}", io.BytesIO(data), len(data))

    def read(self, key: str) -> bytes:
        answer = self.client.get_object(self.bucket, key)
        try:
            data: bytes = answer.read()
        finally:
            answer.close()
            answer.release_conn()
        return data

    def keys(self, prefix: str) -> list[str]:
        listing = self.client.list_objects(self.bucket, prefix=prefix, recursive=True)
        return [found.object_name or "" for found in listing]


@pytest.fixture
def place(s3: Any) -> Iterator[Place]:
    bucket = f"odd-{next(numbers)}"
    client = minio.Minio(s3.endpoint, s3.access_key, s3.secret_key, secure=False, region="us-east-1")
    client.make_bucket(bucket)
    address = StoreLocation(s3.endpoint, bucket, secure=False)
    bench = ServerBench(S3Store(address, s3.credentials), client, bucket)
    yield Place(s3.kind, client, bench, bucket)
    bench.close()


TEMPLATE = "{dir}{name}-{rendition}.{ext}"


def spec_of(source: dict[str, Any], template: str = TEMPLATE) -> dict[str, Any]:
    return spec(source=source, destination={"prefix": "out/", "keyTemplate": template})


async def staged(place: Place, wanted: dict[str, Any]) -> Manifest:
    """Stage the sources of a spec."""
    store, of = place.bench.store, job(status(Phase.STAGING), wanted)
    await stage(store, downloader(), CountingTelemetry(), FreshRuns(), of, Stage(PREFIX))
    manifest, _ = await read_staged(store, PREFIX, FreshRuns())
    return manifest


async def run(place: Place, source: dict[str, Any], template: str = TEMPLATE) -> list[str]:
    """A whole run but for the picture work: what a Pod makes of an item is its bytes and a mark."""
    store, wanted = place.bench.store, spec_of(source, template)
    manifest = await staged(place, wanted)
    count = len(manifest.items)
    of = job(status(Phase.PUBLISHING, counts=[AttemptCounts(1)], items=count, per_shard=count), wanted)
    await write_order(store, of, await manifest_head(store, PREFIX), Launch(PREFIX, 0, 1), timedelta(hours=1))
    order = msgspec.json.decode(await store.read(order_key(PREFIX, 0, 1), 1 << 24), type=Order)
    pod, items = Store(), []
    for item in order.items:
        output = pod.get_source(item.url, item.etag, 1 << 20) + b" made"
        name = order.upload.key_prefix + output_name(item.index, "web")
        pod.post_output(order.upload, name, "image/webp", output)
        record = OutputRecord("web", len(output), 1, 1, hashlib.sha256(output).hexdigest())
        items.append(ItemResult(item.index, (record,)))
    result = encode_result(Result(1, 0, 1, tuple(items)))
    await store.put(result_key(PREFIX, 0), result, "application/json")
    report = report_key(KEY.namespace, KEY.name, UID, 1)
    await publish(store, lambda: NOW, FreshRuns(), of, Publish(PREFIX, report, NOW + timedelta(hours=1)))
    return [item.source for item in manifest.items]


def stored(place: Place, keys: list[str]) -> list[str]:
    """Put each there."""
    for key in keys:
        place.upload(key, f"bytes of {key}".encode())
    return keys


async def test_odd_keys_by_name(place: Place) -> None:
    keys = stored(place, ODD)
    place.upload(EMPTY, b"")
    assert await run(place, {"keys": [*keys, EMPTY]}) == [*keys, EMPTY]
    for key in keys:
        made = place.read(f"shop/out/{key}-web.webp")
        assert made == f"bytes of {key} made".encode(), key
    assert place.read(f"shop/out/{EMPTY}-web.webp") == b" made"
    assert len(place.keys("shop/out/")) == len(keys) + 1
    assert place.keys(PREFIX) == []


async def test_odd_keys_by_listing_and_no_folders(place: Place) -> None:
    keys = stored(place, [f"in/{key}" for key in ODD if len(key) < 500])
    place.client.put_object(place.bucket, "shop/in/folder/", io.BytesIO(b""), 0)
    found = await run(place, {"match": {"prefix": "in/"}})
    assert sorted(found) == sorted(keys)
    for key in keys:
        assert place.read(f"shop/out/{key[3:]}-web.webp") == f"bytes of {key} made".encode(), key


async def test_keys_that_xml_cannot_have(place: Place) -> None:
    """MinIO lists them encoded; versitygw does not, and then no listing names the object."""
    bad, good = (
        ["in/a\x01.jpg", "in/a\x1f.jpg", "in/b\x0b/c.jpg"],
        ["in/ab.jpg", "in/b/c.jpg", "in/d\x7f.jpg"],
    )
    stored(place, bad + good)
    store = place.bench.store
    manifest = await staged(place, spec_of({"match": {"prefix": "in/"}}))
    found = {item.source: item.error.code if item.error else None for item in manifest.items}
    if place.kind == "versitygw":
        assert found == {**dict.fromkeys(good), "in/a\ufffd.jpg": "IMG_010", "in/b\ufffd/c.jpg": "IMG_010"}
    else:
        assert found == dict.fromkeys(bad + good)
    await store.delete_prefix(PREFIX)
    assert await run(place, {"keys": bad + good}) == bad + good
    # What a Pod has uploaded under such a key.
    for key in ("a", "a\x01", "a\r", "b"):
        place.client.put_object(place.bucket, f"{PREFIX}out/{key}", io.BytesIO(b""), 0)
    if place.kind == "versitygw":
        with pytest.raises(StoreDenied, match="delete the object with the tools of the store"):
            await store.delete_prefix(PREFIX)
        assert place.keys(PREFIX) == [f"{PREFIX}out/a\ufffd"]
    else:
        await store.delete_prefix(PREFIX)
        assert place.keys(PREFIX) == []


async def test_odd_keys_by_a_list(place: Place) -> None:
    keys = stored(place, ODD)
    lines = [
        key if number % 2 and "\n" not in key else msgspec.json.encode({"key": key}).decode()
        for number, key in enumerate(keys)
    ]
    place.upload("lists/odd list+%.ndjson", "\r\n".join(lines).encode())
    assert await run(place, {"list": {"key": "lists/odd list+%.ndjson"}}, "{index}-{rendition}.{ext}") == keys
    for number, key in enumerate(keys):
        assert place.read(f"shop/out/{number:06d}-web.webp") == f"bytes of {key} made".encode(), key


async def test_a_key_that_one_server_takes_for_a_version(place: Place) -> None:
    """versitygw looks for a version after it has decoded the source of a copy; nothing else is lost by it."""
    key = "question?versionId=null"
    stored(place, [key])
    if place.kind != "versitygw":
        await run(place, {"keys": [key]})
        assert place.read(f"shop/out/{key}-web.webp") == f"bytes of {key} made".encode()
    else:
        with pytest.raises(StoreDenied, match="Invalid version id"):
            await run(place, {"keys": [key]})


@pytest.mark.parametrize("key", REFUSED, ids=repr)
def test_keys_out_of_the_jail_reach_no_server(key: str) -> None:
    with pytest.raises(InvalidKey):
        check_key(key, "field")


def test_every_odd_key_has_an_output_of_its_own() -> None:
    of = job(wanted=spec(destination={"prefix": "out/", "keyTemplate": TEMPLATE})).spec
    planned = planned_outputs(of, [PlannedItem(key, place) for place, key in enumerate(ODD)])  # type: ignore[arg-type]
    assert len({output.key for outputs in planned for output in outputs}) == len(ODD)


@pytest.mark.parametrize("s3", ["minio"], indirect=True)
def test_the_rule_that_is_offered_for_old_versions_is_one(place: Place) -> None:
    page = (Path(__file__).parents[2] / "docs" / "administrators" / "stores.md").read_text()
    rules = json.loads(page.partition("```json")[2].partition("```")[0])["Rules"]
    (offered,) = [rule for rule in rules if rule["ID"] == "imagejob-staging-versions"]
    rule = Rule(
        offered["Status"],
        rule_filter=Filter(prefix=offered["Filter"]["Prefix"]),
        rule_id=offered["ID"],
        noncurrent_version_expiration=NoncurrentVersionExpiration(
            noncurrent_days=offered["NoncurrentVersionExpiration"]["NoncurrentDays"]
        ),
        expiration=Expiration(
            expired_object_delete_marker=offered["Expiration"]["ExpiredObjectDeleteMarker"]
        ),
    )
    place.client.set_bucket_lifecycle(place.bucket, LifecycleConfig([rule]))
    kept = place.client.get_bucket_lifecycle(place.bucket)
    assert kept
    assert [rule.rule_id for rule in kept.rules] == ["imagejob-staging-versions"]
    assert PREFIX.startswith(offered["Filter"]["Prefix"])


@pytest.mark.parametrize("s3", ["minio"], indirect=True)
async def test_a_versioned_bucket_is_empty_to_all_but_who_asks_for_versions(place: Place) -> None:
    """Staging is deleted; what it was stays as old versions until a rule of the bucket ends them."""
    place.client.set_bucket_versioning(place.bucket, VersioningConfig(ENABLED))
    place.upload("a.jpg", b"old bytes")
    place.upload("a.jpg", b"bytes of a.jpg")
    place.upload("gone.jpg", b"deleted")
    place.client.remove_object(place.bucket, "shop/gone.jpg")
    assert await run(place, {"keys": ["a.jpg"]}) == ["a.jpg"]
    assert place.read("shop/out/a.jpg-web.webp") == b"bytes of a.jpg made"
    assert place.keys(PREFIX) == []
    left = list(place.client.list_objects(place.bucket, PREFIX, recursive=True, include_version=True))
    markers = {found.object_name for found in left if found.is_delete_marker}
    assert input_key(PREFIX, 0) in markers
    assert {found.object_name for found in left} == markers, "each has an old version and a marker above it"
