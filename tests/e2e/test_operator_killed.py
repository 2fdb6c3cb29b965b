"""The operator of one job is killed (SIGKILL) in each phase: it succeeds, and nothing is done twice."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from e2e.audit import pods_made
from e2e.faults.arena import store_proxy
from e2e.faults.store_faults import held
from e2e.faults.store_proxy import Rule, StoreProxy
from e2e.world import Job, OperatorProcess, Shop, image_job, phase, until, verdict
from localcluster.cluster import Status

SIDES = (48, 64, 80, 96, 112, 128)


def many_outputs(keys: list[str]) -> Job:
    """Four shards, two at a time, so that each phase lasts long enough to be met."""
    renditions = [
        {
            "name": f"side-{side}",
            "steps": [{"resize": {"width": side, "height": side, "fit": "Cover"}}],
            "output": {"format": "JPEG"},
        }
        for side in SIDES
    ]
    return image_job({"keys": keys}, renditions=renditions, execution={"parallelism": 2, "itemsPerPod": 3})


def test_killed_in_each_phase(shop: Shop, where: Status, large_photo: bytes) -> None:
    keys = shop.upload_copies(large_photo, 10)
    since = shop.world.audit.mark()
    with store_proxy(shop.world, where.host_address) as proxy:
        operator = OperatorProcess(shop.world)
        with copies_held(proxy, shop) as copies:
            name = shop.apply(many_outputs(keys))
            kill_in("Staging", shop, name, operator, copies)
        for wanted in ("Launching", "Running"):
            operator.replace()
            kill_in(wanted, shop, name, operator)
        with copies_held(proxy, shop) as copies:
            operator.replace()
            kill_in("Publishing", shop, name, operator, copies)
        operator.replace()
        shop.world.await_operator()
        job = shop.await_end(name, seconds=90)
    assert verdict(job) == ("Succeeded", "", "")
    expected = sorted(f"out/{key.removesuffix('.jpg')}-side-{side}.jpg" for key in keys for side in SIDES)
    assert shop.outputs() == expected
    report = shop.report(job)
    assert sorted(o["key"] for item in report["items"] for o in item["outputs"]) == expected
    assert job["status"]["run"]["shards"]["attempts"] == "0-3=1"
    assert job["status"]["run"]["number"] == 1
    shop.await_clean()
    shop.await_job(name, lambda j: not j["metadata"].get("finalizers"), "its finalizer is gone")
    assert [(e.type, e.reason) for e in shop.await_events(name)] == [("Normal", "Succeeded")]
    writes = shop.world.audit.writes(since, namespace=shop.name)
    made = pods_made(writes)
    assert len(made) == len(set(made)) == 4, made


@contextmanager
def copies_held(proxy: StoreProxy, shop: Shop) -> Iterator[Rule]:
    """Copying is over in no time: here it is not done before the operator is dead, and then it is."""
    released = threading.Event()
    with proxy.rule(Rule(held(released), ("copy",), (f"{shop.name}/",))) as copies:
        try:
            yield copies
        finally:
            released.set()


def kill_in(
    wanted: str, shop: Shop, name: str, operator: OperatorProcess, copies: Rule | None = None
) -> None:
    """Kill the operator in that phase, in a copy if it makes any; it must not have got further."""
    shop.await_phase(name, wanted)
    if copies:
        until("a copy is under way", lambda: copies.hits, 30)
    operator.kill()
    assert phase(shop.get(name)) == wanted, "the operator got further before it died"
