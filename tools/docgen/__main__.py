"""`python -m docgen`: write the generated pages below docs/."""

from __future__ import annotations

from pathlib import Path

import yaml

from docgen.pages import api, errors, states

ROOT = Path(__file__).resolve().parents[2]


def pages() -> dict[Path, str]:
    """Every generated page by its path."""
    crd = yaml.safe_load((ROOT / "crds" / "imagejob.yaml").read_text())
    docs = ROOT / "docs"
    return {docs / "states.md": states(), docs / "errors.md": errors(), docs / "api.md": api(crd)}


def main() -> None:
    """Write them."""
    for path, text in pages().items():
        path.write_text(text)


if __name__ == "__main__":
    main()
