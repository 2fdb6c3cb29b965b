"""Rights that few runs need: the operator has them, and uses them for what they are granted."""

from __future__ import annotations

from pathlib import Path

import yaml

from e2e.tenants import SHIPPED
from e2e.world import GROUP, LARGE, NEVER_STARTS, VERSION, Shop, image_job, until, verdict
from imagejob_operator.api.imagejob import Key, attempt_name
from imagejob_operator.api.status import RunPlace
from localcluster.paths import repository

AUTHORITY = Path(__file__).parents[1] / "unit" / "adapters" / "authority.crt"
GRANT = repository() / "manifests" / "tenant" / "imagestore-role.yaml"


def test_an_image_store_with_an_authority_and_a_web_identity(shop: Shop) -> None:
    """The shipped Role lets the operator read the ConfigMap and make a token, which no service takes here."""
    for body in yaml.safe_load_all(GRANT.read_text()):
        shop.world.apply(body, shop.name)
    core = shop.world.core
    core.create_namespaced_service_account(shop.name, {"metadata": {"name": "image-robot"}})
    data = {"ca.crt": AUTHORITY.read_text()}
    core.create_namespaced_config_map(shop.name, {"metadata": {"name": "store-authority"}, "data": data})
    spec = {
        "endpoint": SHIPPED,
        "bucket": "media",
        "tls": {"mode": "Disabled", "caBundleRef": {"name": "store-authority", "key": "ca.crt"}},
        "auth": {"webIdentity": {"serviceAccountName": "image-robot", "endpoint": SHIPPED}},
    }
    body = {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "ImageStore",
        "metadata": {"name": "media"},
        "spec": spec,
    }
    since = shop.world.audit.mark()
    shop.world.apply(body, shop.name)

    def tokens() -> list[int]:
        writes = shop.world.audit.writes(since, namespace=shop.name)
        return [w.code for w in writes if w.resource == "serviceaccounts/token"]

    until("a token is made", tokens, 30)
    assert set(tokens()) == {201}
    assert ("", "configmaps", "get") in shop.world.audit.uses()


def test_a_job_is_deleted_after_its_retention(shop: Shop) -> None:
    keys = shop.upload_photos("china.jpg")
    retention = {"ttlSecondsAfterFinished": 1, "policy": "Delete"}
    name = shop.apply(image_job({"keys": keys}, retention=retention))
    shop.await_gone(name, seconds=60)
    assert shop.outputs() == ["out/photos/china-thumb.jpg"]


def test_a_pod_of_somebody_else_has_the_name_of_an_attempt(shop: Shop, large_photo: bytes) -> None:
    """The name is known when the run has begun: that of the second attempt is taken before it is needed."""
    keys = shop.upload_copies(large_photo, 20)
    name = shop.apply(image_job({"keys": keys}, renditions=[LARGE], retention={"pods": "Never"}))
    job = shop.await_phase(name, "Running")
    run = job["status"]["run"]
    place = RunPlace(run["number"], run["epoch"], run["uid"])
    first, second = (
        attempt_name(Key(shop.name, name), job["metadata"]["uid"], place, 0, number) for number in (1, 2)
    )
    body = {"metadata": {"name": second}, "spec": NEVER_STARTS}
    shop.world.core.create_namespaced_pod(shop.name, body)
    shop.world.core.delete_namespaced_pod(first, shop.name, grace_period_seconds=0)
    job = shop.await_end(name)
    assert verdict(job) == ("Failed", "JOB_003", "PodRejected")
    assert f"a Pod named {second} exists and has another owner" in job["status"]["error"]["message"]
    until("only the Pod of somebody else is left", lambda: shop.pods() == [second], 30)
    shop.world.core.delete_namespaced_pod(second, shop.name, grace_period_seconds=0)
    shop.await_clean()
