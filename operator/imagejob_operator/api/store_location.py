"""Where an object store is: all that is needed to open it, except credentials."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from imagejob_operator.api.imagestore import Addressing, StoreSpec


@dataclass(frozen=True, slots=True)
class StoreLocation:
    """A bucket, how to reach it, and which parts of it are used."""

    endpoint: str
    """`host:port`, as the operator reaches it."""
    bucket: str
    region: str = "us-east-1"
    secure: bool = True
    pod_endpoint: str = ""
    """`host:port`, as the Pods reach it; the same endpoint if empty."""
    virtual_host: bool = False
    """Whether the bucket is part of the host name instead of the path."""
    ca_bundle: str = ""
    """PEM certificates of the store's authorities; the system's if empty."""
    longest_url: timedelta = timedelta(days=7)
    """The longest lifetime of a signed URL; S3's limit by default."""
    prefix: str = ""
    """The prefix of users' keys in an ImageStore."""
    staging: str = ""
    """The prefix of staging and reports in an ImageStore."""


def locate(spec: StoreSpec, ca_bundle: str) -> StoreLocation:
    """The location of an ImageStore with this CA bundle."""
    return StoreLocation(
        endpoint=spec.endpoint,
        bucket=spec.bucket,
        region=spec.region,
        secure=spec.secure,
        pod_endpoint=spec.pod_endpoint or "",
        virtual_host=spec.addressing is Addressing.VIRTUAL_HOST,
        ca_bundle=ca_bundle,
        longest_url=timedelta(seconds=spec.presign.max_lifetime_seconds),
        prefix=spec.prefix,
        staging=spec.staging_root,
    )
