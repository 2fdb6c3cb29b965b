"""Rejected and accepted values at the limit of every constraint of the CRD of ImageStores."""

from __future__ import annotations

from typing import Any

from cluster.crd_cases import (
    ABSENT,
    CONDITION,
    Case,
    Change,
    between,
    case,
    changed,
    length,
    moment,
    required,
    rule,
)

STORE: dict[str, Any] = {
    "apiVersion": "imagejob.dev/v1alpha1",
    "kind": "ImageStore",
    "metadata": {"name": "case"},
    "spec": {"endpoint": "store.example", "bucket": "media", "auth": {"secretRef": {"name": "keys"}}},
}
IDENTITY_AUTH = {"webIdentity": {"serviceAccountName": "robot", "endpoint": "sts.example"}}
IDENTITY = changed(STORE, ("spec.auth", IDENTITY_AUTH))
BUNDLE = changed(STORE, ("spec.tls", {"caBundleRef": {"name": "authority"}}))

NAMES = (["A", "-a", "a-", "a_b", "a/b", "../b", "a\n"], ["a", "a.b-c.9"])
ENDPOINTS = (
    ["https://a", "a/b", "a:", "a:b", "-a", "a b", "a@b", "a?b", "[::1]", "a\n"],
    ["a", "10.0.0.1:9000", "s3.Example.com"],
)
BUCKETS = ["Media", "-media", "media-", "me/dia", "me_dia", "media\n"]
PREFIXES = ["a", "/a/", "a//", "../a/", "a/./", "./"]


def _named(path: str, base: dict[str, Any], values: tuple[list[str], list[str]] = NAMES) -> list[Case]:
    return [
        required(path, "a", base),
        *length(path, 1, 260 if "ndpoint" in path else 253, base),
        case(path, "pattern", *values, base=base),
    ]


def _prefix(path: str, base: dict[str, Any]) -> list[Case]:
    longest = "a" * 255 + "/"
    return [
        case(path, "maxLength", ["a" + longest], [longest], base=base),
        rule(path, "must be a relative prefix that ends with", PREFIXES, ["a/", "a b/c/", ""], base=base),
        rule(path, "must not contain control char", ["a\x00/", ".imagejob/"], [".imagejobs/"], base=base),
    ]


SPEC: list[Case] = [
    case("spec", "required", [ABSENT], [STORE["spec"]], base=STORE),
    *_named("spec.endpoint", STORE, ENDPOINTS),
    *length("spec.podEndpoint", 1, 260, STORE),
    case("spec.podEndpoint", "pattern", *ENDPOINTS, base=STORE),
    *length("spec.region", 1, 63, STORE),
    case(
        "spec.region",
        "pattern",
        ["-a", "a-", "a b", "a/b", "a.b", "ä", "a\n"],
        ["us-east-1", "a_b", "9"],
        base=STORE,
    ),
    required("spec.bucket", "media", STORE),
    case("spec.bucket", "minLength", ["xx"], ["xxx"], base=STORE),
    length("spec.bucket", 0, 63, STORE)[0],
    case(
        "spec.bucket",
        "pattern",
        ["Media", "-media", "media-", "me/dia", "me_dia", "media\n"],
        ["a.b-c"],
        base=STORE,
    ),
    *_prefix("spec.prefix", STORE),
    *_prefix("spec.staging", changed(STORE, ("spec.prefix", "else/"))),
    rule(
        "spec",
        "spec.staging must not be inside spec.prefix",
        [{**STORE["spec"], "prefix": p, "staging": s} for p, s in (("a/", "a/b/"), ("", "tmp/"))],
        [{**STORE["spec"], "prefix": p, "staging": s} for p, s in (("a/", "a/"), ("a/", "tmp/"), ("a/", ""))],
        base=STORE,
        at="spec.staging",
    ),
    case("spec.addressing", "enum", ["Host"], ["Path", "VirtualHost"], base=STORE),
    required("spec.auth", {"secretRef": {"name": "keys"}}, STORE),
    rule(
        "spec.auth",
        "exactly one of secretRef and webIdentity",
        [{}, {**IDENTITY_AUTH, "secretRef": {"name": "a"}}],
        [IDENTITY_AUTH],
        base=STORE,
    ),
    *_named("spec.auth.secretRef.name", STORE),
    *_named("spec.auth.webIdentity.serviceAccountName", IDENTITY),
    *_named("spec.auth.webIdentity.endpoint", IDENTITY, ENDPOINTS),
    *length("spec.auth.webIdentity.audience", 1, 256, IDENTITY),
    *length("spec.auth.webIdentity.roleARN", 0, 256, IDENTITY),
    case("spec.tls.mode", "enum", ["Insecure"], ["Verify", "Disabled"], base=STORE),
    rule(
        "spec.tls",
        "at most one of caBundle and caBundleRef",
        [{"caBundle": "PEM", "caBundleRef": {"name": "a"}}],
        [{"caBundle": "PEM"}, {"caBundleRef": {"name": "a"}}],
        base=STORE,
    ),
    *length("spec.tls.caBundle", 1, 32768, STORE),
    *_named("spec.tls.caBundleRef.name", BUNDLE),
    *length("spec.tls.caBundleRef.key", 1, 253, BUNDLE),
    *between("spec.presign.maxLifetimeSeconds", 60, 604800, STORE),
]

