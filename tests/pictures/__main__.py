"""`python -m pictures [words]`: every sound file through every output format on both engines.

What libvips reads without a warning is a sound file. Each is rendered by the decoder process of a Pod: at
full size as PNG, and as a thumbnail in every format. Sizes and colours are compared with what libvips shows.

Args:
    words: only files whose name has one of them.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import pyvips

from imagejob_contract.order import EngineName, ItemLimits
from imagejob_contract.output import FORMATS, Chroma, Compression, Format, Output
from imagejob_contract.recipe import Rendition, Resize, Step
from imagejob_contract.result import ItemCode
from imagejob_processor.child_process.protocol import Setup
from imagejob_processor.child_process.supervisor import Supervisor
from imagejob_processor.errors import ItemFailure
from pictures import check, reference
from pictures.collect import FORMATS_BY_EXTENSION, ROOT, collect
from pictures.reference import Samples

LIMITS = ItemLimits(item_bytes=64 << 20, pixels=100_000_000, frames=1000, item_timeout_seconds=60)
EXACT = "exact"
FORMS = {EXACT: Format.PNG} | {form.lower(): form for form in FORMATS}
CRASHES = (ItemCode.KILLED, ItemCode.TIMED_OUT)
OUTPUTS = {
    Format.JPEG: Output(Format.JPEG, quality=95, chroma=Chroma.FULL),
    Format.AVIF: Output(Format.AVIF, quality=95, chroma=Chroma.FULL),
    Format.WEBP: Output(Format.WEBP, compression=Compression.LOSSLESS),
}
"""The options with the smallest losses."""
RENDITIONS = (
    Rendition(name=EXACT, output=Output(Format.PNG), steps=()),
    *(
        Rendition(
            name=form.lower(),
            output=OUTPUTS.get(form, Output(form)),
            steps=(Step(resize=Resize(width=check.BOX, height=check.BOX)),),
        )
        for form in FORMATS
    ),
)


KNOWN = tomllib.loads((Path(__file__).parent / "known_differences.toml").read_text())
"""Why the outputs of a file differ from what libvips shows, by name."""


@dataclass
class Tally:
    """Counts for a format of sources, and the largest mean difference of a full-size PNG in levels of 255."""

    files: int = 0
    refused: int = 0
    outputs: int = 0
    mean: float = 0.0


@dataclass
class Results:
    """Counts by source format, files by the message that refused them, known differences, and faults."""

    tallies: dict[str, Tally] = field(default_factory=dict)
    refusals: dict[str, list[str]] = field(default_factory=dict)
    known: dict[str, list[str]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


class WrongSize(Exception):
    """An output has another size than it should."""


def compare(rendition: str, data: bytes, right: Samples) -> tuple[str, float]:
    """Return how an output differs from what is right (empty: within the limits), and its mean difference.

    Raises:
        WrongSize: It cannot be compared.
    """
    form, expected, shown = FORMS[rendition], right, reference.read(data)
    if rendition != EXACT:
        expected = reference.shrink(right, check.fitting((right.shape[1], right.shape[0])))
    if form is Format.JPEG:
        expected = check.flatten(expected)
    if shown.shape != expected.shape:
        sizes = (f"{samples.shape[1]}x{samples.shape[0]}" for samples in (shown, expected))
        raise WrongSize("has {} pixels instead of {}".format(*sizes))
    if form is Format.GIF:
        shown, expected = check.binary(shown), check.binary(expected)
    found = check.distance(shown, expected)
    limit = check.EXACT_MEAN if rendition == EXACT else check.THUMBNAIL_MEANS[form]
    if found.mean > limit or (rendition == EXACT and found.most > check.EXACT_MOST):
        return f"differs by {found.mean:.2f} of 255, 99th percentile {found.most:.0f}", found.mean
    return "", found.mean


def run(files: Iterable[tuple[str, bytes]], engine: EngineName) -> Results:
    """Render all sound files with one engine and compare."""
    results, child = Results(), Supervisor()
    child.configure(Setup(RENDITIONS, LIMITS, 0, 1 << 30, engine))
    for name, data in files:
        with contextlib.suppress(pyvips.Error):
            one_file(name, data, reference.read(data), child, results)
    child.close()
    return results


def one_file(name: str, data: bytes, right: Samples, child: Supervisor, results: Results) -> None:
    """Render one file and add to the results."""
    tally = results.tallies.setdefault(FORMATS_BY_EXTENSION[name.rpartition(".")[2].lower()], Tally())
    tally.files += 1
    try:
        made = child.process(data, name)
    except ItemFailure as failure:
        tally.refused += 1
        results.refusals.setdefault(f"{failure.code} {failure.message}", []).append(name)
        if failure.code in CRASHES:
            results.faults.append(f"{name}: {failure.code} {failure.message}")
        return
    differences = []
    for output in made.renditions:
        tally.outputs += 1
        try:
            difference, mean = compare(output.rendition, output.data, right)
        except WrongSize as error:
            results.faults.append(f"{name}, {output.rendition}: {error}")
            continue
        if difference:
            differences.append(f"{name}, {output.rendition}: {difference}")
        elif output.rendition == EXACT:
            tally.mean = max(tally.mean, mean)
    why = KNOWN.get(name) or reference.other_picture(data)
    if differences and why:
        results.known.setdefault(why, []).append(name)
    elif name in KNOWN:
        results.faults.append(f"{name}: a known difference that is none: {why}")
    else:
        results.faults.extend(differences)


def main() -> int:
    """Run both engines; 0 if there is no fault."""
    parser = argparse.ArgumentParser(prog="pictures", description=__doc__)
    parser.add_argument("words", nargs="*")
    words = parser.parse_args().words
    engines: dict[str, Results] = {}
    for engine in EngineName:
        files = ((n, d) for n, d in collect() if not words or any(word in n for word in words))
        engines[engine] = results = run(files, engine)
        total = sum(tally.files for tally in results.tallies.values())
        sys.stdout.write(f"{engine}: {total} files, {len(results.faults)} faults\n")
        for fault in results.faults:
            sys.stdout.write(f"  FAULT {fault}\n")
        for refusal, names in sorted(results.refusals.items()):
            sys.stdout.write(f"  refused {len(names)}: {refusal} ({', '.join(names[:3])})\n")
    if not words:
        keep(engines)
    return 1 if any(results.faults for results in engines.values()) else 0


def keep(engines: dict[str, Results]) -> None:
    """Write the measurement for the page."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True
    )
    measured = {
        "commit": commit.stdout.strip(),
        "date": datetime.now(UTC).date().isoformat(),
        "pillow": version("pillow"),
        "libvips": ".".join(str(pyvips.version(part)) for part in range(3)),
        "exactMean": check.EXACT_MEAN,
        "exactMost": check.EXACT_MOST,
        "thumbnailMeans": check.THUMBNAIL_MEANS,
        "engines": {engine: asdict(results) for engine, results in engines.items()},
    }
    (ROOT / "out").mkdir(exist_ok=True)
    (ROOT / "out" / "pictures.json").write_text(json.dumps(measured, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
