"""The operator's settings: environment variables, read once."""

from __future__ import annotations

import enum
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from imagejob_contract.order import EngineName
from imagejob_operator.api.imagestore import BUCKET, ENDPOINT, Addressing
from imagejob_operator.api.store_location import StoreLocation
from imagejob_operator.decision.garbage import Mode
from imagejob_operator.environment import PREFIX, Environment, InvalidSettings, invalid
from imagejob_operator.stores.allowed_endpoints import AllowedEndpoint, read_allowed
from imagejob_operator.trace_settings import TraceSettings, read_trace_settings
from imagejob_operator.validation import pod_template_policy
from imagejob_operator.validation.networks import Network, read_networks
from imagejob_operator.validation.pod_template_policy import PodTemplatePolicy

MAX_CA_BYTES = 65536
"""The Pods get the CA bundle in an environment variable."""
DEFAULT_LABEL = ("imagejob.dev/store", "default")
"""Of namespaces that may use the operator's store, unless the administrator chooses other labels."""
PROXY = re.compile(r"(http://[^/?#\s]+:[0-9]{1,5}/?)?")
SINK = re.compile(r"https?://[^/?#\s]+(/[^\s#]*)?")
CLASS = re.compile(r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)?")
NAMESPACE = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
HOST_RULE = "host or host:port, without https:// and without a path; IMAGEJOB_STORE_SECURE decides about TLS"
INSTALLATION = re.compile(r"[a-z0-9]([a-z0-9-]{0,48}[a-z0-9])?")
"""Part of object keys, of a label, and of the Lease's name."""


class PullPolicy(enum.StrEnum):
    """When the kubelet pulls the processor image."""

    ALWAYS = "Always"
    IF_NOT_PRESENT = "IfNotPresent"
    NEVER = "Never"


