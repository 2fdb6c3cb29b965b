"""Hostile objects of one tenant, and twenty jobs of another one that must not notice them.

The CRD no longer admits some of the objects. An older CRD did, and the operator reads what is stored. The
test creates them without bounds while the operator is down, so that it reads them at its start.
"""

from __future__ import annotations

import base64
import json
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from typing import Any

import pytest
import urllib3
import yaml
from kubernetes import client, watch

from demo.stack import NAMESPACE, OPERATOR
from e2e.world import (
    GROUP,
    LARGE,
    LEASE,
    NEVER_STARTS,
    PLURAL,
    SMALL,
    VERSION,
    Job,
    Shop,
    World,
    image_job,
    until,
    verdict,
)
from localcluster.paths import repository

HONEST = 20
SUSPENDED = 100
SLOW = 8
"""Large photos for one Pod, so that it still runs when the operator is stopped."""
INLINE = 512 * 1024
FRESH = 5.0
"""Seconds: how old what the status says may be, at the 99th percentile."""
SLOWDOWN = 2.0
"""On a machine so busy that it is older without hostile objects: how many times as old."""
BOUNDS = {"pattern", "maxLength", "maxItems", "maximum", "x-kubernetes-validations"}
INVALID = ("Failed", "JOB_001", "InvalidSpec")
RESULTS = ("Failed", "JOB_005", "ResultsInvalid")
LONG_KEY = "/".join(["a"] * 500)
HOSTILE_GLOB = "/".join(["**"] * 80)


def pod_with(**limits: str) -> dict[str, Any]:
    return {"execution": {"podTemplate": {"resources": {"limits": limits}}}}


STORED: dict[str, tuple[dict[str, Any], tuple[str, str, str]]] = {
    "memory-exponent": (pod_with(memory="1e9999999999999999999"), INVALID),
    "cpu-exponent": (pod_with(cpu="1e1000000"), INVALID),
    "many-stars": (
        {
            "source": {"match": {"prefix": "a/", "include": [f"{HOSTILE_GLOB}/{n}" for n in range(16)]}},
        },
        ("Failed", "JOB_002", "SourceEmpty"),
    ),
    "item-size": ({"limits": {"itemSize": "1e99999999999"}}, INVALID),
}
"""Spec and verdict of what an older CRD admitted, by name."""


# --- what is hostile -------------------------------------------------------------------------------------


