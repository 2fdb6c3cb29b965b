"""The store of a namespace is read with the rights of the user, and no Secret but that of the demo."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from fakes.transport import FakeTransport
from imagejob.bucket import Bucket
from imagejob.client import Client
from imagejob.errors import Forbidden, ImageJobError, Invalid, Rejected, StoreFailed
from imagejob.store_location import KeyPair, Service, image_store, operator_store, service_of

APPS = "/apis/apps/v1/namespaces/imagejob-system/deployments"
SETTINGS = "/api/v1/namespaces/imagejob-system/configmaps/imagejob-operator"
SECRET = "/api/v1/namespaces/imagejob-system/secrets/imagejob-store"
STORE = "/apis/imagejob.dev/v1alpha1/namespaces/shop/imagestores/media"
DEPLOYMENT = {
    "metadata": {"name": "imagejob-operator", "namespace": "imagejob-system"},
    "spec": {
        "template": {"spec": {"containers": [{"envFrom": [{"configMapRef": {"name": "imagejob-operator"}}]}]}}
    },
}
DEMO = {
    "IMAGEJOB_STORE_ENDPOINT": "minio.imagejob-system.svc.cluster.local:9000",
    "IMAGEJOB_STORE_BUCKET": "media",
    "IMAGEJOB_STORE_SECURE": "false",
    "IMAGEJOB_INSTALLATION": "demo",
}
KEYS = {"data": {name: base64.b64encode(name.encode()).decode() for name in ("access-key", "secret-key")}}


def api(settings: dict[str, str] | ImageJobError = DEMO) -> FakeTransport:
    made = FakeTransport()
    made.answers[APPS] = {"items": [DEPLOYMENT]}
    made.answers[SETTINGS] = settings if isinstance(settings, ImageJobError) else {"data": settings}
    made.answers[SECRET] = KEYS
    return made


def test_the_demo_needs_no_configuration() -> None:
    found = operator_store(api(), "shop")
    assert (found.location.bucket, found.location.prefix, found.location.secure) == ("media", "shop/", False)
    assert found.keys == KeyPair("access-key", "secret-key")
    assert service_of(found.location) == Service("imagejob-system", "minio", 9000)


@pytest.mark.parametrize(
    "settings",
    [
        {**DEMO, "IMAGEJOB_INSTALLATION": "production"},
        {**DEMO, "IMAGEJOB_STORE_ENDPOINT": "s3.example.com"},
    ],
    ids=["another-installation", "another-store"],
)
def test_no_other_secret_is_read(settings: dict[str, str]) -> None:
    made = api(settings)
    made.answers[SECRET] = Rejected(500, "the Secret was read")
    assert operator_store(made, "shop").keys is None


@pytest.mark.parametrize("refused", [Forbidden("no"), Rejected(404, "x"), {"data": {}}])
def test_without_the_demos_secret_the_own_credentials_are_used(refused: Any) -> None:
    made = api()
    made.answers[SECRET] = refused
    assert operator_store(made, "shop").keys is None


def test_a_tenant_without_the_settings_can_name_the_bucket() -> None:
    with pytest.raises(StoreFailed, match=r"its settings cannot be read: no\. Or ask .* --bucket https://"):
        operator_store(api(Forbidden("no")), "shop")
    found = operator_store(api(Forbidden("no")), "shop", bucket_url="https://s3.example.com:9000/media/")
    assert (found.location.endpoint, found.location.bucket) == ("s3.example.com:9000", "media")
    assert (found.location.prefix, found.location.secure, found.keys) == ("shop/", True, None)


def test_a_missing_operator_is_named() -> None:
    made = api()
    made.answers[APPS] = {"items": []}
    with pytest.raises(StoreFailed, match="no operator with a ConfigMap in namespace 'imagejob-system'"):
        operator_store(made, "shop")


@pytest.mark.parametrize(
    "url",
    [
        "media",
        "https://s3.example.com",
        "https://s3.example.com/",
        "ftp://s3.example.com/media",
        "https://s3.example.com/media/folder",
        "https://key:secret@s3.example.com/media",
        "https://s3.example.com/media?x=1",
        "https://s3.example.com:99999/media",
        "http://[::1/media",
    ],
)
def test_what_is_no_url_of_a_bucket_is_refused(url: str) -> None:
    with pytest.raises(Invalid, match="is not the URL of a bucket, such as https://") as raised:
        operator_store(api(), "shop", bucket_url=url)
    assert "secret" not in str(raised.value)


def test_an_imagestore_has_its_prefixes() -> None:
    made = FakeTransport()
    spec = {
        "endpoint": "s3.example.com",
        "bucket": "media",
        "prefix": "in/",
        "staging": "work/",
        "auth": {"secretRef": {"name": "s"}},
        "tls": {"caBundleRef": {"name": "authority"}},
    }
    made.answers[STORE] = {"spec": spec}
    made.answers["/api/v1/namespaces/shop/configmaps/authority"] = {"data": {"ca.crt": "PEM"}}
    found = image_store(made, "shop", "media")
    assert (found.location.prefix, found.location.staging, found.location.ca_bundle) == (
        "in/",
        "work/",
        "PEM",
    )
    assert found.keys is None
    made.answers[STORE] = {"spec": {**spec, "bucket": "M"}}
    with pytest.raises(Invalid, match=r"ImageStore 'media' in namespace 'shop': spec\.bucket: "):
        image_store(made, "shop", "media")
    made.answers[STORE] = Rejected(404, "x")
    with pytest.raises(
        Invalid, match=r"does not exist; list the existing ones with: kubectl get imagestores -n shop$"
    ):
        image_store(made, "shop", "media")


@pytest.mark.parametrize(
    ("endpoint", "service"),
    [
        ("minio.store.svc:9000", Service("store", "minio", 9000)),
        ("minio.store.svc.cluster.local:80", Service("store", "minio", 80)),
        ("minio.store.svc.corp.internal:80", Service("store", "minio", 80)),
        ("minio.store.svc", None),
        ("s3.svc.example.com:443", None),
        ("s3.example.com", None),
        ("10.0.0.1:9000", None),
    ],
)
def test_only_a_service_is_reached_through_the_api_server(
    endpoint: str, service: Service | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    location = operator_store(api({**DEMO, "IMAGEJOB_STORE_ENDPOINT": endpoint}), "shop").location
    assert service_of(location) == service
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    assert service_of(location) is None


def test_without_credentials_the_ways_to_give_them_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    client = Client(FakeTransport(), "shop")
    with pytest.raises(StoreFailed, match="AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"):
        client.bucket(bucket_url="https://s3.example.com/media")
    (tmp_path / "none").write_text("[me]\naws_access_key_id = a\naws_secret_access_key = b\n")
    monkeypatch.setenv("AWS_PROFILE", "me")
    assert isinstance(client.bucket(bucket_url="https://s3.example.com/media"), Bucket)


@pytest.mark.parametrize("line", ["SECRETVALUE", "aws_secret_access_key = 50%VALUE"])
def test_a_malformed_file_of_credentials_is_not_shown(
    line: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    path = tmp_path / "credentials"
    path.write_text(f"[default]\naws_access_key_id = a\n{line}\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(path))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(StoreFailed, match="cannot be read") as raised:
        Client(FakeTransport(), "shop").bucket(bucket_url="https://s3.example.com/media")
    assert "VALUE" not in str(raised.value)


def test_a_store_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    monkeypatch.setattr("imagejob.store_pool.RETRIES", 0)
    bucket = Client(FakeTransport(), "shop").bucket(bucket_url="http://127.0.0.1:9/media")
    with pytest.raises(
        StoreFailed, match=r"cannot read 'a' in bucket 'media' .*127\.0\.0\.1:9 does not answer"
    ):
        bucket.find("a")


def test_a_ca_bundle_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    monkeypatch.setenv("AWS_CA_BUNDLE", "/no/such/file")
    with pytest.raises(StoreFailed, match="AWS_CA_BUNDLE=/no/such/file cannot be used"):
        Client(FakeTransport(), "shop").bucket(bucket_url="https://s3.example.com/media")
