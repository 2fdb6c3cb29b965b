"""The processor's four requests against real S3 servers, with URLs as the operator signs them."""

import datetime
import io
import itertools
import os
import subprocess
import sys
import time

import minio
import msgspec
import pytest
from minio.datatypes import PostPolicy

from imagejob_contract.order import PADDED_LENGTHS, Order, OrderItem, Upload, output_name, padded_length
from imagejob_contract.output import FORMATS, Format
from imagejob_contract.result import ExitCode, ItemCode, Summary, decode_result
from imagejob_operator.adapters.s3.connections import BoundedPool
from imagejob_operator.adapters.s3.signing import Signer
from imagejob_operator.api.store_location import StoreLocation
from imagejob_processor.errors import ItemFailure, OrderExpired, StoreUnavailable
from imagejob_processor.storage import RetryPolicy, Store
from s3_servers.servers import fits
from unit.processor.images import LIMITS, rendition, resized, stored

pytestmark = pytest.mark.store

HOUR = datetime.timedelta(hours=1)
LARGE = bytes(range(256)) * 16384
numbers = itertools.count()


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


class Bucket:
    """What the operator does with a store, as far as a Pod's URLs go."""

    def __init__(self, s3) -> None:
        self.client = minio.Minio(
            s3.endpoint, access_key=s3.access_key, secret_key=s3.secret_key, secure=False, region="us-east-1"
        )
        self.name = f"bucket-{next(numbers)}"
        self.url = f"http://{s3.endpoint}/{self.name}"
        self.client.make_bucket(self.name)
        self.forms, self.conditions = fits("forms", s3.kind), fits("conditions", s3.kind)
        location = StoreLocation(s3.endpoint, self.name, secure=False)
        self.signer = Signer(location, s3.endpoint, s3.credentials, BoundedPool(1, {}))

    def put(self, key: str, data: bytes) -> str:
        return self.client.put_object(self.name, key, io.BytesIO(data), len(data)).etag

    def get(self, key: str) -> bytes:
        response = self.client.get_object(self.name, key)
        try:
            return response.read()
        finally:
            response.close()
            response.release_conn()

    def signed(self, method: str, key: str, *, expired: bool = False) -> str:
        date = now() - 2 * HOUR if expired else now()
        return self.client.get_presigned_url(method, self.name, key, expires=HOUR, request_date=date)

    def upload(self, *names: str, expired: bool = False, most: int = 1 << 23) -> Upload:
        """How a Pod stores outputs with these names; one that ends soon is called expired, too."""
        if not self.forms:
            lifetime = datetime.timedelta(seconds=1) if expired else HOUR
            puts = self.signer.puts("stage/out/", names, PADDED_LENGTHS, lifetime)
            return Upload(puts.url, "stage/out/", {}, most, puts.query, dict(puts.signatures))
        policy = PostPolicy(self.name, now() + (-HOUR if expired else HOUR))
        policy.add_starts_with_condition("key", "stage/out/")
        policy.add_starts_with_condition("Content-Type", "image/")
        policy.add_content_length_range_condition(1, most)
        fields = self.client.presigned_post_policy(policy)
        return Upload(url=self.url, key_prefix="stage/out/", fields=fields, max_bytes=most)


@pytest.fixture
def bucket(s3):
    return Bucket(s3)


@pytest.fixture
def store():
    return Store(RetryPolicy(tries=1))


def test_a_source_comes_as_it_is(bucket, store):
    etag = bucket.put("a b/ü+%.jpg", LARGE)
    assert store.get_source(bucket.signed("GET", "a b/ü+%.jpg"), etag, len(LARGE)) == LARGE


def test_a_changed_source_is_reported(bucket, store):
    etag = bucket.put("a.jpg", b"one")
    bucket.put("a.jpg", b"two")
    with pytest.raises(ItemFailure) as caught:
        store.get_source(bucket.signed("GET", "a.jpg"), etag, 100)
    assert caught.value.code is ItemCode.SOURCE_CHANGED


def test_a_missing_source_is_reported(bucket, store):
    with pytest.raises(ItemFailure) as caught:
        store.get_source(bucket.signed("GET", "nothing.jpg"), "d41d8cd98f00b204e9800998ecf8427e", 100)
    assert caught.value.code is ItemCode.SOURCE_MISSING


def test_a_source_over_the_cap_is_refused(bucket, store):
    etag = bucket.put("a.jpg", LARGE)
    with pytest.raises(ItemFailure) as caught:
        store.get_source(bucket.signed("GET", "a.jpg"), etag, len(LARGE) - 1)
    assert caught.value.code is ItemCode.TOO_LARGE


def test_expired_urls_differ_from_other_refusals(bucket, store):
    bucket.put("order.json", b"{}")
    with pytest.raises(OrderExpired):
        store.get_order(bucket.signed("GET", "order.json", expired=True))
    with pytest.raises(OrderExpired):
        store.get_source(bucket.signed("GET", "order.json", expired=True), "", 100)
    with pytest.raises(OrderExpired):
        store.put_result(bucket.signed("PUT", "result.json", expired=True), b"{}")


