"""Where the objects of a namespace are: read from an ImageStore, or from the settings of the operator.

Everything is read with the rights of the user. Only the demo has credentials in the cluster that a command
uses; for other stores, the user has credentials of their own.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from imagejob.errors import Forbidden, Invalid, NotFound, Rejected, StoreFailed, Suggestion
from imagejob.names import checked_name, checked_namespace
from imagejob.operator_settings import NAMESPACE, settings
from imagejob.transport import Transport
from imagejob_operator.naming.names import GROUP, STORE_PLURAL, VERSION
from imagejob_operator.naming.prefixes import namespace_prefix

if TYPE_CHECKING:
    from imagejob_operator.api.store_location import StoreLocation

DEMO = "demo"
"""IMAGEJOB_INSTALLATION of manifests/overlays/demo, whose store has public keys."""
DEMO_SECRET = "imagejob-store"  # noqa: S105  (the name of a Secret)


@dataclass(frozen=True, slots=True)
class KeyPair:
    """Static credentials of a store."""

    access_key: str
    secret_key: str


@dataclass(frozen=True, slots=True)
class FoundStore:
    """A store and how it was found."""

    name: str
    """As messages name it."""
    location: StoreLocation
    """`prefix` is the namespace's part of the bucket, and `staging` that of the operator's folders."""
    keys: KeyPair | None = None
    """None if the user's own credentials are used."""


def image_store(transport: Transport, namespace: str, name: str) -> FoundStore:
    """The store of an ImageStore.

    Raises:
        Invalid: It does not exist, or its spec is invalid.
    """
    from imagejob_operator.api.imagestore import InvalidStore, parse_store_spec
    from imagejob_operator.api.store_location import locate

    what = f"ImageStore {name!r} in namespace {namespace!r}"
    path = f"/apis/{GROUP}/{VERSION}/namespaces/{checked_namespace(namespace)}/{STORE_PLURAL}"
    try:
        body = transport.request("GET", f"{path}/{checked_name(name)}", what)
        spec = parse_store_spec(body.get("spec"))
    except (NotFound, Rejected):
        stores = Suggestion(("get", "imagestores"), namespace, "kubectl")
        missing = f"{what} does not exist; list the existing ones with: {stores}"
        raise Invalid(missing).suggesting(stores) from None
    except InvalidStore as error:
        raise Invalid(f"{what}: {error}") from None
    bundle = spec.tls.ca_bundle or ""
    if reference := spec.tls.ca_bundle_ref:
        where = f"/api/v1/namespaces/{namespace}/configmaps/{checked_name(reference.name)}"
        found = transport.request("GET", where, f"ConfigMap {reference.name!r} of {what}")
        bundle = str((found.get("data") or {}).get(reference.key, ""))
    return FoundStore(what, locate(spec, bundle))


def operator_store(
    transport: Transport, namespace: str, operator_namespace: str = NAMESPACE, bucket_url: str = ""
) -> FoundStore:
    """The part of the operator's own store that a namespace may use.

    Args:
        transport: Of the cluster.
        namespace: Whose part.
        operator_namespace: Of the operator whose settings are read.
        bucket_url: https://HOST/BUCKET for a user who may not read the settings.

    Raises:
        StoreFailed: The settings cannot be read.
        Invalid: `bucket_url` is no such URL.
    """
    part = namespace_prefix(checked_namespace(namespace))
    if bucket_url:
        return FoundStore("the bucket of --bucket", replace(_of_url(bucket_url), prefix=part))
    try:
        found = settings(transport, operator_namespace) or {}
    except Forbidden as error:
        raise StoreFailed(
            f"the bucket of the operator is not known, because its settings cannot be read: {error}. Or ask "
            "for the address of the bucket, and set --bucket https://HOST/BUCKET or IMAGEJOB_BUCKET"
        ) from None
    if not found.get("IMAGEJOB_STORE_ENDPOINT") or not found.get("IMAGEJOB_STORE_BUCKET"):
        raise StoreFailed(
            f"the bucket of the operator is not known: there is no operator with a ConfigMap in namespace "
            f"{operator_namespace!r}; name its namespace with --operator-namespace, or set --bucket"
        )
    keys = None
    if found.get("IMAGEJOB_INSTALLATION") == DEMO and _service(found["IMAGEJOB_STORE_ENDPOINT"]):
        keys = _demo_keys(transport, operator_namespace)
    return FoundStore("the operator's store", replace(_of_settings(found), prefix=part), keys)


def _of_settings(found: Mapping[str, str]) -> StoreLocation:
    from imagejob_operator.api.store_location import StoreLocation

    return StoreLocation(
        endpoint=found["IMAGEJOB_STORE_ENDPOINT"],
        bucket=found["IMAGEJOB_STORE_BUCKET"],
        region=found.get("IMAGEJOB_STORE_REGION") or "us-east-1",
        secure=found.get("IMAGEJOB_STORE_SECURE", "true").lower() != "false",
        virtual_host=found.get("IMAGEJOB_STORE_ADDRESSING") == "VirtualHost",
    )


def _of_url(url: str) -> StoreLocation:
    from imagejob_operator.api.store_location import StoreLocation

    # A user name and a password do not belong there, and are not shown.
    shown = re.sub(r"//[^/@]*@", "//", url)
    try:
        parts = urlsplit(url)
        bucket = parts.path.strip("/")
        wrong = parts.query or parts.fragment or parts.username or "/" in bucket or parts.port == 0
        wrong = wrong or parts.scheme not in ("http", "https") or not parts.hostname or not bucket
    except ValueError:  # of the port, or of an IPv6 address
        wrong = True
    if wrong:
        raise Invalid(
            f"--bucket: {shown!r} is not the URL of a bucket, such as https://s3.eu-central-1.amazonaws.com/media"
        )
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    return StoreLocation(endpoint=parts.netloc, bucket=bucket, region=region, secure=parts.scheme == "https")


def _demo_keys(transport: Transport, namespace: str) -> KeyPair | None:
    """The public keys of the demo's store; None if the user may not read its Secret."""
    path = f"/api/v1/namespaces/{namespace}/secrets/{DEMO_SECRET}"
    try:
        data = transport.request("GET", path, f"Secret {DEMO_SECRET!r} of the demo")["data"]
        access, secret = (base64.b64decode(data[key]).decode() for key in ("access-key", "secret-key"))
    except (Forbidden, NotFound, Rejected, KeyError, ValueError):
        return None
    return KeyPair(access, secret)


@dataclass(frozen=True, slots=True)
class Service:
    """A port of a Service, which has no address outside of the cluster."""

    namespace: str
    name: str
    port: int


def _service(endpoint: str) -> Service | None:
    """The Service of an endpoint such as `minio.imagejob-system.svc.cluster.local:9000`; None for others."""
    host, _, port = endpoint.partition(":")
    labels = host.split(".")
    if len(labels) < 3 or labels[2] != "svc" or not port.isdigit():
        return None
    return Service(labels[1], labels[0], int(port))


def service_of(location: StoreLocation) -> Service | None:
    """The Service to which a port must be forwarded; None if the store has an address here."""
    inside = "KUBERNETES_SERVICE_HOST" in os.environ
    return None if inside else _service(location.endpoint)
