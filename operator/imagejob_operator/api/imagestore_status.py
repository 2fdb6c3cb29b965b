"""How an ImageStore stands: one reason, in words too, and when to look again."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime, timedelta

from imagejob_operator.api.errors import bounded
from imagejob_operator.api.imagestore import ImageStore, StoreStatus
from imagejob_operator.api.status import Condition
from imagejob_operator.backoff import Backoff


class StoreReason(enum.StrEnum):
    """Reasons of the condition Ready of an ImageStore."""

    READY = "Ready"
    INVALID_SPEC = "InvalidSpec"
    ENDPOINT_NOT_ALLOWED = "EndpointNotAllowed"
    SECRET_NOT_FOUND = "SecretNotFound"  # noqa: S105  (a reason)
    SECRET_INVALID = "SecretInvalid"  # noqa: S105  (a reason)
    SERVICE_ACCOUNT_NOT_FOUND = "ServiceAccountNotFound"
    CONFIG_MAP_NOT_FOUND = "ConfigMapNotFound"
    CA_BUNDLE_INVALID = "CABundleInvalid"
    NOT_PERMITTED = "NotPermitted"
    IDENTITY_REFUSED = "IdentityRefused"
    CREDENTIALS_REFUSED = "CredentialsRefused"
    BUCKET_NOT_FOUND = "BucketNotFound"
    UNREACHABLE = "Unreachable"


@dataclass(frozen=True, slots=True)
class Readiness:
    """How a store stands: as it was found, and in words."""

    reason: StoreReason
    message: str = ""

    @property
    def ready(self) -> bool:
        """Whether jobs may use it."""
        return self.reason is StoreReason.READY


RECHECK_PERIOD = timedelta(minutes=5)
"""When a store that is ready is looked at again."""
RETRY = Backoff(timedelta(seconds=2), timedelta(minutes=1), jitter=0.5)
"""When one that is not is looked at again; with jitter, since one object store that is away may hold many."""


def next_check(standing: Readiness, failed: int, draw: float = 0.0) -> timedelta:
    """After which time a store is looked at again.

    Args:
        standing: how it was found.
        failed: how many looks in a row did not find it ready.
        draw: a random number from 0 to 1, for the jitter.
    """
    return RECHECK_PERIOD if standing.ready else RETRY.pause(failed, draw)


def said(store: ImageStore, standing: Readiness, now: datetime) -> StoreStatus:
    """The status that says how a store stands."""
    before = next((c for c in store.status.conditions if c.type == "Ready"), None)
    value = "True" if standing.ready else "False"
    since = before.last_transition_time if before and before.status == value else now.replace(microsecond=0)
    condition = Condition(
        type="Ready",
        status=value,
        reason=standing.reason.value,
        message=bounded(standing.message),
        last_transition_time=since,
        observed_generation=store.generation,
    )
    return StoreStatus(observed_generation=store.generation, conditions=(condition,))
