"""Where an ImageStore is, as it must be known to clean it, and what is kept of it with its credentials."""

from __future__ import annotations

from datetime import datetime

import msgspec

from imagejob_operator.core.image_store import Addressing, StoreSpec


class Location(msgspec.Struct, frozen=True, rename="camel"):
    """Where a store is, and how it is spoken to; all that is needed besides credentials."""

    endpoint: str
    pod_endpoint: str
    bucket: str
    region: str
    secure: bool
    virtual_host: bool
    prefix: str
    staging: str
    trust: str = ""
    """PEM certificates of the authorities that sign its certificate; the system's if empty."""
    longest_url_seconds: int = 604800


def locate(spec: StoreSpec, trust: str) -> Location:
    """The location of a store whose authorities are known."""
    return Location(
        endpoint=spec.endpoint,
        pod_endpoint=spec.pod_endpoint or spec.endpoint,
        bucket=spec.bucket,
        region=spec.region,
        secure=spec.secure,
        virtual_host=spec.addressing is Addressing.VIRTUAL_HOST,
        prefix=spec.prefix,
        staging=spec.staging_root,
        trust=trust,
        longest_url_seconds=spec.presign.max_lifetime_seconds,
    )


class Kept(msgspec.Struct, frozen=True, rename="camel"):
    """What the operator keeps of a store in which a run owns staging, until that is clean."""

    namespace: str
    name: str
    location: Location
    access_key: str
    secret_key: str
    session_token: str = ""
    expires_at: datetime | None = None


def read_kept(data: bytes) -> Kept | None:
    """Read what was kept; None if it is not that."""
    try:
        return msgspec.json.decode(data, type=Kept)
    except (msgspec.ValidationError, msgspec.DecodeError):
        return None
