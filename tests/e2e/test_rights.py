"""Rights that few runs need: the operator has them, and uses them for what they are granted."""

from __future__ import annotations

from pathlib import Path

import yaml

from e2e.tenants import SHIPPED
from e2e.world import GROUP, VERSION, Shop, image_job, until
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
