"""Where traces are sent: the standard variables of OpenTelemetry, as far as the operator supports them."""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn
from urllib.parse import unquote

EXPORTER = "OTEL_EXPORTER_OTLP_"
SIGNAL = "TRACES_"
"""Variables of the exporter also exist for traces alone, and then come first."""
SERVICE_NAME = "OTEL_SERVICE_NAME"
RESOURCE_ATTRIBUTES = "OTEL_RESOURCE_ATTRIBUTES"
OF_EXPORTER = ("ENDPOINT", "HEADERS", "CERTIFICATE", "PROTOCOL")
VARIABLES = (
    *(f"{EXPORTER}{signal}{name}" for name in OF_EXPORTER for signal in ("", SIGNAL)),
    SERVICE_NAME,
    RESOURCE_ATTRIBUTES,
)
"""All variables that are read."""
SERVICE = "imagejob-operator"
"""The name of the operator, unless a variable changes it."""
PATH = "/v1/traces"
PROTOCOL = "http/protobuf"
ENDPOINT = re.compile(r"https?://[^/?#\s]+(/[^\s#]*)?")
TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""A name of a header."""
VALUE = re.compile(r"[\t -~]*")


@dataclass(frozen=True, slots=True)
class TraceSettings:
    """The collector, and what identifies the operator to it. URL and headers may have secrets."""

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    ca_file: str = ""
    service: str = SERVICE
    attributes: Mapping[str, str] = field(default_factory=dict)


def read_trace_settings(variables: Mapping[str, str]) -> TraceSettings | None:
    """Read the variables; None without an endpoint, then nothing is sent.

    Raises:
        ValueError: One is invalid; the message names it, and shows no value that may be secret.
    """
    name, url = _of_signal(variables, "ENDPOINT")
    if not url:
        return None
    if not ENDPOINT.fullmatch(url):
        _invalid(name, "a URL such as http://collector.example.com:4318")
    if SIGNAL not in name:
        url = url.rstrip("/") + PATH
    protocol_name, protocol = _of_signal(variables, "PROTOCOL")
    if protocol not in ("", PROTOCOL):
        _invalid(protocol_name, f"{PROTOCOL}, which collectors serve on port 4318")
    attributes = _pairs(RESOURCE_ATTRIBUTES, _value(variables, RESOURCE_ATTRIBUTES))
    named = attributes.pop("service.name", "")
    service = _value(variables, SERVICE_NAME) or named or SERVICE
    return TraceSettings(url, _headers(variables), _certificate(variables), service, attributes)


def _value(variables: Mapping[str, str], name: str) -> str:
    return variables.get(name, "").strip()


def _of_signal(variables: Mapping[str, str], name: str) -> tuple[str, str]:
    """A variable of the exporter with its value: that for traces, if it is set."""
    own, general = f"{EXPORTER}{SIGNAL}{name}", f"{EXPORTER}{name}"
    value = _value(variables, own)
    return (own, value) if value else (general, _value(variables, general))


def _headers(variables: Mapping[str, str]) -> dict[str, str]:
    name, text = _of_signal(variables, "HEADERS")
    headers = _pairs(name, text)
    for number, (header, value) in enumerate(headers.items(), start=1):
        if not TOKEN.fullmatch(header) or not VALUE.fullmatch(value):
            _invalid(name, f"headers of printable ASCII, and entry {number} is not")
    return headers


def _certificate(variables: Mapping[str, str]) -> str:
    name, path = _of_signal(variables, "CERTIFICATE")
    if path:
        try:
            ssl.create_default_context(cadata=Path(path).read_text())
        except (OSError, ValueError) as error:
            raise ValueError(f"{name} is {path!r}: it must be a file of PEM certificates: {error}") from None
    return path


def _pairs(name: str, text: str) -> dict[str, str]:
    """Pairs such as `a=b,c=d`, with values as in URLs."""
    pairs: dict[str, str] = {}
    for number, entry in enumerate(filter(str.strip, text.split(",")), start=1):
        key, equals, value = entry.partition("=")
        if not equals or not key.strip():
            _invalid(name, f"name=value pairs, separated by commas, and entry {number} is not one")
        pairs[unquote(key.strip())] = unquote(value.strip())
    return pairs


def _invalid(name: str, rule: str) -> NoReturn:
    # Without the value, which may have a password.
    raise ValueError(f"{name} is invalid: it must be {rule}")
