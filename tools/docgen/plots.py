"""Plots of the scale benchmark, drawn with Pillow: horizontal bars, each of one part or of several."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image, ImageDraw, ImageFont

COLOURS = ("#326ce5", "#e5803c", "#3ca55c", "#a14fc4", "#8c8c8c", "#d2b42d")
WIDTH, LABELS, VALUES, ROW, BAR, MARGIN = 900, 250, 70, 28, 18, 16
TEXT, GRID = "#222222", "#dddddd"
STEPS = 5
"""The most intervals of a scale."""
CPU = ("kube-apiserver", "etcd", "operator", "MinIO", "kube-controller-manager", "kube-scheduler")


@dataclass(frozen=True)
class Bar:
    """One bar: its label, and the lengths of its parts."""

    label: str
    parts: tuple[float, ...]


def plots(measured: dict[str, Any]) -> dict[str, bytes]:
    """The plots of a run as PNG files, by name."""
    loads = [
        (f"{name} ({plane})", figures)
        for name in next(iter(measured["planes"].values()))["loads"]
        for plane, found in measured["planes"].items()
        for figures in (found["loads"][name],)
    ]
    rates = [Bar(name, (figures["perSecond"],)) for name, figures in loads]
    cpu = [Bar(name, tuple(figures["cpuMs"][part] for part in CPU)) for name, figures in loads]
    return {
        "bench-scale-rate.png": draw("Pods that succeed per second", ("",), rates),
        "bench-scale-cpu.png": draw("CPU per Pod, ms", CPU, cpu),
    }


def draw(title: str, parts: Sequence[str], bars: Sequence[Bar]) -> bytes:
    """A plot of bars with a scale, and a legend if they have several parts."""
    font = ImageFont.load_default(13)
    top = MARGIN + 2 * ROW
    image = Image.new("RGB", (WIDTH, top + len(bars) * ROW + ROW + MARGIN), "white")
    canvas = ImageDraw.Draw(image)
    canvas.text((MARGIN, MARGIN), title, TEXT, ImageFont.load_default(16))
    if len(parts) > 1:
        _legend(canvas, font, parts)
    most = max(sum(bar.parts) for bar in bars)
    per_unit = (WIDTH - LABELS - VALUES - MARGIN) / most
    _grid(canvas, font, per_unit, most, (top, top + len(bars) * ROW))
    for number, bar in enumerate(bars):
        _bar(canvas, font, bar, per_unit, top + number * ROW)
    made = io.BytesIO()
    image.quantize(64).save(made, "PNG", optimize=True)
    return made.getvalue()


def _legend(canvas: ImageDraw.ImageDraw, font: Any, parts: Sequence[str]) -> None:
    x, y = float(LABELS), MARGIN + ROW
    for part, colour in zip(parts, COLOURS, strict=False):
        canvas.rectangle((x, y, x + 12, y + 12), colour)
        canvas.text((x + 16, y - 2), part, TEXT, font)
        x += 32 + canvas.textlength(part, font)


def _grid(
    canvas: ImageDraw.ImageDraw, font: Any, per_unit: float, most: float, rows: tuple[int, int]
) -> None:
    top, bottom = rows
    between = interval(most)
    for step in range(int(most / between) + 1):
        value = step * between
        x = LABELS + value * per_unit
        canvas.line((x, top, x, bottom), GRID)
        canvas.text((x, bottom + 4), f"{value:g}", TEXT, font, anchor="ma")


def interval(most: float) -> float:
    """The distance of the lines of a scale: 1, 2 or 5, times a power of ten."""
    power = 10.0 ** math.floor(math.log10(most / STEPS))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor * STEPS >= most)


def _bar(canvas: ImageDraw.ImageDraw, font: Any, bar: Bar, per_unit: float, top: int) -> None:
    middle = top + ROW / 2
    canvas.text((LABELS - 8, middle), bar.label, TEXT, font, anchor="rm")
    x = float(LABELS)
    for value, colour in zip(bar.parts, COLOURS, strict=False):
        canvas.rectangle((x, middle - BAR / 2, x + value * per_unit, middle + BAR / 2), colour)
        x += value * per_unit
    canvas.text((x + 6, middle), f"{sum(bar.parts):.3g}", TEXT, font, anchor="lm")
