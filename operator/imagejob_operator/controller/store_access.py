"""Which stores a pending job may use: the operator's own if its namespace is admitted, and ImageStores."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from imagejob_operator.api.imagejob import ImageJob
from imagejob_operator.api.spec import InvalidSpec
from imagejob_operator.decision.observation import Admission, StoreViews
from imagejob_operator.ports.clock import Clock
from imagejob_operator.ports.imagejobs import Gone, Jobs, JobsError

LIFETIMES = {True: timedelta(seconds=10), False: timedelta(seconds=2)}
"""How long it is remembered that a namespace is admitted, or is not: the administrator may add the label."""


@dataclass
class StoreAccess:
    """Reads namespace labels, and remembers for a few seconds which namespaces are admitted."""

    jobs: Jobs
    selector: Mapping[str, str]
    clock: Clock
    views: Callable[[ImageJob], StoreViews] = lambda job: StoreViews()
    _known: dict[str, tuple[Admission, datetime]] = field(default_factory=dict, init=False)
    """By namespace, with the time until which it holds."""

    async def admission(self, job: ImageJob) -> Admission | None:
        """Whether the namespace may use the operator's own store.

        None if the job does not use that store, or the API server does not answer.
        """
        if not isinstance(job.spec, InvalidSpec) and job.spec.store_ref is not None:
            return None
        namespace, now = job.key.namespace, self.clock()
        known = self._known.get(namespace)
        if known and now < known[1]:
            return known[0]
        try:
            labels = await self.jobs.namespace_labels(namespace)
        except Gone:
            labels = {}
        except JobsError:
            return None
        missing = [f"{k}={v}" for k, v in self.selector.items() if labels.get(k) != v]
        admission = Admission(not missing, _not_admitted(namespace, missing))
        now = self.clock()
        fresh = {name: known for name, known in self._known.items() if now < known[1]}
        self._known = {**fresh, namespace: (admission, now + LIFETIMES[admission.admitted])}
        return admission


def _not_admitted(namespace: str, missing: list[str]) -> str:
    if not missing:
        return ""
    return (
        f"namespace {namespace!r} is not allowed to use the operator's store, because it does not have the "
        f"label {', '.join(missing)}; ask the administrator, or run: "
        f"kubectl label namespace {namespace} {' '.join(missing)}"
    )
