"""Two tenants: B tries to reach A's through every field with a key, a prefix, a name, a URL or a template.

The attempts are printed, and listed in docs/contributors/guarantees.md.
"""

from __future__ import annotations

import base64
import json
import sys
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
import urllib3
from kubernetes.client import ApiException
from urllib3.filepost import encode_multipart_formdata

from demo import photos
from e2e.attempts import ATTEMPTS, SECRET, Attempt
from e2e.tenants import Tenant
from e2e.world import GROUP, PLURAL, SMALL, VERSION, Shop, World, condition, ended, image_job, until, verdict

GRACE = 5
REFUSALS = ("is invalid", "field not declared in schema")
TAKEN = "taken"
"""Name of the renditions that B makes."""


@dataclass
class Two:
    """Both tenants, each with sources in the operator's store and a bucket of its own."""

    a: Shop
    vault: Tenant
    b: Shop
    own: Tenant

    def of_a(self) -> dict[str, str]:
        """Everything that is A's, by key and ETag."""
        client, bucket = self.a.world.store.client, self.a.world.store.bucket
        found: dict[str, str] = {}
        for place, prefixes in (
            (
                bucket,
                (
                    f"{self.a.name}/",
                    f"{self.a.world.own_staging()}{self.a.name}/",
                    f".imagejob/{self.a.name}/",
                ),
            ),
            (self.vault.bucket, ("",)),
        ):
            for prefix in prefixes:
                for o in client.list_objects(place, prefix=prefix, recursive=True):
                    if not str(o.object_name).endswith("/clock.txt"):
                        found[f"{place}/{o.object_name}"] = str(o.etag)
        return found

    def placed(self, value: Any) -> Any:
        """A manifest with A's names in it."""
        if isinstance(value, dict):
            return {self.placed(k): self.placed(v) for k, v in value.items()}
        if isinstance(value, list):
            return [self.placed(item) for item in value]
        if isinstance(value, str):
            names = {"a": self.a.name, "bucket": self.vault.bucket, "cluster": self.a.world.cluster_uid}
            for name, real in names.items():
                value = value.replace(f"{{{name}}}", real)
            return value
        return value


@pytest.fixture(scope="module")
def two(world: World) -> Iterator[Two]:
    with world.operator_environment(IMAGEJOB_START_GRACE_SECONDS=str(GRACE)):
        a, b = (Shop(world, f"tenant-{letter}-{uuid.uuid4().hex[:6]}") for letter in "ab")
        vault, own = Tenant(a), Tenant(b)
        try:
            a.upload(SECRET, photos.photo("china.jpg"))
            vault.upload(SECRET, photos.photo("china.jpg"))
            vault.declare("vault")
            vault.await_reason("Ready", "vault")
            b.upload("photos/b.jpg", photos.photo("flower.jpg"))
            b.upload("lists/a", f"../{a.name}/{SECRET}\n".encode())
            own.upload("photos/b.jpg", photos.photo("flower.jpg"))
            own.declare("own")
            own.await_reason("Ready", "own")
            yield Two(a, vault, b, own)
        finally:
            for shop, tenant in ((a, vault), (b, own)):
                shop.close()
                tenant.close()


def attempted(two: Two, attempt: Attempt) -> str:
    """The result, in a line."""
    name = attempt.name
    spec = two.placed({"source": {"keys": ["photos/b.jpg"]}, "execution": SMALL, **attempt.spec})
    rendition = {"name": TAKEN, "output": {"format": "JPEG"}}
    spec = {"renditions": [rendition], "destination": {"prefix": f"out/{name}/"}, **spec}
    try:
        if attempt.store is not None:
            store = two.own.manifest(name, **two.placed(attempt.store))
            two.b.world.apply(store, two.b.name)
            spec["storeRef"] = {"name": name}
        source = spec.pop("source")
        two.b.world.apply(image_job(source, name, **spec), two.b.name)
    except ApiException as error:
        if not any(words in str(error) for words in REFUSALS):
            raise
        return "refused by the API server"
    job = two.b.await_job(name, ended, "condition Finished", 120)
    phase, code, reason = verdict(job)
    if phase == "Succeeded":
        keys = [output["key"] for item in two.b.report(job)["items"] for output in item["outputs"]]
        return f"Succeeded, with {keys} of its own"
    return f"{code}/{reason}"


def test_nothing_of_another_tenant_can_be_reached(two: Two, capsys: pytest.CaptureFixture[str]) -> None:
    before = two.of_a()
    assert len(before) == 2
    with ThreadPoolExecutor(12) as pool:
        ends = list(pool.map(lambda attempt: (attempt, attempted(two, attempt)), ATTEMPTS))
    width = max(len(attempt.name) for attempt, _ in ends)
    lines = [f"{attempt.name:<{width}}  {end}" for attempt, end in ends]
    with capsys.disabled():
        sys.stdout.write("\n".join(["", *lines, f"{len(ends)} attempts, none of them reached anything", ""]))
    assert two.of_a() == before, "something of A's was written or deleted"
    wrong = [(attempt.name, end) for attempt, end in ends if end.startswith("Succeeded") and _reads(attempt)]
    assert not wrong, "B has read what is not B's"


def _reads(attempt: Attempt) -> bool:
    """Whether it was after what A has, and not after A's places."""
    return not attempt.name.startswith(("to-", "template-"))


# --- Pods that claim to be another's ----------------------------------------------------------------------


