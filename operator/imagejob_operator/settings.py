"""The environment, read once into a frozen value. Every message names the variable and what it must be."""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from imagejob_contract.order import EngineName
from imagejob_operator.decision.orphans import Mode
from imagejob_operator.stores.allowed_endpoints import AllowedEndpoint, read_allowed
from imagejob_operator.validation.networks import Network, read_networks

PREFIX = "IMAGEJOB_"
PROXY = re.compile(r"http://[^/?#\s]+:[0-9]{1,5}/?")
MAX_TRUST = 65536
"""Bytes of certificates that the store's one is signed by."""
CLASS = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
INSTALLATION = re.compile(r"[a-z0-9]([a-z0-9-]{0,48}[a-z0-9])?")


class InvalidSettings(ValueError):
    """A variable is missing or wrong; the message says which and what to do."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the administrator decided; see docs/administrators/configuration.md."""

    store_endpoint: str
    store_bucket: str
    processor_image: str
    pod_namespace: str
    pod_name: str
    processor_pull_policy: str = "IfNotPresent"
    engine: EngineName = EngineName.SIMD
    store_credentials: Path = Path("/etc/imagejob/store")
    store_ca_bundle: str = ""
    store_addressing: Literal["Path", "VirtualHost"] = "Path"
    allowed_endpoints: tuple[AllowedEndpoint, ...] = ()
    store_secure: bool = True
    store_region: str = "us-east-1"
    store_pod_endpoint: str = ""
    installation: str = "default"
    job_class: str = ""
    namespace_selector: Mapping[str, str] = field(default_factory=dict)
    watch_namespaces: tuple[str, ...] = ()
    start_grace_seconds: int = 300
    cleaning_budget_seconds: int = 60
    sweep_mode: Mode = Mode.DELETE
    sweep_interval_seconds: int = 900
    source_allowed_networks: tuple[Network, ...] = ()
    source_blocked_networks: tuple[Network, ...] = ()
    source_proxy: str = field(default="", repr=False)
    http_port: int = 8080
    log_level: str = "INFO"


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Read the settings.

    Raises:
        InvalidSettings: naming the variable, its value, and what it must be.
    """
    return Settings(
        store_endpoint=_required(environment, "STORE_ENDPOINT", "host:port of the object store"),
        store_bucket=_required(environment, "STORE_BUCKET", "name of a bucket that exists"),
        processor_image=_required(environment, "PROCESSOR_IMAGE", "image of the processor Pods"),
        pod_namespace=_own(environment, "POD_NAMESPACE", "namespace of this Pod"),
        pod_name=_own(environment, "POD_NAME", "name of this Pod"),
        processor_pull_policy=_get(environment, "PROCESSOR_PULL_POLICY", "IfNotPresent"),
        engine=_engine(environment, "ENGINE"),
        store_credentials=Path(_get(environment, "STORE_CREDENTIALS", "/etc/imagejob/store")),
        store_ca_bundle=_certificates(environment, "STORE_CA_FILE"),
        store_addressing=_addressing(environment, "STORE_ADDRESSING"),
        allowed_endpoints=_endpoints(environment, "ALLOWED_ENDPOINTS"),
        store_secure=_boolean(environment, "STORE_SECURE", True),
        store_region=_get(environment, "STORE_REGION", "us-east-1"),
        store_pod_endpoint=_get(environment, "STORE_POD_ENDPOINT", ""),
        installation=_installation(environment),
        job_class=_class(environment),
        namespace_selector=_pairs(environment, "NAMESPACE_SELECTOR"),
        watch_namespaces=tuple(n for n in _get(environment, "WATCH_NAMESPACES", "").split(",") if n),
        start_grace_seconds=_number(environment, "START_GRACE_SECONDS", 300),
        cleaning_budget_seconds=_number(environment, "CLEANING_BUDGET_SECONDS", 60),
        sweep_mode=_mode(environment, "SWEEP_MODE"),
        sweep_interval_seconds=_number(environment, "SWEEP_INTERVAL_SECONDS", 900),
        source_allowed_networks=_networks(environment, "SOURCE_ALLOWED_NETWORKS"),
        source_blocked_networks=_networks(environment, "SOURCE_BLOCKED_NETWORKS"),
        source_proxy=_proxy(environment, "SOURCE_PROXY"),
        http_port=_number(environment, "HTTP_PORT", 8080),
        log_level=_get(environment, "LOG_LEVEL", "INFO"),
    )


def _get(environment: Mapping[str, str], name: str, default: str) -> str:
    return environment.get(PREFIX + name, "").strip() or default


def _required(environment: Mapping[str, str], name: str, meaning: str) -> str:
    value = _get(environment, name, "")
    if not value:
        raise InvalidSettings(f"{PREFIX}{name} is not set: it must be the {meaning}")
    return value


def _own(environment: Mapping[str, str], name: str, meaning: str) -> str:
    """What the downward API says of this Pod, under Kubernetes' usual names."""
    value = environment.get(name, "").strip()
    if not value:
        raise InvalidSettings(f"{name} is not set: it must be the {meaning}, by the downward API")
    return value


