"""`python -m capacity`: the operator at the sizes that it is made for, in parts.

Each part has a new cluster. The figures of parts that are not measured this time stay in the document. Exit
code 1 if a part fails, or a figure cannot be true; a bar that is not met is reported, and is no failure.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from minio.error import MinioException
from urllib3.exceptions import HTTPError

from capacity import items, latency, live, neighbours, pressure
from capacity.document import PARTS, objections, part_of_document
from capacity.place import Place, new_place
from capacity.sizes import Sizes
from demo.errors import DemoError
from imagejob_operator.adapters.kubernetes.answers import ApiError
from localcluster.errors import ClusterError
from localcluster.progress import step
from scale.drive import LoadFailed
from scale.figures import Figures
from scale.meters import machine_seconds

OUT = Path("out/bench-capacity.json")
MEASURES: dict[str, Callable[[Place, Sizes], Figures]] = {
    "live": live.measure,
    "items": items.measure,
    "neighbours": neighbours.measure,
    "latency": latency.measure,
    "pressure": pressure.measure,
}
FAILURES = (TimeoutError, LoadFailed, ClusterError, DemoError, ApiError, MinioException, HTTPError)
"""What a part can end with: the next one is measured all the same."""
IDLE_SECONDS = 2.0


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="capacity", description=__doc__)
    parser.add_argument(
        "parts", nargs="*", metavar="PART", help=f"one of {', '.join(PARTS)} (default: all of them)"
    )
    for field in fields(Sizes):
        parser.add_argument(
            f"--{field.name}", type=int, default=field.default, help=f"(default: {field.default})"
        )
    parser.add_argument("--cluster", default="capacity", help="name of the local cluster (default: capacity)")
    options = parser.parse_args(arguments)
    if unknown := [part for part in options.parts if part not in PARTS]:
        parser.error(f"there is no part {unknown[0]!r}; choose from {', '.join(PARTS)}")
    return options


def about() -> dict[str, Any]:
    """When and where a part is measured, and what else the machine does before it begins."""
    before = machine_seconds()
    time.sleep(IDLE_SECONDS)
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}",
        "otherCores": round((machine_seconds() - before) / IDLE_SECONDS, 2),
    }


def main(arguments: Sequence[str]) -> int:
    """Measure the parts; the exit code."""
    options = _parse(arguments)
    sizes = Sizes(**{field.name: getattr(options, field.name) for field in fields(Sizes)})
    wrong: list[str] = []
    for part in options.parts or PARTS:
        found = about()
        try:
            with step(f"part {part}"), new_place(options.cluster) as place:
                figures = MEASURES[part](place, sizes)
        except (LoadFailed, ClusterError, DemoError, TimeoutError) as error:
            wrong.append(f"{part} failed: {type(error).__name__}: {error}")
            continue
        publish(part, part_of_document(found, part, figures))
        wrong += objections(part, figures)
    for objection in wrong:
        print(f"objection: {objection}")
    return 1 if wrong else 0


def publish(part: str, measured: dict[str, Any]) -> None:
    """Put a part into the document, and print it."""
    OUT.parent.mkdir(exist_ok=True)
    document: dict[str, Any] = json.loads(OUT.read_text()) if OUT.exists() else {"parts": {}}
    document["parts"] = {
        name: {**document["parts"], part: measured}[name]
        for name in PARTS
        if name == part or name in document["parts"]
    }
    OUT.write_text(json.dumps(document, indent=1) + "\n")
    print(f"\n{part}")
    for name, value in measured["figures"].items():
        print(f"  {name:<24} {value}")
    for bar in measured["bars"]:
        print(f"  {'met    ' if bar['met'] else 'NOT MET'} {bar['what']}: {bar['measured']} ({bar['bar']})")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