def without_bounds(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {name: without_bounds(value) for name, value in schema.items() if name not in BOUNDS}
    if isinstance(schema, list):
        return [without_bounds(value) for value in schema]
    return schema


@contextmanager
def older_crd(world: World, namespace: str) -> Iterator[None]:
    """ImageJobs are admitted without bounds during the block."""
    shipped = repository() / "crds" / "imagejob.yaml"
    crd = yaml.safe_load(shipped.read_text())
    crd["spec"] = without_bounds(crd["spec"])
    apply = ("apply", "--server-side", "--force-conflicts", "-f")
    world.kubectl(*apply, "-", stdin=yaml.safe_dump(crd))
    try:
        until("the bounds are gone", lambda: admits_exponents(world, namespace), 30)
        yield
    finally:
        world.kubectl(*apply, str(shipped))
        until("the bounds are back", lambda: not admits_exponents(world, namespace), 30)


def admits_exponents(world: World, namespace: str) -> bool:
    body = image_job({"keys": ["a.jpg"]}, "probe", **pod_with(memory="1e9999999999999999999"))
    create = world.objects.create_namespaced_custom_object
    try:
        create(GROUP, VERSION, namespace, PLURAL, body, dry_run="All")
    except client.ApiException:
        return False
    return True


def inline(size: int) -> dict[str, Any]:
    """A source of inline files with so many bytes in all."""
    data = base64.b64encode(os.urandom(size // 8)).decode()
    return {"inline": [{"name": f"{number}.jpg", "data": data} for number in range(8)]}


def order_of(shop: Shop, name: str) -> dict[str, Any]:
    """The order of the job's Pod, as everybody can read it who may read Secrets in the namespace."""
    found: list[str] = []

    def look() -> list[str]:
        label = "app.kubernetes.io/managed-by"
        secrets = shop.world.core.list_namespaced_secret(shop.name, label_selector=label).items
        found[:] = [s.data["order-url"] for s in secrets if s.metadata.name.startswith(f"{name}-")]
        return found

    until("the Pod has its order", look, 60)
    order: dict[str, Any] = json.loads(request(shop.world, "GET", base64.b64decode(found[0]).decode()).data)
    return order


def request(world: World, verb: str, url: str, body: bytes | None = None) -> urllib3.BaseHTTPResponse:
    service = world.core.read_namespaced_service("store", NAMESPACE).spec
    host = url.split("/")[2]
    there = url.replace(host, f"{service.cluster_ip}:9000", 1)
    with urllib3.PoolManager(retries=False, timeout=30) as http:
        answer = http.request(verb, there, body=body, headers={"Host": host})
    assert answer.status < 300, (verb, answer.status, answer.data[:300])
    return answer


def forged(order: Mapping[str, Any]) -> dict[str, bytes]:
    """Results that the tenant puts in the place of the Pod's, by the name of the job."""
    head = {"version": 1, "shard": order["shard"], "attempt": order["attempt"]}
    error = {"code": "IMG_001", "message": "forged"}
    failed = [{"index": item["index"], "error": error} for item in order["items"]]
    bogus = [{"rendition": "bogus", "bytes": 1, "width": 1, "height": 1, "sha256": "0" * 64}]
    return {
        "bogus-output": lines(head, {**failed[0], "outputs": bogus}, *failed[1:]),
        "many-records": lines(head, *failed * 30_000),
        "deep": lines(head) + b"\n" + b"[" * 2_000_000,
        "not-json": b"\xff\x00" * 1000,
    }


def lines(*records: Mapping[str, Any]) -> bytes:
    return "\n".join(map(json.dumps, records)).encode()


FORGED = ("bogus-output", "many-records", "deep", "not-json")


def impostor(pod: client.V1Pod) -> dict[str, Any]:
    """A Pod for another namespace that has the name, the labels and the owner of an attempt."""
    owners = client.ApiClient().sanitize_for_serialization(pod.metadata.owner_references)
    for owner in owners:
        owner["blockOwnerDeletion"] = False
    metadata = {"name": pod.metadata.name, "labels": pod.metadata.labels, "ownerReferences": owners}
    return {"metadata": metadata, "spec": NEVER_STARTS}


def fail(world: World, pod: client.V1Pod, namespace: str) -> None:
    """Create an impostor of a Pod, and let it fail."""
    core = world.core
    state = {"terminated": {"exitCode": 1, "reason": "Error"}}
    status = {
        "name": "processor",
        "image": "",
        "imageID": "",
        "ready": False,
        "restartCount": 0,
        "state": state,
    }
    body = {"status": {"phase": "Failed", "containerStatuses": [status]}}

    def failed() -> bool:
        # The garbage collector deletes it at some moment, since its owner is not in this namespace.
        try:
            core.create_namespaced_pod(namespace, impostor(pod))
            core.patch_namespaced_pod_status(pod.metadata.name, namespace, body)
        except client.ApiException as error:
            if error.status not in (404, 409):
                raise
            return False
        return True

    until(f"the impostor of {pod.metadata.name} has failed", failed, 30)


# --- the operator ----------------------------------------------------------------------------------------


class OperatorLease:
    """Who holds the Lease, and how often the operator's container was restarted."""

    def __init__(self, world: World) -> None:
        self._world = world

    def state(self) -> tuple[str, int, int]:
        """The holder, the number of hand-overs, the restarts of the container."""
        lease = client.CoordinationV1Api(self._world.api).read_namespaced_lease(LEASE, NAMESPACE).spec
        (container,) = self._world.pod_of(OPERATOR).status.container_statuses
        return lease.holder_identity, lease.lease_transitions or 0, container.restart_count


def replace_operator(world: World) -> None:
    """Delete its Pod, and wait for another one: the Deployment does not know of it at once."""
    before = world.pod_of(OPERATOR).metadata.name
    world.core.delete_namespaced_pod(before, NAMESPACE)

    def replaced() -> bool:
        with suppress(AssertionError):
            pod = world.pod_of(OPERATOR)
            return pod.metadata.name != before and any(c.ready for c in pod.status.container_statuses or ())
        return False

    until("another operator is ready", replaced, 60)


def scale(world: World, replicas: int) -> None:
    world.kubectl("scale", "-n", NAMESPACE, f"deployment/{OPERATOR}", f"--replicas={replicas}")
    if replicas:
        world.await_operator()
        return
    label = f"app.kubernetes.io/name={OPERATOR}"
    listed = world.core.list_namespaced_pod
    until("the operator is down", lambda: not listed(NAMESPACE, label_selector=label).items, 60)


# --- freshness -------------------------------------------------------------------------------------------


class Freshness:
    """How long each job's status lags behind its object, and behind the end of its Pod."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._created: dict[str, float] = {}
        self._met: dict[str, float] = {}
        self._ended: dict[str, float] = {}
        self._reported: dict[str, float] = {}
        self._over = threading.Event()
        objects, core = shop.world.objects, shop.world.core
        jobs = (objects.list_namespaced_custom_object, GROUP, VERSION, shop.name, PLURAL)
        pods = (core.list_namespaced_pod, shop.name)
        self._threads = [
            threading.Thread(target=self._follow, args=(self._job, *jobs), daemon=True),
            threading.Thread(target=self._follow, args=(self._pod, *pods), daemon=True),
        ]

    def __enter__(self) -> Freshness:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(10)

    def _follow(self, note: Callable[[Any, float], None], listed: Any, *where: str) -> None:
        while not self._over.is_set():
            stream = watch.Watch().stream(listed, *where, timeout_seconds=3)
            # The API server may not know the version to go on from yet: the next watch lists again.
            with closing(stream), suppress(client.ApiException):
                for event in stream:
                    note(event["object"], time.monotonic())

    def _job(self, job: Job, now: float) -> None:
        name, phase = job["metadata"]["name"], job.get("status", {}).get("phase", "")
        self._created.setdefault(name, now)
        if phase:
            self._met.setdefault(name, now)
        if phase in ("Publishing", "Succeeded", "Cleaning"):
            self._reported.setdefault(name, now)

    def _pod(self, pod: client.V1Pod, now: float) -> None:
        if pod.status.phase == "Succeeded":
            self._ended.setdefault(pod.metadata.owner_references[0].name, now)

    def lags(self) -> list[tuple[float, str]]:
        """All lags in seconds, the shortest first, with the job and what was late."""
        pairs = (("start", self._created, self._met), ("end", self._ended, self._reported))
        return sorted(
            (end[name] - begin[name], f"{what} of {name}")
            for what, begin, end in pairs
            for name in begin
            if name in end
        )


# --- the test --------------------------------------------------------------------------------------------


@pytest.fixture
def hostile(world: World) -> Iterator[Shop]:
    made = Shop(world, f"e2e-hostile-{uuid.uuid4().hex[:6]}")
    yield made
    made.close()


@pytest.fixture
def stray(world: World) -> Iterator[str]:
    """A namespace that the operator does not serve."""
    name = f"e2e-stray-{uuid.uuid4().hex[:6]}"
    world.core.create_namespace({"metadata": {"name": name}})
    yield name
    world.core.delete_namespace(name)


def honest(shop: Shop, kind: str, numbers: range) -> list[str]:
    keys = shop.upload_photos("china.jpg", "chelsea.png")
    jobs = [
        image_job({"keys": keys}, f"{kind}-{n}", destination={"prefix": f"{kind}/{n}/"}, execution=SMALL)
        for n in numbers
    ]
    return [shop.apply(job) for job in jobs]


def lag_of_honest_jobs(
    world: World, shop: Shop, kind: str, disturb: Callable[[client.V1Pod], None]
) -> tuple[float, str]:
    """The 99th percentile of the status's lag, and what it is of: jobs run, half of them with a new operator.

    `disturb` is called with each of the first Pods.
    """
    lease = OperatorLease(world)
    begun = lease.state()
    with Freshness(shop) as freshness:
        first = honest(shop, kind, range(HONEST // 2))
        pods = world.core.list_namespaced_pod
        until("a Pod of an honest job", lambda: pods(shop.name).items, 30)
        for pod in pods(shop.name).items:
            disturb(pod)
        ends = [verdict(shop.await_end(name, 120)) for name in first]
        assert lease.state() == begun
        replace_operator(world)
        again = lease.state()
        assert again[0] != begun[0]
        second = honest(shop, kind, range(HONEST // 2, HONEST))
        ends += [verdict(shop.await_end(name, 120)) for name in second]
    lags = freshness.lags()
    assert ends == [("Succeeded", "", "")] * HONEST
    assert lease.state() == again, "the Lease changed hands by itself, or the operator was restarted"
    assert len(lags) >= HONEST
    return lags[int(len(lags) * 0.99)]


@pytest.mark.timeout(600, func_only=True)
def test_no_hostile_object_stops_or_slows_another_tenant(
    world: World, shop: Shop, hostile: Shop, stray: str, large_photo: bytes, figures: list[str]
) -> None:
    undisturbed, _ = lag_of_honest_jobs(world, shop, "alone", lambda pod: None)

    hostile.upload(f"{LONG_KEY}.jpg", b"x")
    slow = {"keys": hostile.upload_copies(large_photo, SLOW)}
    for name in FORGED:
        spec = {
            "renditions": [LARGE],
            "destination": {"prefix": f"{name}/"},
            "execution": {**SMALL, "parallelism": 1},
        }
        hostile.apply(image_job(slow, name, **spec))
    orders = {name: order_of(hostile, name) for name in FORGED}
    scale(world, 0)
    try:
        finished = {"Succeeded", "Failed"}
        pods = world.core.list_namespaced_pod
        until(
            "the hostile Pods have run",
            lambda: [p.status.phase in finished for p in pods(hostile.name).items] == [True] * len(FORGED),
            120,
        )
        for name, order in orders.items():
            request(world, "PUT", order["resultUrl"], forged(order)[name])
        with older_crd(world, hostile.name):
            for name, (spec, _) in STORED.items():
                source = {"source": slow, **spec}
                body = image_job(source.pop("source"), name, **source)
                hostile.apply(body)
                world.apply(body, stray)
    finally:
        scale(world, 1)
    lease = OperatorLease(world)
    begun = lease.state()

    create = world.objects.create_namespaced_custom_object
    data = inline(INLINE)
    with ThreadPoolExecutor(4) as pool:
        bodies = [image_job(data, f"heavy-{n}", suspend=True) for n in range(SUSPENDED)]
        list(pool.map(lambda body: create(GROUP, VERSION, hostile.name, PLURAL, body), bodies))

    assert lease.state() == begun
    late, of = lag_of_honest_jobs(world, shop, "honest", lambda pod: fail(world, pod, hostile.name))
    behind = f"{late:.1f} s (p99 of {HONEST} jobs, {of}), without them {undisturbed:.1f} s"
    figures.append(f"beside hostile objects, status behind by at most: {behind}")
    assert late < max(FRESH, SLOWDOWN * undisturbed)
    wanted = {name: end for name, (_, end) in STORED.items()} | dict.fromkeys(FORGED, RESULTS)
    assert {name: verdict(hostile.await_end(name, 60)) for name in wanted} == wanted
    assert hostile.staging() == []
