"""Smart crop: find the part of an image to keep, by entropy or by edges.

A grid of cells on a small copy of the image is scored once. The window with the highest score wins; of equal
windows, the one nearest to the centre.
"""

from __future__ import annotations

import math
from itertools import accumulate

from PIL import Image, ImageFilter

from imagejob_contract.recipe import SmartCrop
from imagejob_processor.pixels.geometry import Size

_LONGEST = 256
_CELLS = 32


def find_crop(image: Image.Image, size: Size, smart: SmartCrop) -> tuple[int, int]:
    """Return the upper left corner of the window of `size` to keep; `image` is L, RGB or RGBA."""
    columns, rows, scores = _scores(image, smart)
    width, height = (image.width / columns, image.height / rows)
    x = _best(_sums(scores, columns, rows, across=True), image.width, size[0], width)
    y = _best(_sums(scores, columns, rows, across=False), image.height, size[1], height)
    return (x, y)


def _scores(image: Image.Image, smart: SmartCrop) -> tuple[int, int, list[float]]:
    """Score the cells of a grid, row by row."""
    small = image.reduce(max(1, math.ceil(max(image.size) / _LONGEST)))
    if small.mode == "RGBA":
        # Transparent pixels have no score of their own.
        ground = Image.new("RGB", small.size, "white")
        ground.paste(small, mask=small.getchannel("A"))
        small = ground
    grey = small.convert("L")
    edges = grey.filter(ImageFilter.FIND_EDGES) if min(grey.size) > 2 else Image.new("L", grey.size)
    if min(grey.size) > 2:
        # The filter finds an edge at the border of the image.
        edges.paste(0, (0, 0, edges.width, 1))
        edges.paste(0, (0, edges.height - 1, edges.width, edges.height))
        edges.paste(0, (0, 0, 1, edges.height))
        edges.paste(0, (edges.width - 1, 0, edges.width, edges.height))
    columns, rows = min(_CELLS, grey.width), min(_CELLS, grey.height)
    scored = edges if smart is SmartCrop.EDGES else grey
    score = _energy if smart is SmartCrop.EDGES else _entropy
    return (
        columns,
        rows,
        [
            score(scored.crop(_cell(column, row, grey.size, (columns, rows))))
            for row in range(rows)
            for column in range(columns)
        ],
    )


def _cell(column: int, row: int, size: Size, grid: Size) -> tuple[int, int, int, int]:
    return (
        size[0] * column // grid[0],
        size[1] * row // grid[1],
        size[0] * (column + 1) // grid[0],
        size[1] * (row + 1) // grid[1],
    )


def _energy(cell: Image.Image) -> float:
    return float(sum(value * count for value, count in enumerate(cell.histogram()))) / 255


def _entropy(cell: Image.Image) -> float:
    """Entropy of the cell in bits, with 32 levels, so that noise counts little."""
    histogram = cell.histogram()
    counts = [sum(histogram[start : start + 8]) for start in range(0, 256, 8)]
    total = cell.width * cell.height
    return -sum(count * math.log2(count / total) for count in counts if count)


def _sums(scores: list[float], columns: int, rows: int, *, across: bool) -> list[float]:
    """Sum the scores of each column, or of each row."""
    if across:
        return [sum(scores[column::columns]) for column in range(columns)]
    return [sum(scores[row * columns : (row + 1) * columns]) for row in range(rows)]


def _best(sums: list[float], length: int, kept: int, cell: float) -> int:
    """Find the start of the window of `kept` pixels with the highest score, on an axis of `length` pixels."""
    slack = length - kept
    if slack <= 0:
        return 0
    cumulative = [0.0, *accumulate(sums)]

    def score_from(start: float) -> float:
        return _at(cumulative, (start + kept) / cell) - _at(cumulative, start / cell)

    starts = sorted({round(min(slack, position * cell)) for position in range(len(sums) + 1)} | {slack // 2})
    most = max(score_from(start) for start in starts)
    good = [start for start in starts if score_from(start) >= most - 1e-9]
    return min(good, key=lambda start: abs(start - slack / 2))


def _at(cumulative: list[float], position: float) -> float:
    """Interpolate the running sum between two cells."""
    index = min(int(position), len(cumulative) - 2)
    return cumulative[index] + (cumulative[index + 1] - cumulative[index]) * (position - index)