def _installation(environment: Mapping[str, str]) -> str:
    """A part of keys, a label, and a part of the Lease's name: what is good for all of them."""
    value = _get(environment, "INSTALLATION", "default")
    if not INSTALLATION.fullmatch(value):
        raise InvalidSettings(
            f"{PREFIX}INSTALLATION is {value!r}: it must be at most 50 of a-z, 0-9 and '-', and "
            "begin and end with a letter or digit"
        )
    return value


def _class(environment: Mapping[str, str]) -> str:
    value = _get(environment, "CLASS", "")
    if value and not CLASS.fullmatch(value):
        raise InvalidSettings(
            f"{PREFIX}CLASS is {value!r}: it must be empty or at most 63 of a-z, 0-9 and '-', and begin and "
            "end with a letter or digit, as spec.class is"
        )
    return value


def _boolean(environment: Mapping[str, str], name: str, default: bool) -> bool:
    value = _get(environment, name, str(default)).lower()
    if value not in ("true", "false"):
        raise InvalidSettings(f"{PREFIX}{name} is {value!r}: it must be true or false")
    return value == "true"


def _number(environment: Mapping[str, str], name: str, default: int) -> int:
    value = _get(environment, name, str(default))
    if not value.isdigit() or not 1 <= int(value) <= 86400:
        raise InvalidSettings(f"{PREFIX}{name} is {value!r}: it must be a whole number from 1 to 86400")
    return int(value)


def _endpoints(environment: Mapping[str, str], name: str) -> tuple[AllowedEndpoint, ...]:
    """The endpoints that ImageStores may name."""
    found: list[AllowedEndpoint] = []
    for entry in filter(None, (part.strip() for part in _get(environment, name, "").split(","))):
        try:
            found.append(read_allowed(entry))
        except ValueError:
            raise InvalidSettings(
                f"{PREFIX}{name} is {entry!r}: it must be host[:port] or *.domain[:port], with http:// "
                "in front if plain HTTP is to be allowed; several by commas"
            ) from None
    return tuple(found)


def _certificates(environment: Mapping[str, str], name: str) -> str:
    """Certificates in a file; the Pods get them in an environment variable, so they must be few."""
    value = _get(environment, name, "")
    if not value:
        return ""
    try:
        text = Path(value).read_text()
        ssl.create_default_context(cadata=text)
    except (OSError, ValueError) as error:
        why = f"it must be a file of PEM certificates: {error}"
        raise InvalidSettings(f"{PREFIX}{name} is {value!r}: {why}") from None
    if len(text) > MAX_TRUST:
        raise InvalidSettings(f"{PREFIX}{name} is {value!r}: it has {len(text)} bytes, {MAX_TRUST} may be")
    return text


def _addressing(environment: Mapping[str, str], name: str) -> Literal["Path", "VirtualHost"]:
    match _get(environment, name, "Path"):
        case "Path":
            return "Path"
        case "VirtualHost":
            return "VirtualHost"
        case other:
            raise InvalidSettings(f"{PREFIX}{name} is {other!r}: it must be Path or VirtualHost")


def _mode(environment: Mapping[str, str], name: str) -> Mode:
    value = _get(environment, name, Mode.DELETE.value)
    if value not in list(Mode):
        raise InvalidSettings(f"{PREFIX}{name} is {value!r}: it must be {', '.join(Mode)}")
    return Mode(value)


def _engine(environment: Mapping[str, str], name: str) -> EngineName:
    value = _get(environment, name, EngineName.SIMD.value)
    if value not in list(EngineName):
        raise InvalidSettings(f"{PREFIX}{name} is {value!r}: it must be {' or '.join(EngineName)}")
    return EngineName(value)


def _pairs(environment: Mapping[str, str], name: str) -> Mapping[str, str]:
    pairs: dict[str, str] = {}
    for part in filter(None, _get(environment, name, "").split(",")):
        key, equals, value = part.partition("=")
        if not equals:
            raise InvalidSettings(f"{PREFIX}{name} is {part!r}: it must be label=value, or several by commas")
        pairs[key.strip()] = value.strip()
    return pairs


def _networks(environment: Mapping[str, str], name: str) -> tuple[Network, ...]:
    words = [word.strip() for word in _get(environment, name, "").split(",") if word.strip()]
    try:
        return read_networks(words)
    except ValueError as error:
        raise InvalidSettings(
            f"{PREFIX}{name}: {error}; it must be networks such as 10.1.0.0/16, several by commas"
        ) from None


def _proxy(environment: Mapping[str, str], name: str) -> str:
    value = _get(environment, name, "")
    if value and not PROXY.fullmatch(value):
        raise InvalidSettings(f"{PREFIX}{name} must be http://host:port, without a path")
    return value.rstrip("/")
