"""ICC profiles for colours that a file describes by numbers: chromaticities and a transfer function.

A profile is the form in which `colour` takes every description of colours.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Sequence

_Matrix = tuple[tuple[float, ...], ...]
_D50 = (0.9642, 1.0, 0.8249)
_BRADFORD: _Matrix = ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))
_SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)

D65 = (0.3127, 0.3290)
Chromaticities = tuple[float, float, float, float, float, float, float, float]
"""x and y of white, red, green and blue."""

BT709: Chromaticities = (*D65, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)


@functools.lru_cache(maxsize=8)
def matrix_profile(chromaticities: Chromaticities, gamma: float | None) -> bytes | None:
    """Return an RGB profile, with the curve of sRGB if `gamma` is None; None if there are no such colours."""
    white, *primaries = (chromaticities[place : place + 2] for place in range(0, 8, 2))
    if any(min(point) < 0 or point[1] <= 0 or sum(point) > 1 for point in (white, *primaries)):
        return None
    columns = [_xyz(point) for point in primaries]
    try:
        scales = _apply(_inverse(_transposed(columns)), _xyz(white))
        adaptation = _adaptation(_xyz(white))
    except ZeroDivisionError:
        return None
    colorants = [
        _apply(adaptation, [scale * value for value in column])
        for scale, column in zip(scales, columns, strict=True)
    ]
    if max(abs(value) for colorant in colorants for value in colorant) > 100:
        return None
    curve = struct.pack(">4s4xH2x", b"para", 3 if gamma is None else 0)
    curve += b"".join(map(_fixed, _SRGB_CURVE if gamma is None else (gamma,)))
    tags = {b"wtpt": _xyz_tag(_D50)}
    for letter, colorant in zip("rgb", colorants, strict=True):
        tags[f"{letter}XYZ".encode()] = _xyz_tag(colorant)
        tags[f"{letter}TRC".encode()] = curve
    return _assemble(tags)


def _assemble(tags: dict[bytes, bytes]) -> bytes:
    position, table, body = 132 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for name, content in tags.items():
        table += struct.pack(">4sII", name, position + len(body), len(content))
        body += content
    size, version = position + len(body), 0x04200000
    head = struct.pack(">I4xI4s4s4s12x4s", size, version, b"mntr", b"RGB ", b"XYZ ", b"acsp")
    head = head.ljust(68, b"\0") + b"".join(map(_fixed, _D50))
    return head.ljust(128, b"\0") + table + body


def _xyz_tag(values: Sequence[float]) -> bytes:
    return b"XYZ \0\0\0\0" + b"".join(map(_fixed, values))


def _fixed(value: float) -> bytes:
    return struct.pack(">i", round(value * 65536))


def _xyz(point: Sequence[float]) -> tuple[float, float, float]:
    x, y = point
    return (x / y, 1.0, (1 - x - y) / y)


def _adaptation(white: Sequence[float]) -> _Matrix:
    """Return the Bradford transform from `white` to D50."""
    scales = [to / start for to, start in zip(_apply(_BRADFORD, _D50), _apply(_BRADFORD, white), strict=True)]
    scaled = tuple(
        tuple(scale * value for value in row) for scale, row in zip(scales, _BRADFORD, strict=True)
    )
    inverse = _inverse(_BRADFORD)
    return _transposed([_apply(inverse, column) for column in _transposed(scaled)])


def _apply(matrix: Sequence[Sequence[float]], vector: Sequence[float]) -> tuple[float, ...]:
    return tuple(sum(map(float.__mul__, map(float, row), map(float, vector))) for row in matrix)


def _transposed(matrix: Sequence[Sequence[float]]) -> _Matrix:
    return tuple(zip(*matrix, strict=True))


def _inverse(matrix: Sequence[Sequence[float]]) -> _Matrix:
    (a, b, c), (d, e, f), (g, h, i) = matrix
    cofactors = (
        (e * i - f * h, c * h - b * i, b * f - c * e),
        (f * g - d * i, a * i - c * g, c * d - a * f),
        (d * h - e * g, b * g - a * h, a * e - b * d),
    )
    determinant = a * cofactors[0][0] + b * cofactors[1][0] + c * cofactors[2][0]
    return tuple(tuple(value / determinant for value in row) for row in cofactors)
