"""The time from the change of an object to the status that shows it."""

from __future__ import annotations

from scale.objects import Kind
from simulated.api import Object

SHOWS_RESULTS = ("Publishing", "Succeeded")
"""Phases of an ImageJob whose Pods have ended."""


class Freshness:
    """How long the status of ImageJobs of one Pod lags behind the object, and behind the end of the Pod.

    The times are those at which two watches of the same process delivered the changes.
    """

    def __init__(self) -> None:
        self._created: dict[str, float] = {}
        self._shown: dict[str, float] = {}
        self._pod_ended: dict[str, float] = {}
        self._results_shown: dict[str, float] = {}

    def observe(self, kind: Kind, found: Object, now: float) -> None:
        """Take one change that a watch delivered."""
        if kind is Kind.POD:
            if kind.outcome(found):
                self._pod_ended.setdefault(found["metadata"]["ownerReferences"][0]["name"], now)
            return
        name, phase = found["metadata"]["name"], found.get("status", {}).get("phase", "")
        self._created.setdefault(name, now)
        if phase:
            self._shown.setdefault(name, now)
        if phase in SHOWS_RESULTS:
            self._results_shown.setdefault(name, now)

    def lags(self) -> dict[str, list[float]]:
        """The lags in seconds: of the first status, and of the end of the Pod."""
        return {
            "firstStatus": _lags(self._created, self._shown),
            "podEnded": _lags(self._pod_ended, self._results_shown),
        }


def _lags(changed: dict[str, float], shown: dict[str, float]) -> list[float]:
    # The two watches are independent: a status can be delivered before the Pod that it is about.
    return [max(0.0, shown[name] - at) for name, at in changed.items() if name in shown]
