"""Reports of deleted jobs: a sweep in this process with the operator's adapters, against the real servers."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from kubernetes.aio import client as aio
from kubernetes.aio import config as aio_config

from demo.stack import store_keys
from e2e.world import Shop, World, image_job, until, verdict
from fakes.memory_owners import GarbageCounts
from imagejob_operator.adapters.kubernetes.owners import KubeOwners
from imagejob_operator.adapters.kubernetes.session import KubeHTTP, open_session
from imagejob_operator.adapters.s3.store import S3Store
from imagejob_operator.api.store_location import StoreLocation
from imagejob_operator.decision.garbage import clock_key
from imagejob_operator.garbage.collector import GarbageCollector, GarbagePolicy
from imagejob_operator.naming.prefixes import staging_folder
from imagejob_operator.ports.credentials import Credentials


def sweep(world: World, folder: str, retention: timedelta) -> None:
    """Sweep once."""
    access, hidden = store_keys(world.kubectl)
    host, port = world.store_address()

    async def main() -> None:
        configuration = aio.Configuration()
        path = str(world.kubectl.kubeconfig)
        await aio_config.load_kube_config(config_file=path, client_configuration=configuration)
        location = StoreLocation(f"{host}:{port}", world.store.bucket, secure=False)
        store = S3Store(location, lambda: Credentials(access, hidden))
        policy = GarbagePolicy(folder, report_retention=retention)
        async with open_session(configuration) as session:
            owners = KubeOwners(KubeHTTP(configuration.host, session, lambda *call: None))
            assert await GarbageCollector(store, owners, GarbageCounts(), policy).sweep() is not None
        store.close()

    asyncio.run(main())


def test_reports_go_when_their_job_has_been_gone_for_the_retention(shop: Shop) -> None:
    keys = shop.upload_photos("china.jpg")
    for name in ("gone", "kept"):
        shop.apply(image_job({"keys": keys}, name=name, destination={"prefix": f"{name}/"}))
        assert verdict(shop.await_end(name)) == ("Succeeded", "", "")
    shop.delete("gone")
    world = shop.world
    folder = staging_folder("demo", world.cluster_uid)

    def reports() -> set[str]:
        found = world.store.keys(f".imagejob/{shop.name}/")
        return {key.split("/")[2] for key in found if key.endswith(".json")}

    assert reports() == {"gone", "kept"}
    sweep(world, folder, timedelta(days=1))
    sweep(world, folder, timedelta(days=1))
    assert reports() == {"gone", "kept"}, "the retention has not passed"
    other = staging_folder("other", world.cluster_uid)
    for _ in range(2):
        sweep(world, other, timedelta(0))
    world.store.client.remove_object(world.store.bucket, clock_key(other))
    assert reports() == {"gone", "kept"}, "another installation did not write them"

    def collected() -> bool:
        # The time of the store is in whole seconds, and may be before the moment of the deletion.
        sweep(world, folder, timedelta(0))
        return reports() == {"kept"}

    until("the reports of the deleted job are gone", collected, 10)
    assert shop.outputs("gone/"), "outputs stay"
