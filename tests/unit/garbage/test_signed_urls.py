"""No URL that is signed for a staging outlives what its manifest says."""

from __future__ import annotations

from datetime import datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import msgspec

from fakes.memory_cluster import idle
from fakes.world import World
from imagejob_contract.order import Order
from imagejob_operator.documents.staging import MAX_MANIFEST_BYTES, manifest_key, read_manifest


def ends(url: str) -> datetime:
    return datetime.fromisoformat(parse_qs(urlsplit(url).query)["until"][0])


async def test_every_url_of_every_order_ends_before_the_manifest_says() -> None:
    # Attempts that never begin are launched until the start deadline, which here is the active deadline.
    world = World(idle)
    world.create(execution={"itemsPerPod": 1, "activeDeadlineSeconds": 600, "startDeadlineSeconds": 600})
    untils: list[datetime] = []

    async def note(operation: str, about: str, done: bool) -> None:
        if operation != "put" or "/orders/" not in about or not done:
            return
        order = msgspec.json.decode(world.store.objects[about].data, type=Order)
        untils.extend([ends(order.result_url), datetime.fromisoformat(order.upload.fields["x-until"])])
        untils.extend(ends(item.url) for item in order.items)

    world.store.hooks.install(note)
    await world.run(until=lambda: len(world.cluster.attempts()) == 2)
    # One attempt is lost in the last second, and is launched again.
    world.clock.advance_to(world.clock.now + timedelta(seconds=590))
    _, attempt = world.cluster.attempts()[0]
    world.cluster.take_away("shop", attempt.name)
    prefix = world.job.status.staging.prefix if world.job.status.staging else ""
    manifest = read_manifest(await world.store.read(manifest_key(prefix), MAX_MANIFEST_BYTES))
    await world.run(until=lambda: world.job.status.phase == "Failing")
    assert manifest.urls_until is not None
    assert len(untils) == 9
    assert max(untils) <= manifest.urls_until
