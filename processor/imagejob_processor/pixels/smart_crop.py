"""Attention: find the part of a picture that is worth keeping, without learning: by variety or by edges.

The picture is looked at in small, at most 256 pixels long, so that this costs a fraction of a resize. A
grid of cells is scored once; the window with the greatest score wins, and among equals the one nearest to
the middle.
"""

from __future__ import annotations

import math
from itertools import accumulate

from PIL import Image, ImageFilter

from imagejob_contract.recipe import Smart
from imagejob_processor.pixels.geometry import Size

_LONGEST = 256
_CELLS = 32


def most_interesting(image: Image.Image, size: Size, smart: Smart) -> tuple[int, int]:
    """Give the upper left corner of the window of `size` that is kept; `image` is L, RGB or RGBA."""
    columns, rows, scores = _scores(image, smart)
    width, height = (image.width / columns, image.height / rows)
    x = _best(_sums(scores, columns, rows, across=True), image.width, size[0], width)
    y = _best(_sums(scores, columns, rows, across=False), image.height, size[1], height)
    return (x, y)


def _scores(image: Image.Image, smart: Smart) -> tuple[int, int, list[float]]:
    """Score the cells of a grid, row by row."""
    small = image.reduce(max(1, math.ceil(max(image.size) / _LONGEST)))
    if small.mode == "RGBA":
        # What cannot be seen is of no interest.
        ground = Image.new("RGB", small.size, "white")
        ground.paste(small, mask=small.getchannel("A"))
        small = ground
    grey = small.convert("L")
    edges = grey.filter(ImageFilter.FIND_EDGES) if min(grey.size) > 2 else Image.new("L", grey.size)
    if min(grey.size) > 2:
        # The filter takes the border of the picture for an edge.
        edges.paste(0, (0, 0, edges.width, 1))
        edges.paste(0, (0, edges.height - 1, edges.width, edges.height))
        edges.paste(0, (0, 0, 1, edges.height))
        edges.paste(0, (edges.width - 1, 0, edges.width, edges.height))
    columns, rows = min(_CELLS, grey.width), min(_CELLS, grey.height)
    looked_at = edges if smart is Smart.EDGES else grey
    score = _energy if smart is Smart.EDGES else _entropy
    return (
        columns,
        rows,
        [
            score(looked_at.crop(_cell(column, row, grey.size, (columns, rows))))
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
    """Bits of information in the cell's values, in 32 steps, so that noise is no interest."""
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
    """Find where a window of `kept` pixels gets most, on an axis of `length` pixels."""
    room = length - kept
    if room <= 0:
        return 0
    upto = [0.0, *accumulate(sums)]

    def gained(start: float) -> float:
        return _at(upto, (start + kept) / cell) - _at(upto, start / cell)

    starts = sorted({round(min(room, position * cell)) for position in range(len(sums) + 1)} | {room // 2})
    most = max(gained(start) for start in starts)
    good = [start for start in starts if gained(start) >= most - 1e-9]
    return min(good, key=lambda start: abs(start - room / 2))


def _at(upto: list[float], position: float) -> float:
    """Read the running sum between two cells."""
    whole = min(int(position), len(upto) - 2)
    return upto[whole] + (upto[whole + 1] - upto[whole]) * (position - whole)
