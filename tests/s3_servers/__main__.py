"""`python -m s3_servers`: the contract of a store and the end-to-end cases on every S3 server, as a table."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from localcluster import stores
from localcluster.cluster import Cluster
from localcluster.paths import repository
from localcluster.progress import say
from localcluster.providers import cluster as find_cluster
from s3_servers.results import Cell, read, table
from s3_servers.servers import BEHIND, CHOICE, EVERY

PARTS = {
    "contract": ("tests/contract", "-m", "store"),
    "e2e": ("tests/e2e", "-m", "conformance"),
}
MANY = "20"
"""ImageJobs in the test of an outage, which has 200 in `make test`."""


def main() -> int:
    """Run the tests on each server; 0 if all of them passed."""
    parser = argparse.ArgumentParser(prog="s3_servers", description=__doc__)
    parser.add_argument("servers", nargs="*", metavar="SERVER", help=f"of: {', '.join(EVERY)} (default: all)")
    parser.add_argument("--only", choices=PARTS, help="only the contract, which needs no cluster, or e2e")
    options = parser.parse_args()
    if unknown := set(options.servers) - set(EVERY):
        parser.error(f"unknown server: {', '.join(sorted(unknown))}")
    kinds = [kind for kind in EVERY if kind in (options.servers or EVERY)]
    for kind in kinds:
        stores.SERVERS[kind if kind in stores.SERVERS else BEHIND].program()
    parts = [options.only] if options.only else [*PARTS]
    found: dict[str, list[Cell]] = {}
    with _cluster("e2e" in parts):
        for kind in kinds:
            found[kind] = [cell for part in parts for cell in _run(kind, part)]
    sys.stdout.write("\n".join(["", *table(found), ""]))
    return int(any(cell.failed for cells in found.values() for cell in cells) or not all(found.values()))


@contextmanager
def _cluster(needed: bool) -> Iterator[None]:
    """The test cluster with the images; it is removed at the end unless it was up before."""
    name = os.environ.get("IMAGEJOB_TEST_CLUSTER", "test")
    if not needed or os.environ.get("IMAGEJOB_TEST_KUBECONFIG"):
        yield
        return
    where: Cluster = find_cluster(name)
    was_up = where.status().healthy
    where.up()
    try:
        yield
    finally:
        if not was_up:
            where.down()


def _run(kind: str, part: str) -> list[Cell]:
    """Run one part on one server."""
    say(f"\n== {part} on {kind}")
    with tempfile.TemporaryDirectory() as folder:
        counts = Path(folder) / "counts.xml"
        command = [sys.executable, "-m", "pytest", "-q", "--no-header", *PARTS[part], f"--junitxml={counts}"]
        environment = {**os.environ, CHOICE: kind, "IMAGEJOB_E2E_MANY": MANY}
        subprocess.run(command, env=environment, cwd=repository(), check=False)
        return read(counts, kind, part)


if __name__ == "__main__":
    sys.exit(main())
