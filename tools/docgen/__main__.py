"""`python -m docgen [JSON…]`: write the generated pages below docs/, and the Grafana dashboard.

Args:
    JSON: measurements (failures.json, chaos.json, …), copied to docs/evidence/measured/ first.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import yaml

from docgen.benchmarks import bench_images
from docgen.capacity import bench_capacity
from docgen.chaos import SECTIONS, chaos
from docgen.dashboard import dashboard
from docgen.errors import errors
from docgen.monitoring import monitoring
from docgen.pages import api, failures, phases
from docgen.pictures import pictures
from docgen.plots import plots
from docgen.scaling import bench_scale
from docgen.soaking import soak

ROOT = Path(__file__).resolve().parents[2]
USERS, ADMINISTRATORS, EVIDENCE = (ROOT / "docs" / part for part in ("users", "administrators", "evidence"))
MONITORING = ROOT / "manifests" / "monitoring"
FOLDER = EVIDENCE / "measured"
MEASURED, IMAGES, PICTURES, SOAK, SCALE, CAPACITY = (
    FOLDER / f"{name}.json"
    for name in ("failures", "bench-images", "pictures", "soak", "bench-scale", "bench-capacity")
)
CRASHES = {name: FOLDER / name for name in SECTIONS}


def pages() -> dict[Path, str]:
    """Every generated page by its path."""
    jobs, stores = (
        yaml.safe_load((ROOT / "crds" / name).read_text()) for name in ("imagejob.yaml", "imagestore.yaml")
    )
    rules = yaml.safe_load((MONITORING / "rules.yaml").read_text())
    crashes = {name: json.loads(path.read_text()) for name, path in CRASHES.items() if path.exists()}
    return {
        USERS / "phases.md": phases(),
        USERS / "errors.md": errors(),
        USERS / "imagejob-api.md": api(jobs),
        USERS / "imagestore-api.md": api(stores),
        ADMINISTRATORS / "monitoring.md": monitoring(rules),
        MONITORING / "dashboard.json": dashboard(),
        EVIDENCE / "failures.md": failures(json.loads(MEASURED.read_text())),
        EVIDENCE / "chaos.md": chaos(crashes),
        EVIDENCE / "bench-images.md": bench_images(json.loads(IMAGES.read_text())),
        EVIDENCE / "pictures.md": pictures(json.loads(PICTURES.read_text())),
        EVIDENCE / "soak.md": soak(json.loads(SOAK.read_text())),
        EVIDENCE / "bench-scale.md": bench_scale(json.loads(SCALE.read_text())),
        EVIDENCE / "bench-capacity.md": bench_capacity(json.loads(CAPACITY.read_text())),
    }


def images() -> dict[Path, bytes]:
    """Every generated plot by its path."""
    return {EVIDENCE / name: png for name, png in plots(json.loads(SCALE.read_text())).items()}


def main() -> None:
    """Write them."""
    for measured in map(Path, sys.argv[1:]):
        (FOLDER / measured.name).write_text(measured.read_text())
    for path, text in pages().items():
        path.write_text(text)
    for path, png in images().items():
        path.write_bytes(png)


if __name__ == "__main__":
    main()
