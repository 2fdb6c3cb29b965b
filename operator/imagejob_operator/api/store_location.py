"""The location of an ImageStore: all that is needed to open it, except credentials."""

from __future__ import annotations

from dataclasses import dataclass

from imagejob_operator.api.imagestore import Addressing, StoreSpec


@dataclass(frozen=True, slots=True)
class Location:
    """How to reach a store."""

    endpoint: str
    pod_endpoint: str
    bucket: str
    region: str
    secure: bool
    virtual_host: bool
    prefix: str
    staging: str
    ca_bundle: str = ""
    """The CA bundle in PEM; empty for the system's."""
    longest_url_seconds: int = 604800


def locate(spec: StoreSpec, ca_bundle: str) -> Location:
    """The location of a store with its CA bundle."""
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
