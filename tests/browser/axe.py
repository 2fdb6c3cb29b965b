"""axe-core, which finds what keeps a page from being accessible; installed by its lock file."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

from browser.tab import Tab

HERE = Path(__file__).parent
BUILD = HERE.parents[1] / "build" / "browser"
SCRIPT = BUILD / "node_modules" / "axe-core" / "axe.min.js"
SERIOUS = ("serious", "critical")


def script() -> str:
    """The source of axe-core; the first call installs it with npm."""
    if not SCRIPT.exists():
        BUILD.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, BUILD / name)
        subprocess.run(["npm", "ci", "--silent", "--ignore-scripts"], cwd=BUILD, check=True)
    return SCRIPT.read_text()


async def serious(tab: Tab) -> list[str]:
    """What is serious or critical in the page: rule, element and reason."""
    await tab.run(f"{script()}; undefined")
    violations: list[dict[str, Any]] = await tab.run("axe.run().then((found) => found.violations)")
    return [
        f"{rule['id']}: {node['html'][:200]}: {node['failureSummary']}"
        for rule in violations
        if rule["impact"] in SERIOUS
        for node in rule["nodes"]
    ]
