"""The bucket of the Python client, on real servers."""

from __future__ import annotations

import hashlib
import io
import itertools
import os
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.request import urlopen

import pytest
from minio import Minio

from fakes.transport import FakeTransport
from imagejob.bucket import Bucket
from imagejob.download_folder import DownloadFolder
from imagejob.errors import StoreFailed
from imagejob.store_location import FoundStore, KeyPair
from imagejob.transfers import Transferred, download_all, plan_uploads, upload_all
from imagejob_operator.api.store_location import StoreLocation
from imagejob_operator.documents.report import encode_report
from s3_servers.servers import S3Server
from unit.gallery.reports import done, report_of

pytestmark = [pytest.mark.store]
numbers = itertools.count()


@pytest.fixture
def found(s3: S3Server) -> FoundStore:
    """The part shop/ of a new bucket, in which other namespaces and the operator have objects as well."""
    name = f"client-{os.getpid()}-{next(numbers)}"
    client = Minio(s3.endpoint, s3.access_key, s3.secret_key, secure=False)
    client.make_bucket(name)
    for key in ("other/a.jpg", "shop/.imagejob/x.json"):
        client.put_object(name, key, io.BytesIO(b"secret"), 6)
    location = StoreLocation(s3.endpoint, name, secure=False, prefix="shop/")
    return FoundStore("the test", location, KeyPair(s3.access_key, s3.secret_key))


@pytest.fixture
def bucket(found: FoundStore) -> Bucket:
    return Bucket(FakeTransport(), found)


def test_objects_there_and_back(bucket: Bucket, tmp_path: Path) -> None:
    (tmp_path / "sent" / "sub").mkdir(parents=True)
    (tmp_path / "sent" / "a b+c%20ü.jpg").write_bytes(b"photo")
    (tmp_path / "sent" / "sub" / "large.bin").write_bytes(bytes(range(256)) * 32_000)
    uploads, _ = plan_uploads([tmp_path / "sent"], "uploads/")
    ended: list[Transferred] = []
    sent: list[int] = []
    upload_all(bucket, uploads, False, ended.append, sent.append)
    assert {one.state for one in ended} == {"uploaded"}, ended
    assert sum(sent) == sum(one.size for one in uploads)
    listed = list(bucket.list(""))
    assert [one.key for one in listed] == ["uploads/a b+c%20ü.jpg", "uploads/sub/large.bin"]
    small = bucket.find("uploads/a b+c%20ü.jpg")
    assert small == replace(listed[0], sha256=hashlib.sha256(b"photo").hexdigest())
    assert bucket.find("uploads/nope") is None
    ended.clear()
    upload_all(bucket, uploads, False, ended.append, sent.append)
    assert [one.state for one in ended] == ["up to date"] * 2, "also the one that was sent in parts"
    ended.clear()
    with closing(DownloadFolder(tmp_path / "got")) as folder:
        download_all(bucket, listed, folder, False, ended.append, lambda count: None)
        assert {one.state for one in ended} == {"downloaded"}, ended
        ended.clear()
        download_all(bucket, listed, folder, False, ended.append, lambda count: None)
        assert {one.state for one in ended} == {"up to date"}, ended
    for one in uploads:
        assert (tmp_path / "got" / one.key).read_bytes() == one.path.read_bytes()


def test_a_link_needs_no_credentials(bucket: Bucket) -> None:
    bucket.write("a b.jpg", io.BytesIO(b"photo"), 5, "image/jpeg")
    with urlopen(bucket.link("a b.jpg", timedelta(minutes=5))) as answer:
        assert answer.read() == b"photo"
        assert answer.headers["Content-Type"] == "image/jpeg"
    assert "X-Amz-Expires=604800" in bucket.link("a b.jpg", timedelta(days=30))


def test_the_report_is_in_the_folder_of_the_operator(found: FoundStore) -> None:
    own = Bucket(FakeTransport(), replace(found, location=replace(found.location, prefix="")))
    report = report_of([done("a.jpg")])
    data = encode_report(report)
    own.write(".imagejob/shop/a/1.json", io.BytesIO(data), len(data), "application/json")
    own.write(".imagejob/shop/a/2.json", io.BytesIO(b"{}"), 2, "application/json")
    bucket = Bucket(FakeTransport(), found)
    assert bucket.report(".imagejob/shop/a/1.json") == report
    with pytest.raises(StoreFailed, match=r"2\.json' in bucket .* is not a report of this version"):
        bucket.report(".imagejob/shop/a/2.json")


def test_what_the_store_refuses_is_named(found: FoundStore) -> None:
    wrong = Bucket(FakeTransport(), replace(found, keys=KeyPair("unknown-key", "nothing-at-all")))
    with pytest.raises(StoreFailed, match=r"cannot list 'a/' in bucket 'client-.*' of the test: ") as refused:
        list(wrong.list("a/"))
    assert "nothing-at-all" not in str(refused.value)
    missing = replace(found, location=replace(found.location, bucket="no-such-bucket"))
    with pytest.raises(StoreFailed, match=r"NoSuchBucket: .*; the bucket does not exist"):
        list(Bucket(FakeTransport(), missing).list(""))
    with pytest.raises(StoreFailed, match=r"cannot read 'shop/gone' in bucket .*: NoSuch(Key|Object)"):
        Bucket(FakeTransport(), found).read("gone", io.BytesIO(), lambda count: None)