def test_a_pod_that_names_another_tenants_job_is_no_attempt_of_it(two: Two) -> None:
    """B's Pod has the name, the labels and the owner of a Pod of A's, and ends; A's run goes on."""
    waiting = {"podTemplate": {"nodeSelector": {"no": "such-node"}}, "startDeadlineSeconds": 120}
    name = two.a.apply(image_job({"keys": [SECRET]}, "claimed", execution=waiting))
    two.a.await_phase(name, "Launching")
    core = two.a.world.core
    label = f"imagejob.dev/job={name}"

    def own() -> Any:
        return core.list_namespaced_pod(two.a.name, label_selector=label).items

    until("A's Pod is there", own, 30)
    pod = core.api_client.sanitize_for_serialization(own()[0])
    container = {
        field: pod["spec"]["containers"][0][field]
        for field in ("name", "image", "imagePullPolicy", "securityContext")
    }
    body = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {field: pod["metadata"][field] for field in ("name", "labels", "ownerReferences")},
        "spec": {
            "restartPolicy": "Never",
            "securityContext": pod["spec"]["securityContext"],
            "containers": [{**container, "command": ["python", "-c", ""]}],
        },
    }
    core.create_namespaced_pod(two.b.name, body)

    def over() -> bool:
        # Kubernetes collects a Pod whose owner is not in its namespace.
        found = core.list_namespaced_pod(two.b.name, label_selector=label).items
        return all(one.status.phase in ("Succeeded", "Failed") for one in found)

    until("B's Pod has ended", over, 60)
    where = (GROUP, VERSION, two.a.name, PLURAL, name)
    two.a.world.objects.patch_namespaced_custom_object(*where, {"spec": {"cancelRunID": "1"}})
    assert verdict(two.a.await_end(name)) == ("Cancelled", "JOB_008", "Cancelled")
    two.a.delete(name)


# --- from inside a Pod -----------------------------------------------------------------------------------


def test_a_pods_order_admits_no_key_of_anybody_else(two: Two) -> None:
    """B's Pod has the form and the URLs of its order, and tries them on A's keys."""
    before = two.of_a()
    order = _order(two)
    a, upload = two.a.name, order["upload"]
    prefix = upload["keyPrefix"]
    assert prefix.startswith(f"{two.b.world.own_staging()}{two.b.name}/")
    tries = [
        f"{a}/{SECRET}",
        f"{prefix}../../../../../{a}/{SECRET}",
        prefix.replace(two.b.name, a) + "x",
        prefix.replace("/out/", "/in/") + "000000",
        prefix.rsplit("/", 2)[0] + "/9-9/x",
        f".imagejob/{a}/x.json",
        f"{two.b.name}/photos/b.jpg",
        "",
    ]
    answers: list[str] = []
    for key in tries:
        answer = _post(two, upload, key)
        answers.append(f"POST {key!r}: {answer}")
        # MinIO makes `..` of a key no path: if it takes it, it is B's own odd name below B's prefix.
        assert answer in (400, 403) or (key.startswith(prefix) and answer >= 400), answers[-1]
    assert _post(two, upload, f"{prefix}probe") == 204, "the form is good for its own prefix"
    # The run is over and clean; what comes after it is swept, but not within this test.
    two.b.world.store.client.remove_object(two.b.world.store.bucket, f"{prefix}probe")
    for name, verb in ((order["items"][0]["url"], "GET"), (order["resultUrl"], "PUT")):
        for wrong in (
            name.replace(two.b.name, a),
            name.replace("?", f"?prefix={a}&"),
            name.split("?")[0].replace(two.b.name, a),
            name.replace("/media/", f"/{two.vault.bucket}/"),
        ):
            answer = _ask(two, verb, wrong, b"x" if verb == "PUT" else None).status
            answers.append(f"{verb} {wrong.split('?')[0]}: {answer}")
            assert answer in (400, 403), answers[-1]
    assert two.of_a() == before


def _order(two: Two) -> dict[str, Any]:
    """The order of a Pod of B's that runs."""
    name = two.b.apply(image_job({"keys": ["photos/b.jpg"]}, "inside", execution={**SMALL, "itemsPerPod": 1}))
    core = two.b.world.core
    found: list[str] = []

    def look() -> list[str]:
        secrets = core.list_namespaced_secret(two.b.name, label_selector="app.kubernetes.io/managed-by").items
        found[:] = [s.data["order-url"] for s in secrets if s.metadata.name.startswith("inside-")]
        return found

    until("the Pod has its order", look, 60)
    answer = _ask(two, "GET", base64.b64decode(found[0]).decode())
    assert answer.status == 200, answer.data
    assert two.b.await_end(name)
    order: dict[str, Any] = json.loads(answer.data)
    return order


def _post(two: Two, upload: dict[str, Any], key: str) -> int:
    fields = [*upload["fields"].items(), ("key", key), ("Content-Type", "image/png"), ("file", ("f", b"x"))]
    body, kind = encode_multipart_formdata(fields)
    return _ask(two, "POST", upload["url"], body, {"Content-Type": kind}).status


def _ask(
    two: Two, verb: str, url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> urllib3.BaseHTTPResponse:
    """A request as a Pod makes it; the name that it was signed for is known inside the cluster only."""
    service = two.b.world.core.read_namespaced_service("store", "imagejob-system").spec
    host = url.split("/")[2]
    there = url.replace(host, f"{service.cluster_ip}:9000", 1)
    with urllib3.PoolManager(retries=False, timeout=20) as http:
        return http.request(verb, there, body=body, headers={"Host": host, **(headers or {})})


def test_the_second_tenant_works_all_the_same(two: Two) -> None:
    """What is refused is refused for its reach: B's own job in B's own store succeeds."""
    spec = {"storeRef": {"name": "own"}, "execution": SMALL}
    name = two.b.apply(image_job({"keys": ["photos/b.jpg"]}, "own", **spec))
    job = two.b.await_end(name)
    assert verdict(job)[0] == "Succeeded"
    assert condition(job, "StagingCleaned") == "True"
    assert two.own.keys("out/") == ["out/photos/b-thumb.jpg"]
