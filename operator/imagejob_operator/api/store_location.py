"""Where an ImageStore is: all that is needed to open it besides credentials."""

from __future__ import annotations

from dataclasses import dataclass

from imagejob_operator.api.imagestore import Addressing, StoreSpec


@dataclass(frozen=True, slots=True)
class Location:
    """Where a store is, and how it is spoken to."""

    endpoint: str
    pod_endpoint: str
    bucket: str
    region: str
    secure: bool
    virtual_host: bool
    prefix: str
    staging: str
    ca_bundle: str = ""
    """PEM certificates of the authorities that sign its certificate; the system's if empty."""
    longest_url_seconds: int = 604800


def locate(spec: StoreSpec, ca_bundle: str) -> Location:
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
        ca_bundle=ca_bundle,
        longest_url_seconds=spec.presign.max_lifetime_seconds,
    )
