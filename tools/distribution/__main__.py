"""`python -m distribution chart | install-yaml`: make the files of a release."""

from __future__ import annotations

import argparse
import sys

from distribution import chart
from distribution.install_yaml import REGISTRY, install_yaml
from distribution.rendering import helm_program
from localcluster.commands import run
from localcluster.errors import ClusterError
from localcluster.paths import repository


def main() -> int:
    """Exit code 0, or 1 if a program fails."""
    parser = argparse.ArgumentParser(prog="distribution", description=__doc__)
    parser.add_argument("what", choices=("chart", "install-yaml"))
    parser.add_argument("--registry", default=REGISTRY, help="of the images in install.yaml")
    options = parser.parse_args()
    out = repository() / "out"
    out.mkdir(exist_ok=True)
    try:
        if options.what == "chart":
            chart.write()
            sys.stdout.write(_package())
        else:
            (out / "install.yaml").write_text(install_yaml(options.registry))
            sys.stdout.write("out/install.yaml\n")
    except ClusterError as error:
        sys.stderr.write(f"distribution: {error}\n")
        return 1
    return 0


def _package() -> str:
    """Write the chart as an archive to out/."""
    helm = str(helm_program())
    return run([helm, "package", str(chart.chart_folder()), "--destination", str(repository() / "out")])


if __name__ == "__main__":
    sys.exit(main())
