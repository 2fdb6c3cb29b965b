"""A user names a ConfigMap, which may have 1 MiB, as the CA bundle of an ImageStore."""

from __future__ import annotations

import pytest

from fakes.memory_stores import ALLOWED, MemoryStores, image_store
from fakes.world import World
from imagejob_operator.api.imagestore import MAX_CA_BUNDLE
from imagejob_operator.api.imagestore_status import StoreReason
from imagejob_operator.ports.imagestores import NotUsable
from imagejob_operator.stores.connector import Connector

BUNDLE = {"caBundleRef": {"name": "authority"}}


@pytest.mark.parametrize(
    ("length", "admitted"), [(MAX_CA_BUNDLE, True), (MAX_CA_BUNDLE + 1, False), (10**6, False)]
)
async def test_a_ca_bundle_of_a_config_map_is_as_short_as_one_in_the_spec(
    length: int, admitted: bool
) -> None:
    """A thousand certificates hold the event loop for 0.3 seconds at each check of the ImageStore."""
    stores = MemoryStores(World().clock)
    stores.bucket("shop", "key")
    stores.secret_of("key")
    stores.config_maps["shop", "authority"] = {"ca.crt": "x" * length}
    connector = Connector(stores, stores.open, stores.exchange, ALLOWED)
    if admitted:
        opened = await connector.connect(image_store(tls=BUNDLE), None)
        assert len(opened.location.ca_bundle) == length
        return
    with pytest.raises(NotUsable, match=str(MAX_CA_BUNDLE)) as refusal:
        await connector.connect(image_store(tls=BUNDLE), None)
    assert refusal.value.reason is StoreReason.CA_BUNDLE_INVALID
