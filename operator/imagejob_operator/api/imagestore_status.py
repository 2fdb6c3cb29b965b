"""The readiness of an ImageStore, its status, and when it is checked again."""

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
    CALL_NOT_SUPPORTED = "CallNotSupported"
    UNREACHABLE = "Unreachable"


@dataclass(frozen=True, slots=True)
class Readiness:
    """The result of a check: a reason and a message."""

    reason: StoreReason
    message: str = ""

    @property
    def ready(self) -> bool:
        """Whether jobs may use the store."""
        return self.reason is StoreReason.READY


RECHECK_PERIOD = timedelta(minutes=5)
"""Interval of checks of a ready store."""
RETRY = Backoff(timedelta(seconds=2), timedelta(minutes=1), jitter=0.5)
"""Backoff of checks of a store that is not ready; many may share one unavailable object store."""


def next_check(readiness: Readiness, failed: int, draw: float) -> timedelta:
    """The time until the next check, after `failed` failed ones; `draw` from 0 to 1 is for the jitter."""
    return RECHECK_PERIOD if readiness.ready else RETRY.pause(failed, draw)


def store_status(store: ImageStore, readiness: Readiness, now: datetime) -> StoreStatus:
    """The status with the result of a check."""
    before = next((c for c in store.status.conditions if c.type == "Ready"), None)
    value = "True" if readiness.ready else "False"
    since = before.last_transition_time if before and before.status == value else now.replace(microsecond=0)
    reason, message = readiness.reason.value, bounded(readiness.message)
    condition = Condition("Ready", value, reason, message, since, store.generation)
    return StoreStatus(observed_generation=store.generation, conditions=(condition,))