def test_a_false_signature_is_not_expired(bucket, store):
    bucket.put("a.jpg", b"one")
    url = bucket.signed("GET", "a.jpg")
    false = url[:-1] + ("0" if url[-1] != "0" else "1")
    with pytest.raises(StoreUnavailable, match="HTTP 403") as caught:
        store.get_source(false, "", 100)
    assert "X-Amz" not in str(caught.value)


@pytest.mark.parametrize("form", FORMATS)
def test_an_output_is_stored_whole(bucket, store, form):
    content_type = f"image/{form.lower()}"
    to = bucket.upload("000001-web")
    store.post_output(to, f"{to.key_prefix}000001-web", content_type, LARGE)
    assert bucket.get("stage/out/000001-web") == LARGE
    assert bucket.client.stat_object(bucket.name, "stage/out/000001-web").content_type == content_type


@pytest.mark.needs("forms")
@pytest.mark.parametrize(
    ("change", "data"),
    [
        pytest.param({"key_prefix": "elsewhere/"}, b"x", id="another prefix"),
        pytest.param({}, bytes(2000), id="too long"),
    ],
)
def test_the_policy_holds(bucket, store, change, data):
    upload = msgspec.structs.replace(bucket.upload(most=1000), **change)
    with pytest.raises(ItemFailure) as caught:
        store.post_output(upload, f"{upload.key_prefix}x", "image/png", data)
    assert caught.value.code is ItemCode.WRITE_FAILED
    assert not list(bucket.client.list_objects(bucket.name, recursive=True))


def test_an_expired_policy_is_reported(bucket, store):
    to = bucket.upload("x", expired=True)
    end = time.monotonic() + 10

    def post() -> None:
        while time.monotonic() < end:
            store.post_output(to, f"{to.key_prefix}x", "image/png", b"x")

    with pytest.raises(OrderExpired):
        post()


@pytest.mark.needs("conditions")
def test_the_first_result_stays(bucket, store):
    assert store.put_result(bucket.signed("PUT", "r.json"), b"first") is True
    assert store.put_result(bucket.signed("PUT", "r.json"), b"second") is False
    assert bucket.get("r.json") == b"first"


def make_order(bucket: Bucket, attempt: int = 1, *, expired: bool = False) -> Order:
    items = []
    for number, form in enumerate(("JPEG", "PNG", "GIF")):
        key = f"in/{number}"
        etag = bucket.put(key, stored(form))
        source = f"uploads/{number}.{form.lower()}"
        items.append(OrderItem(number, source, bucket.signed("GET", key, expired=expired), etag))
    return Order(
        version=1,
        job="shop/spring",
        run=1,
        shard=0,
        attempt=attempt,
        items=tuple(items),
        renditions=tuple(rendition(resized(50, 50), name=form.lower(), form=form) for form in Format),
        limits=LIMITS,
        upload=bucket.upload(*(output_name(item.index, form.lower()) for item in items for form in Format)),
        result_url=bucket.signed("PUT", "stage/results/0.json"),
        progress_url=bucket.signed("PUT", "stage/progress/0-1"),
    )


def run_pod(bucket: Bucket, order: Order, tmp_path) -> tuple[int, str]:
    """The exit code and the termination message of a Pod."""
    bucket.put("stage/order.json", msgspec.json.encode(order))
    message = tmp_path / "message"
    environment = {
        **os.environ,
        "IMAGEJOB_ORDER_URL": bucket.signed("GET", "stage/order.json"),
        "IMAGEJOB_TERMINATION_LOG": str(message),
    }
    done = subprocess.run(
        (sys.executable, "-m", "imagejob_processor"),
        env=environment,
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert "X-Amz" not in done.stderr
    return done.returncode, message.read_text()


def test_a_whole_pod(bucket, tmp_path):
    code, message = run_pod(bucket, make_order(bucket), tmp_path)
    summary = msgspec.structs.replace(msgspec.json.decode(message, type=Summary), spans=())
    assert (code, summary) == (ExitCode.DONE, Summary(succeeded=3))
    result = decode_result(bucket.get("stage/results/0.json"), 3, len(Format))
    listed = {
        entry.object_name: entry.size for entry in bucket.client.list_objects(bucket.name, "stage/out/")
    }
    assert listed == {
        f"stage/out/{item.index:06d}-{output.rendition}": (
            output.bytes if bucket.forms else padded_length(output.bytes)
        )
        for item in result.items
        for output in item.outputs
    }
    assert len(listed) == 3 * len(Format)
    # A second attempt finds the result of the first and leaves it alone, if the store can tell it.
    assert run_pod(bucket, make_order(bucket, attempt=2), tmp_path)[0] == ExitCode.DONE
    stays = decode_result(bucket.get("stage/results/0.json"), 3, len(Format))
    assert stays.attempt == (1 if bucket.conditions else 2)


def test_a_whole_pod_with_expired_sources(bucket, tmp_path):
    code, message = run_pod(bucket, make_order(bucket, expired=True), tmp_path)
    assert code == ExitCode.ORDER_EXPIRED
    assert "expired" in message
