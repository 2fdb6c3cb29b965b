"""An ImageStore as a value: location of a bucket and credentials."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from imagejob_contract.wire import Wire
from imagejob_operator.api.destination import ObjectName
from imagejob_operator.api.imagejob import Key, parsed
from imagejob_operator.api.sources import SecretRef
from imagejob_operator.api.status import Condition, Stanza
from imagejob_operator.validation.keys import InvalidKey, check_chosen_prefix
from imagejob_operator.validation.schema_errors import explain

ENDPOINT = r"^[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?(:[0-9]{1,5})?\Z"
REGION = r"^[A-Za-z0-9]([-_A-Za-z0-9]*[A-Za-z0-9])?\Z"
BUCKET = r"^[a-z0-9][-a-z0-9.]{1,61}[a-z0-9]\Z"

MAX_CA_BUNDLE = 32768
"""Characters, also of a CA bundle in a ConfigMap."""

Endpoint = Annotated[str, Meta(min_length=1, max_length=260, pattern=ENDPOINT)]
Prefix = Annotated[str, Meta(max_length=256)]


class ConfigMapEntry(Wire, frozen=True):
    """A key of a ConfigMap in the same namespace."""

    name: ObjectName
    key: Annotated[str, Meta(min_length=1, max_length=253)] = "ca.crt"


class WebIdentity(Wire, frozen=True):
    """A ServiceAccount whose token is exchanged for temporary credentials."""

    service_account_name: ObjectName
    endpoint: Endpoint
    audience: Annotated[str, Meta(min_length=1, max_length=256)] = "sts.amazonaws.com"
    role_arn: Annotated[str, Meta(max_length=256)] = msgspec.field(default="", name="roleARN")


class Auth(Wire, frozen=True):
    """How the operator authenticates to the store; exactly one field is set."""

    secret_ref: SecretRef | None = None
    web_identity: WebIdentity | None = None


class TlsMode(enum.StrEnum):
    """Whether the connection is encrypted and the store's certificate is verified."""

    VERIFY = "Verify"
    DISABLED = "Disabled"


class Tls(Wire, frozen=True):
    """TLS configuration; the CA bundle inline or from a ConfigMap."""

    mode: TlsMode = TlsMode.VERIFY
    ca_bundle: Annotated[str, Meta(min_length=1, max_length=MAX_CA_BUNDLE)] | None = None
    ca_bundle_ref: ConfigMapEntry | None = None


class Presign(Wire, frozen=True):
    """Limits of presigned URLs."""

    max_lifetime_seconds: Annotated[int, Meta(ge=60, le=604800)] = 604800


class Addressing(enum.StrEnum):
    """Position of the bucket name in URLs."""

    PATH = "Path"
    VIRTUAL_HOST = "VirtualHost"


class StoreSpec(Wire, frozen=True):
    """The spec, as described by the CRD."""

    endpoint: Endpoint
    bucket: Annotated[str, Meta(min_length=3, max_length=63, pattern=BUCKET)]
    auth: Auth
    pod_endpoint: Endpoint | None = None
    region: Annotated[str, Meta(min_length=1, max_length=63, pattern=REGION)] = "us-east-1"
    prefix: Prefix = ""
    staging: Prefix | None = None
    addressing: Addressing = Addressing.PATH
    tls: Tls = Tls()
    presign: Presign = Presign()

    @property
    def secure(self) -> bool:
        """Whether the connection is encrypted."""
        return self.tls.mode is TlsMode.VERIFY

    @property
    def staging_root(self) -> str:
        """The prefix of the operator's own folders."""
        return self.prefix if self.staging is None else self.staging


class InvalidStore(ValueError):
    """The spec is invalid; the message names the field and the rule."""


class StoreStatus(Stanza, frozen=True):
    """The status."""

    observed_generation: int = -1
    conditions: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class ImageStore:
    """One ImageStore at one resource version."""

    key: Key
    uid: str
    resource_version: str
    generation: int
    spec: StoreSpec | InvalidStore
    status: StoreStatus


def parse_store(body: dict[str, Any]) -> ImageStore:
    """Parse an ImageStore with any spec; an invalid one is returned as an `InvalidStore`, not raised."""
    metadata = body["metadata"]
    spec: StoreSpec | InvalidStore = parsed(parse_store_spec, body.get("spec", {}), _as_invalid)
    status = parsed(_parse_status, body.get("status"), lambda _: StoreStatus())
    return ImageStore(
        key=Key(metadata["namespace"], metadata["name"]),
        uid=metadata["uid"],
        resource_version=metadata["resourceVersion"],
        generation=metadata.get("generation", 1),
        spec=spec,
        status=status,
    )


def _as_invalid(error: Exception) -> InvalidStore:
    if isinstance(error, InvalidStore):
        return InvalidStore(str(error))  # not the error itself: its traceback refers to the body
    return InvalidStore(f"spec: it cannot be parsed ({type(error).__name__}: {error!s:.200}); simplify it")


def _parse_status(raw: object) -> StoreStatus:
    return msgspec.convert(raw or {}, StoreStatus)


def parse_store_spec(raw: object) -> StoreSpec:
    """Parse and validate a spec; raises InvalidStore."""
    try:
        spec = msgspec.convert(raw, StoreSpec)
    except msgspec.ValidationError as error:
        raise InvalidStore(explain(error, raw, "spec", StoreSpec)) from None
    auth = [name for name in ("secret_ref", "web_identity") if getattr(spec.auth, name) is not None]
    if len(auth) != 1:
        raise InvalidStore(
            f"spec.auth: exactly one of secretRef and webIdentity must be set, found {len(auth)}"
        )
    if spec.tls.ca_bundle is not None and spec.tls.ca_bundle_ref is not None:
        raise InvalidStore("spec.tls: at most one of caBundle and caBundleRef may be set; remove one of them")
    for field, prefix in (("prefix", spec.prefix), ("staging", spec.staging)):
        if prefix:
            try:
                check_chosen_prefix(prefix, f"spec.{field}")
            except InvalidKey as error:
                raise InvalidStore(str(error)) from None
            if not prefix.endswith("/"):
                raise InvalidStore(f"spec.{field}: {prefix!r} must end with '/', such as media/")
    if spec.staging_root.startswith(spec.prefix) and spec.staging_root != spec.prefix:
        raise InvalidStore(
            f"spec.staging: {spec.staging!r} is inside spec.prefix {spec.prefix!r}, where jobs may write; "
            "remove spec.staging, or choose a prefix outside of spec.prefix"
        )
    return spec