STATED = changed(STORE, ("status", {"observedGeneration": 1, "conditions": [CONDITION]}))
FIRST = "status.conditions[0]"
STATUS: list[Case] = [
    case(
        "status.conditions",
        "maxItems",
        [[{**CONDITION, "type": f"T{n}"} for n in range(9)]],
        [[{**CONDITION, "type": f"T{n}"} for n in range(8)]],
        base=STATED,
    ),
    case(
        "status.conditions",
        "unique",
        [[CONDITION, CONDITION]],
        [[CONDITION]],
        base=STATED,
        at=f"{FIRST[:-2]}1]",
    ),
    *(required(f"{FIRST}.{name}", value, STATED) for name, value in CONDITION.items()),
    *length(f"{FIRST}.type", 0, 64, STATED),
    *length(f"{FIRST}.status", 0, 16, STATED),
    *length(f"{FIRST}.reason", 0, 64, STATED),
    *length(f"{FIRST}.message", 0, 1024, STATED),
    moment(f"{FIRST}.lastTransitionTime", STATED),
]

FIXED = "because the location may hold the staged objects of runs"


def _fixed(path: str, old: Any, new: Any, base: dict[str, Any] = STORE) -> Change:
    """A change of one value; ABSENT removes it."""
    after = () if new is ABSENT else ((path, new),)
    return Change(f"{path} {new if new is not ABSENT else 'removed'!s:.20}", ((path, old),), after, base)


LOCATION: list[Change] = [
    _fixed("spec.endpoint", "a", "b"),
    _fixed("spec.bucket", "media", "media2"),
    _fixed("spec.prefix", "a/", "b/"),
    _fixed("spec.staging", "a/", "b/", changed(STORE, ("spec.prefix", "c/"))),
    _fixed("spec.staging", "a/", ABSENT, changed(STORE, ("spec.prefix", "c/"))),
    _fixed("spec.region", "a", "b"),
    _fixed("spec.addressing", "Path", "VirtualHost"),
    _fixed("spec.podEndpoint", "a", "b"),
    _fixed("spec.podEndpoint", "a", ABSENT),
]
"""Each is always rejected."""

FREE: list[Change] = [
    _fixed("spec.auth.secretRef.name", "a", "b"),
    _fixed("spec.auth", {"secretRef": {"name": "a"}}, IDENTITY_AUTH),
    _fixed("spec.tls", {"caBundle": "PEM"}, {"caBundle": "PEM2"}),
    _fixed("spec.presign.maxLifetimeSeconds", 60, 61),
]
"""Each is always accepted."""
