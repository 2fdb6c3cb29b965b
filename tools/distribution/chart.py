"""Copies manifests into the chart.

Helm reads no files outside of a chart, and Flux drops symbolic links of a repository.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from localcluster.paths import repository

COPIES = {
    "crds/imagejob.yaml": "crds/imagejob.yaml",
    "crds/imagestore.yaml": "crds/imagestore.yaml",
    "access.yaml": "manifests/access/rolebinding.yaml",
    "dashboard.json": "manifests/monitoring/dashboard.json",
    "cluster-uid.yaml": "manifests/overlays/namespaced/cluster-uid.yaml",
    "deployment.yaml": "manifests/base/deployment.yaml",
    "disruption.yaml": "manifests/overlays/production/disruption.yaml",
    "flow-schemas.yaml": "manifests/flow-control/flow-schemas.yaml",
    "network.yaml": "manifests/base/network.yaml",
    "rbac.yaml": "manifests/base/rbac.yaml",
    "rules.yaml": "manifests/monitoring/rules.yaml",
    "servicemonitor.yaml": "manifests/monitoring/servicemonitor.yaml",
}
"""Files below charts/imagejob/files, and what they are copies of."""

VERSION = re.compile(r"^(version|appVersion): .*$", re.MULTILINE)


def chart_folder(root: Path | None = None) -> Path:
    """The folder of the chart."""
    return (root or repository()) / "charts" / "imagejob"


def version(root: Path | None = None) -> str:
    """The version of this tree, from pyproject.toml."""
    text = ((root or repository()) / "pyproject.toml").read_text()
    found: str = tomllib.loads(text)["project"]["version"]
    return found


def wanted(root: Path | None = None) -> dict[Path, str]:
    """The generated files of the chart, with their contents."""
    tree = root or repository()
    chart = chart_folder(tree)
    files = {chart / "files" / copy: (tree / source).read_text() for copy, source in COPIES.items()}
    metadata = (chart / "Chart.yaml").read_text()
    files[chart / "Chart.yaml"] = VERSION.sub(lambda found: f"{found[1]}: {version(tree)}", metadata)
    return files


def stale(root: Path | None = None) -> list[str]:
    """The generated files of the chart that differ from their sources, and copies of nothing."""
    files = wanted(root)
    folder = chart_folder(root) / "files"
    different = [path for path, text in files.items() if not path.exists() or path.read_text() != text]
    strays = [path for path in folder.rglob("*.*") if path not in files and path.suffix != ".py"]
    return sorted(path.relative_to(chart_folder(root)).as_posix() for path in (*different, *strays))


def write(root: Path | None = None) -> None:
    """Write the generated files of the chart."""
    for path, text in wanted(root).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
