"""Attempts of tenant B to reach data of tenant A, one per field.

`{a}` is A's namespace, `{bucket}` A's bucket, `{cluster}` the uid of their cluster. None may succeed:
tests/e2e/test_tenants.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Attempt:
    """One manifest of tenant B, and its target."""

    name: str
    tries: str
    """In words, for the table in docs/contributors/guarantees.md."""
    spec: dict[str, Any] = field(default_factory=dict)
    """Fields of an ImageJob's spec."""
    store: dict[str, Any] | None = None
    """Fields of an ImageStore's spec, if the job names one of B's own; the job then names it."""


SECRET = "secret/a.jpg"


def _keys(*keys: str) -> dict[str, Any]:
    return {"source": {"keys": list(keys)}}


def _to(**destination: Any) -> dict[str, Any]:
    return {"destination": destination}


PATHS = {
    "plain": "{a}/" + SECRET,
    "absolute": "/{a}/" + SECRET,
    "dots": "../{a}/" + SECRET,
    "dots-inside": "x/../../{a}/" + SECRET,
    "dots-encoded": "%2e%2e/{a}/" + SECRET,
    "slash-encoded": "..%2f{a}%2f" + SECRET,
    "twice-encoded": "%252e%252e/{a}/" + SECRET,
    "backslash": "..\\{a}\\secret\\a.jpg",
    "wide-dots": "\uff0e\uff0e/{a}/" + SECRET,
    "empty-segments": "..//{a}/" + SECRET,
    "bucket": "/media/{a}/" + SECRET,
    "query": "x?versionId=1&prefix=../{a}/" + SECRET,
    "staging": ".imagejob-staging/demo-{cluster}/{a}/",
    "report": ".imagejob/{a}/job/1.json",
    "line-end": "x\r\nHost: y/../{a}/" + SECRET,
}
"""Ways to write a path that should lead out of one's own part."""

STORE = "store.imagejob-system.svc.cluster.local"
CLIMBING = "../../{a}"


def _pod(**template: Any) -> dict[str, Any]:
    return {"execution": {"podTemplate": template}}


def _url(url: str, **more: Any) -> dict[str, Any]:
    return {"source": {"urls": [{"url": url, **more}]}}


def _match(prefix: str, *include: str) -> dict[str, Any]:
    return {"source": {"match": {"prefix": prefix, **({"include": [*include]} if include else {})}}}


def _list(key: str) -> dict[str, Any]:
    return {"source": {"list": {"key": key}}}


def _secret(name: str) -> dict[str, Any]:
    return {"auth": {"secretRef": {"name": name}}}


def _account(name: str) -> dict[str, Any]:
    return {"auth": {"webIdentity": {"serviceAccountName": name, "endpoint": f"{STORE}:9000"}}}


PREFIXES = {**PATHS, "folder": "{a}/", "dot": ".", "dots-only": "../"}
INLINE = [{"name": f"{CLIMBING}/out.png", "data": "QUJD"}]
FOREIGN_HEADERS = {"headersSecretRef": {"name": "{a}/keys"}}

SOURCES = (
    *(Attempt(f"keys-{n}", f"`source.keys`: {n}", _keys(path)) for n, path in PATHS.items()),
    *(Attempt(f"match-{n}", f"`source.match.prefix`: {n}", _match(path)) for n, path in PREFIXES.items()),
    Attempt("match-include", "`source.match.include` that climbs", _match("x", f"{CLIMBING}/**")),
    *(Attempt(f"list-{n}", f"`source.list.key`: {n}", _list(path)) for n, path in PATHS.items()),
    Attempt("listed", "a list of one's own with the keys of another", _list("lists/a")),
    Attempt(
        "url-store",
        "`source.urls`: the store inside the cluster",
        _url(f"https://{STORE}/media/{{a}}/{SECRET}"),
    ),
    Attempt(
        "url-headers", "`headersSecretRef`: another's", _url("https://a.example/a.jpg", **FOREIGN_HEADERS)
    ),
    Attempt("inline-name", "`source.inline.name` that climbs", {"source": {"inline": INLINE}}),
)

