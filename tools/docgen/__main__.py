"""`python -m docgen [JSON…]`: write the generated pages below docs/.

Args:
    JSON: what commands measured (failures.json, chaos.json, …); each is kept in docs/measured/ by its name.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import yaml

from docgen.benchmarks import bench_images
from docgen.chaos import SECTIONS, chaos
from docgen.pages import api, errors, failures, states
from docgen.soaking import soak

ROOT = Path(__file__).resolve().parents[2]


MEASURED = ROOT / "docs" / "measured" / "failures.json"
IMAGES = ROOT / "docs" / "measured" / "bench-images.json"
CRASHES = {name: ROOT / "docs" / "measured" / name for name in SECTIONS}
SOAK = ROOT / "docs" / "measured" / "soak.json"


def pages() -> dict[Path, str]:
    """Every generated page by its path."""
    jobs, stores = (
        yaml.safe_load((ROOT / "crds" / name).read_text()) for name in ("imagejob.yaml", "imagestore.yaml")
    )
    docs = ROOT / "docs"
    measured = (
        {docs / "bench-images.md": bench_images(json.loads(IMAGES.read_text()))} if IMAGES.exists() else {}
    )
    crashes = {name: json.loads(place.read_text()) for name, place in CRASHES.items() if place.exists()}
    if crashes:
        measured[docs / "chaos.md"] = chaos(crashes)
    return measured | {
        docs / "states.md": states(),
        docs / "errors.md": errors(),
        docs / "api.md": api(jobs),
        docs / "imagestore.md": api(stores),
        docs / "soak.md": soak(json.loads(SOAK.read_text())),
        docs / "failures.md": failures(json.loads(MEASURED.read_text())),
    }


def main() -> None:
    """Write them."""
    for measured in map(Path, sys.argv[1:]):
        (MEASURED.parent / measured.name).write_text(measured.read_text())
    for path, text in pages().items():
        path.write_text(text)


if __name__ == "__main__":
    main()
