"""One photo on an idle real node: by an ImageJob, and by a bare Pod that does the same work."""

from __future__ import annotations

import asyncio
import statistics
from contextlib import closing
from time import monotonic

from capacity.objects import bare_pod, photo_job
from capacity.orders import Orders
from capacity.place import Place, connected
from capacity.sizes import Sizes
from capacity.timeline import Timeline, followed
from demo import photos
from imagejob_operator.adapters.kubernetes.session import KubeHTTP
from localcluster.progress import step
from scale.drive import LoadFailed
from scale.figures import Figures
from scale.objects import Kind
from simulated.api import Object
from simulated.installation import prepare

SHOP = "latency"
PATIENCE = 120.0


def measure(place: Place, sizes: Sizes) -> Figures:
    """The times of pairs, taken in turn on the real node."""
    address = prepare(place.kubectl, SHOP, [])
    with closing(Orders(place.kubectl, address, SHOP)) as orders:
        return asyncio.run(_measure(place, orders, sizes.pairs))


async def _measure(place: Place, orders: Orders, pairs: int) -> Figures:
    await orders.write_photo(photos.photo(photos.LARGE))
    async with connected(place) as http, followed(http, SHOP) as timeline:
        lab = _Lab(http, timeline, orders)
        await lab.warm_up()
        jobs: list[Figures] = []
        pods: list[Figures] = []
        with step(f"{pairs} pairs"):
            for number in range(pairs):
                # The second of a pair may find a node that is less idle.
                if number % 2:
                    pods.append(await lab.bare_pod(f"pod-{number}"))
                jobs.append(await lab.image_job(f"job-{number}"))
                if not number % 2:
                    pods.append(await lab.bare_pod(f"pod-{number}"))
    return _figures(jobs, pods)


def _figures(jobs: list[Figures], pods: list[Figures]) -> Figures:
    median, pairs = statistics.median, list(zip(jobs, pods, strict=True))
    differences = [job["seconds"] - pod["seconds"] for job, pod in pairs]
    return {
        "pairs": len(pairs),
        "imageJobSeconds": median(job["seconds"] for job in jobs),
        "podSeconds": median(pod["seconds"] for pod in pods),
        "differenceSeconds": median(differences),
        "differences": [min(differences), max(differences)],
        "podContainerSeconds": median(pod["containerSeconds"] for pod in pods),
        "differenceToContainer": median(job["seconds"] - pod["containerSeconds"] for job, pod in pairs),
        "untilPodCreated": median(job["untilPodCreated"] for job in jobs),
        "untilContainerEnded": median(job["untilContainerEnded"] for job in jobs),
        "afterContainer": median(job["seconds"] - job["untilContainerEnded"] for job in jobs),
    }


class _Lab:
    """Runs one object after another in the namespace, which is empty between them."""

    def __init__(self, http: KubeHTTP, timeline: Timeline, orders: Orders) -> None:
        self._http, self._timeline, self._orders = http, timeline, orders
        self._like: Object = {}
        """The Pod of an ImageJob, which bare Pods are like."""

    async def warm_up(self) -> None:
        """Run one of each; they must have stored the same outputs."""
        await self._run(Kind.IMAGE_JOB, photo_job("warm-up"))
        self._like = self._pod_of("warm-up")
        await self._delete(Kind.IMAGE_JOB, "warm-up")
        await self.bare_pod("warm-up")
        made, published = await self._orders.outputs("warm-up"), await self._orders.published("warm-up")
        if not made or made != published:
            raise LoadFailed(f"the bare Pod stored outputs of {made} bytes, the ImageJob {published}")

    async def image_job(self, name: str) -> Figures:
        """The seconds from the request until Succeeded, and until two steps on the way."""
        begun, ended = await self._run(Kind.IMAGE_JOB, photo_job(name))
        pod = self._pod_of(name)["metadata"]["name"]
        # The operator may know the end of the container before it is seen here.
        await self._timeline.until_succeeded(Kind.POD, pod, PATIENCE)
        figures = {
            "seconds": ended - begun,
            "untilPodCreated": self._timeline.first[Kind.POD, pod] - begun,
            "untilContainerEnded": self._timeline.container_ended[pod] - begun,
        }
        await self._delete(Kind.IMAGE_JOB, name)
        return figures

    async def bare_pod(self, name: str) -> Figures:
        """The seconds from the request until Succeeded, and until its container has ended."""
        # Written before, which takes no time of the Pod.
        url = await self._orders.write(name)
        begun, ended = await self._run(Kind.POD, bare_pod(name, self._like, url))
        figures = {"seconds": ended - begun, "containerSeconds": self._timeline.container_ended[name] - begun}
        await self._delete(Kind.POD, name)
        return figures

    async def _run(self, kind: Kind, body: Object) -> tuple[float, float]:
        begun = monotonic()
        await self._http.request("POST", kind.path(SHOP), body)
        return begun, await self._timeline.until_succeeded(kind, body["metadata"]["name"], PATIENCE)

    def _pod_of(self, name: str) -> Object:
        owned = [
            found
            for (kind, _), found in self._timeline.objects.items()
            if kind is Kind.POD and found["metadata"].get("ownerReferences", [{}])[0].get("name") == name
        ]
        if len(owned) != 1:
            raise LoadFailed(f"ImageJob {name} has {len(owned)} Pods, not one")
        return owned[0]

    async def _delete(self, kind: Kind, name: str) -> None:
        await self._http.request("DELETE", f"{kind.path(SHOP)}/{name}?propagationPolicy=Background")
        await self._timeline.until(lambda: not self._timeline.objects, f"the deletion of {name}", PATIENCE)
