"""Orders for bare Pods, which no ImageJob has."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from capacity.objects import PHOTO, photo_job
from demo import stack
from demo.kubectl import Kubectl
from imagejob_contract.order import Order, OrderItem, Upload
from imagejob_contract.recipe import Rendition
from imagejob_contract.result import MAX_OUTPUT_BYTES, PROGRESS_BYTES
from imagejob_operator.adapters.s3.store import S3Store
from imagejob_operator.api.spec import Limits, item_limits
from imagejob_operator.api.store_location import StoreLocation
from imagejob_operator.ports.credentials import Credentials

LIFETIME = timedelta(hours=1)


class Orders:
    """Writes orders for one photo to the operator's store."""

    def __init__(self, kubectl: Kubectl, address: str, namespace: str) -> None:
        settings = kubectl.get("configmap", stack.OPERATOR, "-n", stack.NAMESPACE)["data"]
        credentials = Credentials(*stack.store_keys(kubectl))
        location = StoreLocation(address, settings["IMAGEJOB_STORE_BUCKET"], secure=False)
        self._store = S3Store(location, lambda: credentials)
        self._root = f"{namespace}/"

    async def write_photo(self, data: bytes) -> None:
        """Write the photo."""
        await self._store.put(self._root + PHOTO, data, "image/jpeg")

    async def write(self, name: str) -> str:
        """Write an order for the renditions of an ImageJob; the URL of the order."""
        store, below = self._store, f"{self._root}bare/{name}/"
        source = await store.stat(self._root + PHOTO)
        form = store.sign_post(f"{below}out/", MAX_OUTPUT_BYTES, LIFETIME)
        order = Order(
            version=1,
            job=name,
            run=1,
            shard=0,
            attempt=1,
            items=(OrderItem(0, PHOTO, store.sign_get(source.key, LIFETIME), source.etag),),
            renditions=msgspec.convert(photo_job(name)["spec"]["renditions"], tuple[Rendition, ...]),
            limits=item_limits(Limits()),
            upload=Upload(form.url, form.key_prefix, dict(form.fields), MAX_OUTPUT_BYTES),
            result_url=store.sign_put(f"{below}result", LIFETIME),
            progress_url=store.sign_puts(below, ["progress"], [PROGRESS_BYTES], LIFETIME).url_of("progress"),
        )
        await store.put(f"{below}order", msgspec.json.encode(order), "application/json")
        return store.sign_get(f"{below}order", LIFETIME)

    async def outputs(self, name: str) -> list[int]:
        """The sizes of the outputs that the Pod with this order has stored."""
        found = self._store.walk(f"{self._root}bare/{name}/out/")
        return sorted([stored.size async for stored in found])

    async def published(self, name: str) -> list[int]:
        """The sizes of the outputs that an ImageJob has published."""
        found = self._store.walk(f"{self._root}out/{name}/")
        return sorted([stored.size async for stored in found])

    def close(self) -> None:
        """Close the connections."""
        self._store.close()
