"""The largest objects of each kind that the API server admits, by the limits of etcd and of the CRD."""

from __future__ import annotations

import base64
import json
from typing import Any

from fakes.build import PREFIX, UID
from imagejob_operator.naming.names import LABEL_ATTEMPT, LABEL_EPOCH, LABEL_JOB, LABEL_RUN, LABEL_SHARD

ETCD_BYTES = 1_500_000
NOW = "2026-01-01T12:00:00Z"

RENDITION = {"output": {"format": "Same"}}
WATERMARK = {"watermark": {"text": "x" * 64}}
MANY_RENDITIONS = [{"name": f"r{number}", "steps": [WATERMARK] * 16, **RENDITION} for number in range(32)]
HEADERS = {
    "cacheControl": "x" * 256,
    "contentDisposition": "y" * 256,
    "metadata": {f"name-{number}": "v" * 128 for number in range(8)},
    "tags": {f"tag-{number}" + "t" * 120: "v" * 256 for number in range(10)},
}
TEMPLATE = "{stem}{name}{index}" * 13 + "{ext}"


def glob(number: int, form: str) -> str:
    return (form * 256)[: 255 - len(str(number))] + str(number)


SOURCES: dict[str, dict[str, Any]] = {
    "keys": {"keys": [f"{number:06d}/".ljust(511, "é") + "k" for number in range(1000)]},
    "globs": {
        "match": {
            "prefix": "p" * 511 + "/",
            "include": [glob(number, "**/*a") for number in range(16)],
            "exclude": [glob(number, "*a*b?/") for number in range(16)],
        }
    },
    "urls": {
        "urls": [
            {
                "url": f"https://h{number}.example/" + "a/" * 900 + "a?" + "q" * 130 + "#f",
                "sha256": "a" * 64,
                "headersSecretRef": {"name": "s" * 253},
            }
            for number in range(256)
        ]
    },
    "inline": {
        "inline": [
            {"name": f"{number}.png".rjust(128, "n"), "data": base64.b64encode(bytes(65_535)).decode()}
            for number in range(8)
        ]
    },
}


def pod_template(free_form: Any) -> dict[str, Any]:
    maps = {f"example.com/{number}": "v" * 63 for number in range(32)}
    return {
        "resources": {
            "limits": {f"r{n}": "1" for n in range(15)} | {"cpu": "9" * 18},
            "requests": {"memory": "99Gi"},
        },
        "nodeSelector": maps,
        "labels": maps,
        "annotations": {f"example.com/{number}": "v" * 4096 for number in range(32)},
        "tolerations": [{"key": "k"} for _ in range(32)],
        "affinity": free_form,
    }


def spec(source: str, **fields: Any) -> dict[str, Any]:
    return {
        "source": SOURCES[source],
        "renditions": MANY_RENDITIONS,
        "destination": {"prefix": "out/", "keyTemplate": TEMPLATE, "headers": HEADERS},
        "execution": {"parallelism": 100, "podTemplate": pod_template({"a": ["b"] * 1000})},
        **fields,
    }


def metadata(uid: str = UID, **fields: Any) -> dict[str, Any]:
    return {
        "name": "spring",
        "namespace": "shop",
        "uid": uid,
        "resourceVersion": "7",
        "generation": 1,
        "finalizers": ["imagejob.dev/staging"],
        "creationTimestamp": NOW,
        **fields,
    }


CONDITION = {
    "status": "True",
    "reason": "R",
    "message": "m" * 1024,
    "lastTransitionTime": NOW,
    "observedGeneration": 1,
}


def status(phase: str) -> dict[str, Any]:
    """A run with as many shards, and as much to say of them, as a status has."""
    attempts = ",".join(f"{shard}={shard % 3 + 1}+{shard % 2}" for shard in range(1000))
    counts = {"total": 100_000, "succeeded": 0, "failed": 0, "skipped": 0}
    past = {
        "id": "i" * 63,
        "number": 1,
        "phase": "Failed",
        "reason": "r" * 64,
        "items": counts,
        "report": "r" * 512,
    }
    return {
        "phase": phase,
        "phaseSince": NOW,
        "observedGeneration": 1,
        "run": {
            "id": "1",
            "number": 1,
            "epoch": 1,
            "startedAt": NOW,
            "shards": {"total": 1000, "attempts": attempts},
        },
        "itemsPerShard": 100,
        "items": counts,
        "staging": {"prefix": PREFIX, "objects": 100_000, "bytes": 1},
        "conditions": [{"type": f"T{number}", **CONDITION} for number in range(16)],
        "failures": [{"item": "i" * 512, "code": "IMG_001", "message": "m" * 300}] * 10,
        "history": [past] * 5,
    }  # fmt: skip


def padded(body: dict[str, Any]) -> dict[str, Any]:
    """The object with labels up to what etcd takes."""
    left = ETCD_BYTES - len(json.dumps(body, separators=(",", ":")).encode())
    labels = {f"{number:06x}": "" for number in range(max(0, left // 12))}
    return {**body, "metadata": {**body["metadata"], "labels": labels}}


def jobs() -> dict[str, dict[str, Any]]:
    """ImageJobs by what is large in them; all but the last two have a valid spec."""
    found = {source: spec(source) for source in SOURCES}
    empty: list[Any] = [[]]
    found["free-form-list"] = spec("keys") | {
        "execution": {"podTemplate": pod_template({"a": empty * 400_000})}
    }
    found["free-form-text"] = spec("urls") | {"execution": {"podTemplate": pod_template("x" * 600_000)}}
    return {name: padded({"metadata": metadata(), "spec": wanted}) for name, wanted in found.items()}


def imagestores() -> dict[str, dict[str, Any]]:
    certificate = "-----BEGIN CERTIFICATE-----\n" + "A" * 32_000 + "\n-----END CERTIFICATE-----\n"
    wanted = {
        "endpoint": ("h" * 250 + ".example")[-260:],
        "bucket": "b" * 63,
        "prefix": "p/" * 128,
        "auth": {"secretRef": {"name": "s" * 253}},
        "tls": {"caBundle": certificate.ljust(32_768, "\n")},
    }
    return {
        "ca-bundle": padded({"metadata": metadata(), "spec": wanted}),
        "not-pem": padded({"metadata": metadata(), "spec": {**wanted, "tls": {"caBundle": "é" * 32_768}}}),
    }


def pod(shard: int = 0, labels: bool = True) -> dict[str, Any]:
    """A Pod of a tenant with the operator's labels and a long status, and with other labels as etcd takes."""
    counts = {
        LABEL_RUN: "1",
        LABEL_EPOCH: "1",
        LABEL_SHARD: str(shard),
        LABEL_ATTEMPT: "1",
        LABEL_JOB: "spring",
    }
    terminated = {"exitCode": 1, "message": "é\n" * 2048, "startedAt": NOW, "finishedAt": NOW}
    statuses = [{"name": f"c{number}", "state": {}} for number in range(100)]
    found = {
        "metadata": metadata(f"pod-{shard}", ownerReferences=[{"uid": UID, "controller": True}]),
        "status": {
            "phase": "Failed",
            "message": "m" * 100_000,
            "containerStatuses": [*statuses, {"name": "processor", "state": {"terminated": terminated}}],
            "conditions": [{"type": f"example.com/{number}", **CONDITION} for number in range(100)],
        },
    }  # fmt: skip
    found = padded(found) if labels else found
    found["metadata"].setdefault("labels", {}).update(counts)
    return found
