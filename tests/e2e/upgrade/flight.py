"""ImageJobs in flight: one for each phase, which stays in it until it is released."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from e2e.faults.store_faults import held
from e2e.faults.store_proxy import POD, Rule, StoreProxy
from e2e.tenants import Tenant
from e2e.test_suspend import wish
from e2e.world import Shop, image_job
from imagejob_operator.api.phase import TERMINAL, Phase

LABEL = "imagejob-upgrade"
"""Of the node, once the Pod that waits for it may start."""
PHOTOS = ("china", "flower")
SUCCEEDED = ("Succeeded", "", "")
CANCELLED = ("Cancelled", "JOB_008", "Cancelled")
ENDS = {
    Phase.PENDING: SUCCEEDED,
    Phase.VALIDATING: ("Succeeded", "", "Validated"),
    Phase.STAGING: SUCCEEDED,
    Phase.LAUNCHING: SUCCEEDED,
    Phase.RUNNING: SUCCEEDED,
    Phase.PUBLISHING: SUCCEEDED,
    Phase.SUSPENDED: SUCCEEDED,
    Phase.SUCCEEDED: SUCCEEDED,
    Phase.CANCELLING: CANCELLED,
    Phase.CANCELLED: CANCELLED,
    Phase.FAILING: ("Failed", "JOB_005", "ItemsFailed"),
    Phase.FAILED: ("Failed", "JOB_002", "SourceNotFound"),
}
"""How the job of each phase ends; that of Deleting is gone."""
NOWHERE = {"execution": {"podTemplate": {"nodeSelector": {"no": "such-node"}}}}
SPECS: dict[Phase, dict[str, Any]] = {
    Phase.PENDING: {"storeRef": {"name": "media"}},
    Phase.VALIDATING: {"run": {"id": "1", "mode": "Validate"}},
    Phase.LAUNCHING: {"execution": {"podTemplate": {"nodeSelector": {LABEL: "yes"}}}},
    Phase.SUSPENDED: {"suspend": True},
    Phase.CANCELLING: NOWHERE,
    Phase.DELETING: NOWHERE,
    Phase.CANCELLED: {"cancelRunID": "1"},
}


class Flight:
    """The jobs of one namespace, named after the phases in which they are held."""

    def __init__(self, shop: Shop, proxy: StoreProxy, tenant: Tenant) -> None:
        self._shop = shop
        self._proxy = proxy
        self._tenant = tenant

    @contextmanager
    def held(self) -> Iterator[None]:
        """Start the jobs and hold each in its phase during the block."""
        shop, released = self._shop, threading.Event()
        with ExitStack() as rules:
            rules.callback(released.set)

            def hold(operation: str, about: str, who: str = "") -> None:
                rule = Rule(held(released), (operation,), (about,), who)
                rules.enter_context(self._proxy.rule(rule))

            hold("list", f"{shop.name}/validating/")
            hold("copy", f"{shop.name}/staging/")
            hold("copy", f"{shop.name}/out/publishing/")
            for wanted in Phase:
                uid = self._start(wanted)
                if wanted is Phase.RUNNING:
                    hold("get", uid, POD)
                if wanted in (Phase.CANCELLING, Phase.FAILING, Phase.DELETING):
                    hold("delete", uid)
            for name in ("cancelling", "deleting"):
                shop.await_phase(name, Phase.LAUNCHING, seconds=120)
            wish(shop, "cancelling", cancelRunID="1")
            shop.start_deletion("deleting")
            for wanted in Phase:
                if wanted in TERMINAL:
                    shop.await_end(wanted.lower(), seconds=120)
                else:
                    shop.await_phase(wanted.lower(), wanted, seconds=120)
            yield

    def release(self) -> None:
        """Let those go on that wait for something else than the store."""
        self._tenant.declare("media")
        self._shop.world.core.patch_node(self._node(), {"metadata": {"labels": {LABEL: "yes"}}})
        wish(self._shop, "suspended", suspend=False)

    def close(self) -> None:
        """Take the label from the node."""
        self._shop.world.core.patch_node(self._node(), {"metadata": {"labels": {LABEL: None}}})

    def expected(self) -> list[str]:
        """The keys that the jobs publish, all in the store of the operator."""
        done = [at for at, end in ENDS.items() if end == SUCCEEDED]
        return sorted(f"out/{at.lower()}/{name}-thumb.jpg" for at in done for name in ("china", "flower"))

    def _start(self, wanted: Phase) -> str:
        """Create the job of a phase; its uid."""
        name, shop = wanted.lower(), self._shop
        if wanted is not Phase.FAILED:
            keys = shop.upload_photos(*(f"{photo}.jpg" for photo in PHOTOS), prefix=f"{name}/")
            if wanted is Phase.PENDING:
                for key in keys:
                    self._tenant.upload(key, shop.read(f"{shop.name}/{key}"))
        if wanted is Phase.FAILING:
            shop.upload(f"{name}/bad.jpg", b"this is no picture")
        source = {"keys": ["none.jpg"]} if wanted is Phase.FAILED else {"match": {"prefix": f"{name}/"}}
        more = {"destination": {"prefix": f"out/{name}/"}, **SPECS.get(wanted, {})}
        shop.apply(image_job(source, name, **more))
        uid: str = shop.get(name)["metadata"]["uid"]
        return uid

    def _node(self) -> str:
        (node,) = self._shop.world.core.list_node().items
        name: str = node.metadata.name
        return name
