"""`python -m distribution chart | install-yaml | kubeconform`: make and check the files of a release."""

from __future__ import annotations

import argparse
import sys

from distribution import chart
from distribution.conformity import check, shipped
from distribution.install_yaml import REGISTRY, install_yaml
from distribution.rendering import write_package
from distribution.schemas import VERSIONS
from localcluster.errors import ClusterError
from localcluster.paths import repository


def main() -> int:
    """Exit code 0, or 1 if a program fails."""
    parser = argparse.ArgumentParser(prog="distribution", description=__doc__)
    parser.add_argument("what", choices=("chart", "install-yaml", "kubeconform"))
    parser.add_argument("--registry", default=REGISTRY, help="of the images in install.yaml")
    options = parser.parse_args()
    out = repository() / "out"
    out.mkdir(exist_ok=True)
    try:
        if options.what == "chart":
            chart.write()
            sys.stdout.write(write_package(out))
        elif options.what == "kubeconform":
            return _kubeconform()
        else:
            (out / "install.yaml").write_text(install_yaml(options.registry))
            sys.stdout.write("out/install.yaml\n")
    except ClusterError as error:
        sys.stderr.write(f"distribution: {error}\n")
        return 1
    return 0


def _kubeconform() -> int:
    """Print a table of the versions; 1 if an object is wrong in one of them."""
    objects = shipped()
    results = [check(objects, version) for version in VERSIONS]
    for result in results:
        sys.stdout.write(f"{result.version:<10}{result.valid:>4} objects valid, {len(result.wrong)} wrong\n")
        sys.stdout.writelines(f"  {text}\n" for text in result.wrong)
    return 1 if any(result.wrong for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