class LogLevel(enum.StrEnum):
    """The least severe records of the operator that are logged."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"


@dataclass(frozen=True, slots=True)
class Settings:
    """What the administrator decided; see docs/administrators/configuration.md."""

    store: StoreLocation
    processor_image: str
    pod_namespace: str
    pod_name: str
    processor_pull_policy: PullPolicy = PullPolicy.IF_NOT_PRESENT
    engine: EngineName = EngineName.SIMD
    store_credentials: Path = Path("/etc/imagejob/store")
    allowed_endpoints: tuple[AllowedEndpoint, ...] = ()
    installation: str = "default"
    job_class: str = ""
    namespace_selector: Mapping[str, str] = field(default_factory=lambda: dict([DEFAULT_LABEL]))
    """Labels of namespaces that may use the operator's store; none for every watched namespace."""
    watch_namespaces: tuple[str, ...] = ()
    pod_template: PodTemplatePolicy = pod_template_policy.NOTHING_ALLOWED
    start_grace_seconds: int = 300
    cleaning_budget_seconds: int = 60
    sweep_mode: Mode = Mode.DELETE
    sweep_interval_seconds: int = 900
    report_retention_days: int | None = None
    """How long the reports of a deleted ImageJob are kept; None keeps them indefinitely."""
    source_allowed_networks: tuple[Network, ...] = ()
    source_blocked_networks: tuple[Network, ...] = ()
    source_proxy: str = field(default="", repr=False)
    event_sink: str = field(default="", repr=False)
    """The URL of the server that is notified of the ends of runs; empty for none."""
    event_sink_token_file: Path | None = None
    traces: TraceSettings | None = None
    """Where the traces of runs are sent; None for nowhere."""
    http_port: int = 8080
    log_level: LogLevel = LogLevel.INFO


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Read the settings; InvalidSettings if a variable is missing or invalid."""
    env = Environment(environment)
    class_rule = (
        "empty, or at most 63 characters of a-z, 0-9 and '-', starting and ending with a letter or digit"
    )
    installation_rule = (
        "at most 50 characters of a-z, 0-9 and '-', starting and ending with a letter or digit"
    )
    return Settings(
        store=_store(env),
        processor_image=env.required("PROCESSOR_IMAGE", "image of the processor Pods"),
        pod_namespace=env.downward("POD_NAMESPACE", "namespace of this Pod"),
        pod_name=env.downward("POD_NAME", "name of this Pod"),
        processor_pull_policy=env.choice("PROCESSOR_PULL_POLICY", PullPolicy.IF_NOT_PRESENT),
        engine=env.choice("ENGINE", EngineName.SIMD),
        store_credentials=Path(env.get("STORE_CREDENTIALS", "/etc/imagejob/store")),
        allowed_endpoints=tuple(
            env.parsed(
                "ALLOWED_ENDPOINTS",
                entry,
                read_allowed,
                "host[:port] or *.domain[:port], with http:// in front for plain HTTP, separated by commas",
            )
            for entry in env.words("ALLOWED_ENDPOINTS")
        ),
        installation=env.matching("INSTALLATION", "default", INSTALLATION, installation_rule),
        job_class=env.matching("CLASS", "", CLASS, class_rule),
        namespace_selector=_selector(env),
        watch_namespaces=_watch_namespaces(env),
        pod_template=_pod_template(env),
        start_grace_seconds=env.number("START_GRACE_SECONDS", 300),
        cleaning_budget_seconds=env.number("CLEANING_BUDGET_SECONDS", 60),
        sweep_mode=env.choice("SWEEP_MODE", Mode.DELETE),
        sweep_interval_seconds=env.number("SWEEP_INTERVAL_SECONDS", 900),
        report_retention_days=_report_retention_days(env),
        source_allowed_networks=_networks(env, "SOURCE_ALLOWED_NETWORKS"),
        source_blocked_networks=_networks(env, "SOURCE_BLOCKED_NETWORKS"),
        source_proxy=_proxy(env),
        event_sink=_event_sink(env),
        event_sink_token_file=Path(path) if (path := env.get("EVENT_SINK_TOKEN_FILE")) else None,
        traces=_traces(environment),
        http_port=env.number("HTTP_PORT", 8080),
        log_level=env.choice("LOG_LEVEL", LogLevel.INFO),
    )


def read_scope(environment: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
    """The class and the namespaces of the ImageJobs that this installation handles; no namespace is all."""
    env = Environment(environment)
    return env.get("CLASS"), env.words("WATCH_NAMESPACES")


def _store(env: Environment) -> StoreLocation:
    endpoint = env.required("STORE_ENDPOINT", "host:port of the object store")
    bucket = env.required("STORE_BUCKET", "name of an existing bucket")
    return StoreLocation(
        endpoint=env.matched("STORE_ENDPOINT", endpoint, ENDPOINT, HOST_RULE),
        bucket=env.matched("STORE_BUCKET", bucket, BUCKET, "the name of a bucket, without s3://"),
        region=env.get("STORE_REGION", "us-east-1"),
        secure=env.boolean("STORE_SECURE", True),
        pod_endpoint=env.matching("STORE_POD_ENDPOINT", "", f"({ENDPOINT})?", HOST_RULE),
        virtual_host=env.choice("STORE_ADDRESSING", Addressing.PATH) is Addressing.VIRTUAL_HOST,
        ca_bundle=_ca_bundle(env),
    )


def _ca_bundle(env: Environment) -> str:
    path = env.get("STORE_CA_FILE")
    if not path:
        return ""
    try:
        text = Path(path).read_text()
        ssl.create_default_context(cadata=text)
    except (OSError, ValueError) as error:
        invalid("STORE_CA_FILE", path, f"a file of PEM certificates: {error}")
    if len(text) > MAX_CA_BYTES:
        invalid("STORE_CA_FILE", path, f"a file of at most {MAX_CA_BYTES} bytes; it has {len(text)}")
    return text


def _watch_namespaces(env: Environment) -> tuple[str, ...]:
    rule = "names of namespaces, separated by commas"
    return tuple(
        env.matched("WATCH_NAMESPACES", name, NAMESPACE, rule) for name in env.words("WATCH_NAMESPACES")
    )


def _selector(env: Environment) -> Mapping[str, str]:
    words = env.words("NAMESPACE_SELECTOR")
    if words == ("*",):
        return {}
    return dict(map(_label, words)) if words else dict([DEFAULT_LABEL])


def _pod_template(env: Environment) -> PodTemplatePolicy:
    def entries(name: str, pattern: re.Pattern[str], rule: str) -> tuple[str, ...]:
        rule += ", separated by commas; no security profiles, and no names that start with system-"
        check = partial(pod_template_policy.check_entry, pattern=pattern)
        return tuple(env.parsed(name, entry, check, rule) for entry in env.words(name))

    keys = (pod_template_policy.KEY, "keys such as team or example.com/code, or example.com/*")
    names = (pod_template_policy.NAME, "names of objects")
    return PodTemplatePolicy(
        labels=entries("POD_ALLOWED_LABELS", *keys),
        annotations=entries("POD_ALLOWED_ANNOTATIONS", *keys),
        service_accounts=entries("POD_ALLOWED_SERVICE_ACCOUNTS", *names),
        priority_classes=entries("POD_ALLOWED_PRIORITY_CLASSES", *names),
        runtime_classes=entries("POD_ALLOWED_RUNTIME_CLASSES", *names),
    )


def _label(word: str) -> tuple[str, str]:
    key, equals, value = word.partition("=")
    if not equals:
        invalid(
            "NAMESPACE_SELECTOR",
            word,
            "label=value pairs, separated by commas, or * alone for every watched namespace",
        )
    return key.strip(), value.strip()


def _report_retention_days(env: Environment) -> int | None:
    return env.number("REPORT_RETENTION_DAYS", 1) if env.get("REPORT_RETENTION_DAYS") else None


def _networks(env: Environment, name: str) -> tuple[Network, ...]:
    try:
        return read_networks(env.words(name))
    except ValueError as error:
        rule = "it must be a comma-separated list of networks, such as 10.1.0.0/16"
        raise InvalidSettings(f"{PREFIX}{name}: {error}; {rule}") from None


def _event_sink(env: Environment) -> str:
    value = env.get("EVENT_SINK")
    if value and not SINK.fullmatch(value):
        # The value may contain a password.
        rule = "it must be a URL such as https://events.example.com/imagejobs"
        raise InvalidSettings(f"{PREFIX}EVENT_SINK is invalid: {rule}")
    return value


def _traces(environment: Mapping[str, str]) -> TraceSettings | None:
    try:
        return read_trace_settings(environment)
    except ValueError as error:
        raise InvalidSettings(str(error)) from None


def _proxy(env: Environment) -> str:
    value = env.get("SOURCE_PROXY")
    if not PROXY.fullmatch(value):
        # The value may contain a password.
        raise InvalidSettings(f"{PREFIX}SOURCE_PROXY is invalid: it must be http://host:port, without a path")
    return value.rstrip("/")
