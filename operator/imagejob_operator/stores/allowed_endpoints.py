"""The endpoints that ImageStores may name: only those that the administrator allows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from imagejob_operator.api.imagestore import ENDPOINT, StoreSpec


@dataclass(frozen=True, slots=True)
class AllowedEndpoint:
    """An entry of the setting: `host[:port]` or `*.domain[:port]`, with `http://` in front for plain HTTP."""

    host: str
    port: int
    secure: bool

    def admits(self, endpoint: str, secure: bool) -> bool:
        """Whether it allows the endpoint; plain HTTP only if the entry has it."""
        host, port = split_endpoint(endpoint, secure)
        same = host == self.host or (self.host.startswith("*.") and _below(host, self.host[1:]))
        return same and port == self.port and secure == self.secure


def _below(host: str, domain: str) -> bool:
    return host.endswith(domain) and len(host) > len(domain)


def split_endpoint(endpoint: str, secure: bool) -> tuple[str, int]:
    """Host in lower case, and port, by default that of the protocol."""
    host, _, port = endpoint.lower().partition(":")
    return host, int(port) if port else (443 if secure else 80)


def read_allowed(entry: str) -> AllowedEndpoint:
    """Read one entry of the setting; ValueError if it is not valid."""
    secure = not entry.startswith("http://")
    plain = entry.removeprefix("http://").removeprefix("https://")
    if not re.fullmatch(r"([*][.])?" + ENDPOINT.removeprefix("^").removesuffix(r"\Z"), plain):
        raise ValueError(entry)
    host, port = split_endpoint(plain, secure)
    return AllowedEndpoint(host, port, secure)


def refused_endpoint(spec: StoreSpec, allowed: Sequence[AllowedEndpoint]) -> str:
    """Why an endpoint of the store is not allowed; empty if all are."""
    asked = [("spec.endpoint", spec.endpoint, spec.secure)]
    if spec.pod_endpoint:
        asked.append(("spec.podEndpoint", spec.pod_endpoint, spec.secure))
    if spec.auth.web_identity:
        asked.append(("spec.auth.webIdentity.endpoint", spec.auth.web_identity.endpoint, spec.secure))
    for field, endpoint, secure in asked:
        if not any(entry.admits(endpoint, secure) for entry in allowed):
            how = "" if secure else " without TLS"
            return (
                f"{field}: {endpoint!r} is not allowed{how}; ask the operator's administrator to add it to "
                "IMAGEJOB_ALLOWED_ENDPOINTS"
            )
    return ""