DESTINATIONS = (
    *(Attempt(f"to-{n}", f"`destination.prefix`: {n}", _to(prefix=f"{path}/")) for n, path in PATHS.items()),
    *(
        Attempt(f"template-{n}", f"`destination.keyTemplate`: {n}", _to(keyTemplate=path + "-{stem}.{ext}"))
        for n, path in PATHS.items()
    ),
    Attempt(
        "template-dir",
        "`{dir}` of a source whose folder climbs",
        {**_keys("../{a}/x.jpg"), **_to(keyTemplate="{dir}x.{ext}")},
    ),
    Attempt(
        "rendition-name",
        "`renditions.name` that climbs",
        {"renditions": [{"name": CLIMBING, "output": {"format": "JPEG"}}]},
    ),
)

NAMES = (
    Attempt("store-name", "`storeRef`: another's ImageStore", {"storeRef": {"name": "vault"}}),
    Attempt("store-path", "`storeRef` with a namespace in it", {"storeRef": {"name": "{a}/vault"}}),
    Attempt("store-dots", "`storeRef` that climbs", {"storeRef": {"name": f"{CLIMBING}/imagestores/vault"}}),
    Attempt("to-store", "`destination.storeRef`: another's ImageStore", _to(storeRef={"name": "vault"})),
)

STORES = (
    Attempt("bucket", "ImageStore `bucket`: another's, with one's own keys", store={"bucket": "{bucket}"}),
    Attempt(
        "default-bucket", "ImageStore `bucket`: the operator's", store={"bucket": "media", "prefix": "{a}/"}
    ),
    Attempt("secret-name", "ImageStore `secretRef`: another's", store=_secret("vault-keys")),
    Attempt("secret-path", "ImageStore `secretRef` that climbs", store=_secret(f"{CLIMBING}/secrets/keys")),
    Attempt("secret-operator", "ImageStore `secretRef`: the operator's", store=_secret("imagejob-store")),
    Attempt("account", "ImageStore `serviceAccountName`: another's", store=_account("robot")),
    Attempt(
        "authorities",
        "ImageStore `caBundleRef`: another's",
        store={"tls": {"mode": "Disabled", "caBundleRef": {"name": "{a}"}}},
    ),
    Attempt("prefix", "ImageStore `prefix` that climbs", store={"prefix": "../{bucket}/"}),
    Attempt("staging", "ImageStore `staging` that climbs", store={"staging": "../{bucket}/"}),
    Attempt("endpoint-path", "ImageStore `endpoint` with a path", store={"endpoint": "minio:9000/{bucket}"}),
    Attempt("endpoint-user", "ImageStore `endpoint` that hides a host", store={"endpoint": "minio:9000@a.b"}),
    Attempt(
        "endpoint-api",
        "ImageStore `endpoint`: the API server",
        store={"endpoint": "kubernetes.default.svc:443", "tls": {}},
    ),
    Attempt(
        "endpoint-cloud", "ImageStore `endpoint`: cloud metadata", store={"endpoint": "169.254.169.254:80"}
    ),
    Attempt(
        "pod-endpoint", "ImageStore `podEndpoint`: the API server", store={"podEndpoint": "kubernetes:443"}
    ),
)

PODS = (
    Attempt(
        "pod-volume", "`podTemplate.volumes`", _pod(volumes=[{"name": "x", "secret": {"secretName": "keys"}}])
    ),
    Attempt("pod-environment", "`podTemplate.env`", _pod(env=[{"name": "X", "value": "y"}])),
    Attempt(
        "pod-label", "`podTemplate.labels`: the operator's own", _pod(labels={"imagejob.dev/job": "{a}"})
    ),
    Attempt(
        "pod-account", "`podTemplate.serviceAccountName`: another's", _pod(serviceAccountName="{a}/robot")
    ),
    Attempt("pod-policy", "`podTemplate.labels`: those of a NetworkPolicy", _pod(labels={"app": "{a}"})),
    Attempt(
        "pod-injection",
        "`podTemplate.annotations`: credentials by injection",
        _pod(annotations={"vault.hashicorp.com/agent-inject": "true"}),
    ),
    Attempt(
        "pod-priority",
        "`podTemplate.priorityClassName`: the cluster's own",
        _pod(priorityClassName="system-node-critical"),
    ),
    Attempt("pod-runtime", "`podTemplate.runtimeClassName`: any", _pod(runtimeClassName="host")),
)

ATTEMPTS = (*SOURCES, *DESTINATIONS, *NAMES, *STORES, *PODS)
