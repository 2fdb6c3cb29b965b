"""`python -m release.audit LOCK…`: known vulnerabilities of the packages in lock files, by pip-audit.

Exit code 1 if a package has one, or if pip-audit did not look at every package: an audit of nothing
finds nothing.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from packaging.markers import default_environment
from packaging.requirements import Requirement

SECONDS = 600


def objections(lock: str, answer: dict[str, Any]) -> list[str]:
    """Why an audit of a lock file is no proof, or what it found; empty if all its packages are sound."""
    audited = {found["name"].lower(): found for found in answer.get("dependencies", ())}
    expected = applicable(lock)
    if not expected:
        return ["the lock file has no package"]
    found = [f"{name} was not audited" for name in sorted(expected - audited.keys())]
    for name, package in sorted(audited.items()):
        if reason := package.get("skip_reason"):
            found.append(f"{name} was not audited: {reason}")
        for problem in package.get("vulns", ()):
            fixed = ", ".join(problem["fix_versions"]) or "no version"
            found.append(f"{name} {package['version']}: {problem['id']}, fixed in {fixed}")
    return found


def applicable(lock: str) -> set[str]:
    """The packages of a lock file that are installed on this machine."""
    lines = (line.rstrip("\\ ") for line in lock.splitlines() if line and not line.startswith((" ", "#")))
    environment = {key: str(value) for key, value in default_environment().items()}
    wanted = (Requirement(line) for line in lines)
    return {one.name.lower() for one in wanted if one.marker is None or one.marker.evaluate(environment)}


def audit(lock: Path) -> list[str]:
    """What is wrong with one lock file."""
    options = ["--require-hashes", "--disable-pip", "--format", "json"]
    command = ["pip-audit", "--requirement", str(lock), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    try:
        answer = json.loads(done.stdout)
    except json.JSONDecodeError:
        return [f"pip-audit gave no answer: {done.stderr.strip()[-500:]}"]
    return objections(lock.read_text(), answer)


def main() -> int:
    """The exit code."""
    wrong = 0
    for lock in map(Path, sys.argv[1:]):
        found = audit(lock)
        wrong += len(found)
        sys.stdout.write(f"{lock}: {len(applicable(lock.read_text()))} packages, {len(found)} objections\n")
        sys.stdout.writelines(f"  {objection}\n" for objection in found)
    return 1 if wrong or not sys.argv[1:] else 0


if __name__ == "__main__":
    sys.exit(main())
