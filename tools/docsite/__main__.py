"""`python -m docsite`: build the documentation site into out/site; every warning is an error."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from docsite.pages import differences, left_out, loaded_from_elsewhere, write

ROOT = Path(__file__).resolve().parents[2]
PAGES, SITE = "out/site-pages", "out/site"
"""The folders that mkdocs.yml names."""


def build(root: Path) -> list[str]:
    """Build the site of a repository with a mkdocs.yml; return what is wrong with it."""
    pages = write(root, root / PAGES)
    builder = (sys.executable, "-m", "zensical", "build", "--strict", "--clean")
    built = subprocess.run(builder, cwd=root, check=False, capture_output=True, text=True)
    if built.returncode:
        # What follows is the traceback of the builder, which has nothing to do with the pages.
        return [(built.stdout + built.stderr).partition("Traceback")[0].strip()]
    wrong = [f"{page}: not in the navigation" for page in left_out(pages, (root / "mkdocs.yml").read_text())]
    for name, text in sorted(pages.items()):
        folder = root / SITE / name.removesuffix("README.md").removesuffix(".md")
        html = (folder / "index.html").read_text()
        wrong += [f"{name}: {difference}" for difference in differences(text, html)]
        wrong += [f"{name}: loads {address}" for address in loaded_from_elsewhere(html)]
    return wrong


def main() -> int:
    """Build the site of this repository: 0 if nothing is wrong with it."""
    wrong = build(ROOT)
    sys.stdout.write("\n".join([*wrong, "" if wrong else f"built {ROOT / SITE / 'index.html'}", ""]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
