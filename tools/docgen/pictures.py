"""The page on pictures, made from what `make pictures` measured."""

from __future__ import annotations

from typing import Any

NOTE = "<!-- Made by `python -m docgen`; do not edit. -->\n"

_PAGE = """\
# Pictures compared with another library

`make pictures` takes the test images of Pillow's sources and the images of scikit-image. A file is sound if
libvips reads it without a warning. The decoder process of a Pod renders each sound file with both engines: as
a PNG of the full size, and as a thumbnail in every output format. Sizes and colours are compared with what
libvips shows, over black and over white.

Measured at commit {commit} on {date} with Pillow {pillow} and libvips {libvips}:
**{files} files, {outputs} outputs, {crashes} crashes, {faults} wrong sizes or colours**.

| source | files | refused by name | outputs | largest mean difference of a PNG |
|---|---|---|---|---|
{rows}

Differences are in levels of 255. The limits of a PNG of the full size are {exactMean} for the mean and
{exactMost} for the 99th percentile. The limits for the mean of a thumbnail are {thumbnails}. GIF has 256
colours.

## Refused

| code and message | files |
|---|---|
{refusals}

## Known differences

Pillow and libvips read these files in different ways, and the format allows both or does not cover the case.

| why | files |
|---|---|
{known}
"""


def pictures(measured: dict[str, Any]) -> str:
    """The page: counts by format of the source, refusals and known differences."""
    engines: list[dict[str, Any]] = list(measured["engines"].values())
    forms = sorted(engines[0]["tallies"])
    tallies = {form: [engine["tallies"][form] for engine in engines] for form in forms}
    rows = [
        f"| {form} | {both[0]['files']} | {both[0]['refused']} | {sum(t['outputs'] for t in both)} "
        f"| {max(t['mean'] for t in both):.2f} |"
        for form, both in tallies.items()
    ]
    faults = [fault for engine in engines for fault in engine["faults"]]
    crashes = sum("IMG_007" in fault or "IMG_008" in fault for fault in faults)
    limits = (f"{limit:g} for {form}" for form, limit in measured["thumbnailMeans"].items())
    facts = {
        **measured,
        "files": sum(both[0]["files"] for both in tallies.values()),
        "outputs": sum(t["outputs"] for both in tallies.values() for t in both),
        "crashes": crashes,
        "faults": len(faults) - crashes,
        "rows": "\n".join(rows),
        "thumbnails": ", ".join(limits),
        "refusals": _named(engines[0]["refusals"]),
        "known": _named(engines[0]["known"]),
    }
    return NOTE + _PAGE.format(**facts)


def _named(files: dict[str, list[str]]) -> str:
    return "\n".join(
        f"| {text.replace('|', '&#124;')} | {', '.join(f'`{name}`' for name in names)} |"
        for text, names in sorted(files.items())
    )
