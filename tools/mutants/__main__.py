"""`python -m mutants [--count N|all] [--seed S]`: does a test notice each change of the code?

mutmut makes the mutants and runs the unit tests that reach the changed function. This program chooses a
seeded sample, compares the survivors with the list of harmless ones, and prints the share of killed mutants
per part.
"""

from __future__ import annotations

import argparse
import random
import sys
from pathlib import Path

from mutants.harmless import HARMLESS, harmless
from mutants.runner import Mutants
from mutants.verdict import PARTS, Tally, report


def main() -> int:
    """Run a sample; 0 if each part reaches its share."""
    parser = argparse.ArgumentParser(prog="mutants", description=__doc__)
    parser.add_argument("--count", default="200", help="how many mutants, or `all`")
    parser.add_argument("--seed", type=int, default=1, help="chooses the sample")
    options = parser.parse_args()
    mutants = Mutants(Path("build") / "mutants")
    mutants.prepare()
    mutants.generate()
    names = every = mutants.names()
    if options.count != "all":
        sampler = random.Random(options.seed)  # noqa: S311  (a reproducible sample)
        names = sampler.sample(names, min(int(options.count), len(names)))
    sys.stdout.write(f"{len(names)} of {len(every)} mutants, seed {options.seed}\n")
    sys.stdout.flush()
    mutants.run(names)
    survivors = {name: mutants.change(name) for name in mutants.survivors(names)}
    tally = Tally.of(names, survivors, harmless(HARMLESS.read_text()))
    sys.stdout.write(report(tally, options.seed) + "\n")
    return 0 if all(tally.share(part) >= least for part, least in PARTS.items()) else 1


if __name__ == "__main__":
    sys.exit(main())
