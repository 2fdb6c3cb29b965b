"""`python -m walkthrough [--cluster] [--write]`: run the commands of README and quickstart in a clean clone.

The pages are those of the last commit. Exits with 1 if one of them differs from what its commands print.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from localcluster.paths import cache_root
from localcluster.providers import cluster as local_cluster
from walkthrough.compare import FAILED, differences
from walkthrough.page import Command, commands
from walkthrough.recording import recording
from walkthrough.shell import Session, environment, run
from walkthrough.transcript import transcript, updated

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("README.md", "docs/quickstart.md")
TRANSCRIPT = ROOT / "docs" / "evidence" / "walkthrough.md"
RECORDING = ROOT / "docs" / "assets" / "session.svg"
HOME = "/home/me"
"""The home folder in the pages; the clone is ~/imagejob."""
DEMO = "demo"
"""The cluster of `make demo`."""


def wanted(text: str, cluster: bool) -> list[Command]:
    """Return the commands of a page, without those that need a cluster unless there may be one."""
    return [command for command in commands(text) if cluster or not command.cluster]


def walk(root: Path, home: Path, cluster: bool) -> dict[str, Session]:
    """Clone a repository into an empty home folder, and run the commands of its pages."""
    clone = home / "imagejob"
    subprocess.run(["git", "clone", "--quiet", str(root), str(clone)], check=True)
    # The programs that the cluster is built from are not built again; the demo does not ask.
    more = {"CI": "true", "IMAGEJOB_CACHE": str(cache_root())} if cluster else {}
    variables = environment(home, more)
    return {name: run(wanted((clone / name).read_text(), cluster), clone, variables) for name in PAGES}


def write(sessions: Mapping[str, Session], places: Mapping[str, str], cluster: bool) -> None:
    """Write the transcript, the recording, and what was printed into the pages."""
    facts = {
        "commit": _commit(),
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": f"{os.cpu_count()} CPUs",
        "scope": "The commands that need a cluster were run too." if cluster else "Without a cluster.",
    }
    TRANSCRIPT.write_text(transcript(sessions, places, **facts))
    for name in PAGES:
        path = ROOT / name
        path.write_text(updated(path.read_text(), sessions[name], places))
    RECORDING.write_text(picture())


def picture() -> str:
    """Return the README's session as a picture."""
    return recording(
        commands((ROOT / PAGES[0]).read_text()), "imagejob run makes four renditions of two images"
    )


def main() -> int:
    """Run the walkthrough, and print what differs from the pages. If a command fails, nothing is written."""
    parser = argparse.ArgumentParser(prog="walkthrough", description=__doc__)
    parser.add_argument(
        "--cluster", action="store_true", help="also run what needs a cluster, with `make demo`"
    )
    parser.add_argument("--write", action="store_true", help="write pages, transcript and recording")
    options = parser.parse_args()
    if options.cluster and local_cluster(DEMO).status().healthy:
        sys.stderr.write(f"the cluster {DEMO!r} is in use; remove it with `make clean`, and try again\n")
        return 2
    with tempfile.TemporaryDirectory() as folder:
        places = {folder: HOME, str(cache_root()): f"{HOME}/.cache/imagejob"}
        try:
            sessions = walk(ROOT, Path(folder), options.cluster)
        finally:
            if options.cluster:
                local_cluster(DEMO).down()
        found = [line for name in PAGES for line in differences(name, sessions[name], places)]
    failed = [text for text in found if FAILED in text]
    if options.write and not failed:
        write(sessions, places, options.cluster)
    for name, session in sessions.items():
        sys.stdout.write(
            f"{name}: {len(session.ran)} commands, {session.seconds:.1f} s, {session.cpu:.1f} s of CPU time\n"
        )
    sys.stdout.write("".join(f"\n{text}\n" for text in found))
    # What is printed in another way is now on the pages.
    return 1 if failed or (found and not options.write) else 0


def _commit() -> str:
    found = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return found.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
