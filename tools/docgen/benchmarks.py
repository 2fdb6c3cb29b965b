"""The page of the image benchmark, made from what it measured."""

from __future__ import annotations

from typing import Any

NOTE = "<!-- Made by `python -m docgen`; do not edit. -->\n"
BARS = {
    "Pillow, Fast / naive": 0.37,
    "Simd, Balanced / sharp": 0.85,
    "Simd, Balanced / pyvips": 0.95,
    "Simd, Balanced / floor": 2.5,
}
"""The limits: the most CPU relative to another tool."""


def bench_images(measured: dict[str, Any]) -> str:
    """CPU, memory and similarity of every tool, and the ratios with their limits."""
    lines = [
        NOTE,
        "# Cost of an image\n",
        "`make bench-images` makes renditions of 1600, 800 and 200 pixels from a JPEG of 12 megapixels. It "
        "measures the CPU time (user and system) of whole processes with one thread. The figures are medians "
        f"of {measured['rounds']} shuffled rounds in one run. Times depend on the machine; ratios depend on "
        "it only a little.\n",
        f"Measured at commit {measured['commit']} on {measured['date']} ({measured['machine']}).\n",
        "*naive* is Pillow with one full decode and one LANCZOS pass per rendition. *floor* is a decode at "
        "the smallest scale and the encodes, without a resize. *pyvips* and *sharp, chain* decode once, and "
        "make each rendition from the one before. *sharp, clones* makes each rendition from a clone of one "
        "stream, as its documentation shows.\n",
        "| ratio of CPU times | measured | at most |",
        "|---|---|---|",
    ]
    lines += [
        f"| {name} | {ratio} | {BARS.get(name, '')} |" for name, ratio in sorted(measured["ratios"].items())
    ]
    peak = measured["forms"]["JPEG"]["imagejob Simd, Balanced"]["peakMB"]
    lines += [
        "\n| figure | measured | at most |",
        "|---|---|---|",
        f"| CPU from the start to the first image, parent and child, ms | {measured['startMs']} | 300 |",
        f"| peak memory of a decoding process, JPEG, MB | {peak} | 100 |",
    ]
    for form, rows in measured["forms"].items():
        lines += [
            f"\n## {form}\n",
            "| tool | CPU ms per image | images per second and core | peak memory MB |",
            "|---|---|---|---|",
        ]
        for name, row in sorted(rows.items(), key=lambda item: item[1]["cpuMs"]):
            lines.append(f"| {name} | {row['cpuMs']} | {row['imagesPerSecondPerCore']} | {row['peakMB']} |")
    lines += [
        "\n## Similarity\n",
        "The table has the similarity (SSIM of the lightness) to one LANCZOS pass over the full image, at "
        "1600, 800 and 200 pixels, for a photo and for a zone plate whose rings reach 0.9 of the resolution. "
        "Outputs of imagejob are JPEGs of quality 100; those of the other tools are lossless.\n",
        "| tool | photo | zone plate |",
        "|---|---|---|",
    ]
    for name, found in measured["likeness"].items():
        lines.append(f"| {name} | {_three(found['photo'])} | {_three(found['plate'])} |")
    return "\n".join(lines) + "\n"


def _three(values: list[float]) -> str:
    return ", ".join(f"{value:.4f}" for value in values)
