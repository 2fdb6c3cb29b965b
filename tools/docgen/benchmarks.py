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
        "A JPEG of 12 megapixels to 1600, 800 and 200 pixels, `make bench-images`: CPU (user and system) of "
        f"whole processes with one thread, medians of {measured['rounds']} shuffled rounds in one run. Times "
        "depend on the machine, ratios hardly.\n",
        f"Commit {measured['commit']}, {measured['date']}, {measured['machine']}.\n",
        "*naive*: Pillow, one full decode, one LANCZOS pass per rendition. *floor*: a decode at the "
        "smallest scale and the encodes, no resize. *pyvips* and *sharp, chain*: one decode, each rendition "
        "from the one before.\n",
        "| CPU in relation to | measured | at most |",
        "|---|---|---|",
    ]
    lines += [
        f"| {name} | {ratio} | {BARS.get(name, '')} |" for name, ratio in sorted(measured["ratios"].items())
    ]
    peak = measured["forms"]["JPEG"]["imagejob Simd, Balanced"]["peakMB"]
    lines += [
        "\n| figure | measured | at most |",
        "|---|---|---|",
        f"| from start to the first image, parent and child, ms of CPU | {measured['startMs']} | 300 |",
        f"| most memory of a decoding process, JPEG, MB | {peak} | 100 |",
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
        "SSIM of the lightness to one LANCZOS pass over the full picture at 1600, 800 and 200 pixels: of a "
        "photo, and of a zone plate whose rings reach 0.9 of the resolution. Ours as JPEGs of "
        "quality 100, on the measured path; the others lossless.\n",
        "| tool | photo | zone plate |",
        "|---|---|---|",
    ]
    for name, found in measured["likeness"].items():
        lines.append(f"| {name} | {_three(found['photo'])} | {_three(found['plate'])} |")
    return "\n".join(lines) + "\n"


def _three(values: list[float]) -> str:
    return ", ".join(f"{value:.4f}" for value in values)
