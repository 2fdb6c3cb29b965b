"""Checks what a release installs against the schemas of Kubernetes versions, with kubeconform."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distribution.chart import chart_folder
from distribution.install_yaml import install_objects
from distribution.rendering import Object, chart_objects
from distribution.schemas import schema_folder
from localcluster import binaries
from localcluster.errors import ClusterError

WITHOUT_SCHEMA = ("PrometheusRule", "ServiceMonitor")
"""Kinds of the Prometheus operator, which Kubernetes does not define."""
STORE = {"IMAGEJOB_STORE_ENDPOINT": "s3.example.com", "IMAGEJOB_STORE_BUCKET": "media"}


@dataclass(frozen=True, slots=True)
class Result:
    """The objects of one version that were checked, and what is wrong with them."""

    version: str
    valid: int
    wrong: tuple[str, ...]


def shipped() -> list[Object]:
    """The chart with everything that can be switched on, and install.yaml."""
    everything = {name: {"enabled": True} for name in ("podDisruptionBudget", "flowControl")}
    files = [chart_folder() / "values-production.yaml"]
    return [*chart_objects({"settings": STORE, **everything}, files), *install_objects()]


def check(objects: Iterable[Object], version: str) -> Result:
    """Check objects against the schemas of a version; unknown fields and unknown kinds are wrong."""
    kubeconform = binaries.ensure(binaries.KUBECONFORM) / "kubeconform"
    place = f"{schema_folder(version)}/{{{{ .ResourceKind }}}}{{{{ .KindSuffix }}}}.json"
    words = ["-schema-location", place, "-skip", ",".join(WITHOUT_SCHEMA), "-output", "json", "-verbose"]
    with tempfile.TemporaryDirectory() as folder:
        for number, one in enumerate(objects):
            (Path(folder) / f"{number:03d}.json").write_text(json.dumps(one))
        # Its exit code only repeats what its output has.
        done = subprocess.run(
            [str(kubeconform), *words, folder], capture_output=True, text=True, timeout=120, check=False
        )
    if not done.stdout:
        raise ClusterError(f"kubeconform wrote nothing: {done.stderr}")
    found: list[dict[str, Any]] = json.loads(done.stdout)["resources"]
    wrong = tuple(
        f"{one['kind']} {one['name']}: {one['msg']}"
        for one in found
        if one["status"] not in ("statusValid", "statusSkipped")
    )
    return Result(version, sum(one["status"] == "statusValid" for one in found), wrong)
