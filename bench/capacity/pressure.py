"""A burst while the API server and the store refuse a part of the requests."""

from __future__ import annotations

import asyncio
from collections import Counter

from prometheus_client.parser import text_string_to_metric_families

from capacity.place import NODES, Place, connected
from capacity.sizes import Sizes
from demo import stack
from imagejob_operator.adapters.kubernetes.session import KubeHTTP
from localcluster.progress import step
from scale.drive import Driver, Load
from scale.figures import Figures, quantile
from scale.objects import SOURCE, Kind
from simulated.installation import prepare
from simulated.nodes import simulated_nodes
from soak.sampling import PAGES

SHOP = "pressure"
WARM_UP = 3
STORE_REQUESTS = 4
"""How many requests MinIO serves at a time; it responds 429 to all others."""
FLOW = "flowcontrol.apiserver.k8s.io/v1"
LEVEL = {
    "apiVersion": FLOW,
    "kind": "PriorityLevelConfiguration",
    "metadata": {"name": "pressure"},
    "spec": {
        "type": "Limited",
        "limited": {
            "nominalConcurrencyShares": 1,
            "borrowingLimitPercent": 0,
            "limitResponse": {"type": "Reject"},
        },
    },
}
"""Two or three requests at a time; the API server responds 429 to all others."""
SCHEMA = {
    "apiVersion": FLOW,
    "kind": "FlowSchema",
    "metadata": {"name": "pressure"},
    "spec": {
        "priorityLevelConfiguration": {"name": "pressure"},
        "matchingPrecedence": 100,
        "rules": [
            {
                "subjects": [
                    {
                        "kind": "ServiceAccount",
                        "serviceAccount": {"namespace": stack.NAMESPACE, "name": stack.OPERATOR},
                    }
                ],
                "resourceRules": [
                    {
                        "apiGroups": ["imagejob.dev", ""],
                        "resources": ["imagejobs", "imagejobs/status", "pods", "secrets", "events"],
                        "verbs": ["get", "create", "update", "patch", "delete"],
                        "namespaces": ["*"],
                    }
                ],
            }
        ],
    },
}
API, STORE = "imagejob_api_request_duration_seconds_count", "imagejob_store_request_duration_seconds_count"


def measure(place: Place, sizes: Sizes) -> Figures:
    """How many requests were refused, and that all ImageJobs have succeeded."""
    _limit_store(place)
    prepare(place.kubectl, SHOP, [SOURCE])
    for manifest in (LEVEL, SCHEMA):
        place.kubectl.apply(manifest)
    with simulated_nodes(place.kubectl, NODES):
        return asyncio.run(_measure(place, sizes.burst))


def _limit_store(place: Place) -> None:
    """Restart MinIO with a limit."""
    setting = f"MINIO_API_REQUESTS_MAX={STORE_REQUESTS}"
    place.kubectl("set", "env", "-n", stack.NAMESPACE, f"deployment/{stack.STORE}", setting)
    stack.await_rollout(place.kubectl, stack.STORE)
    with stack.reach_store(place.kubectl) as store:
        stack.make_bucket(store)


async def _measure(place: Place, jobs: int) -> Figures:
    async with connected(place, SHOP) as http:
        driver = Driver(http, SHOP)
        await driver.run(Load(Kind.IMAGE_JOB, WARM_UP), "warm-up")
        await driver.delete(Kind.IMAGE_JOB)
        before = [await _requests(http, API, "code"), await _requests(http, STORE, "result")]
        with step(f"a burst of {jobs} ImageJobs"):
            times = await driver.run(Load(Kind.IMAGE_JOB, jobs), "burst")
        after = [await _requests(http, API, "code"), await _requests(http, STORE, "result")]
    api, store = (then - now for then, now in zip(after, before, strict=True))
    return {
        "jobs": jobs,
        "succeeded": len(times.ended),
        "lost": jobs - len(times.ended),
        "seconds": times.seconds,
        "perSecond": jobs / times.seconds,
        "p50": quantile(times.latencies(), 0.5),
        "p99": quantile(times.latencies(), 0.99),
        "apiRequests": api.total(),
        "apiRefused": api["429"],
        "storeRequests": store.total(),
        "storeRefused": store["StoreUnavailable"],
    }


async def _requests(http: KubeHTTP, name: str, label: str) -> Counter[str]:
    """The operator's requests so far, by one of their labels."""
    async with http.session.get(f"{http.server}{PAGES}/metrics") as response:
        response.raise_for_status()
        text = await response.text()
    found: Counter[str] = Counter()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == name:
                found[sample.labels[label]] += int(sample.value)
    return found
