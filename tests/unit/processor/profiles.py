"""ICC profiles for tests, and the colours they mean, computed with numpy and without LittleCMS."""

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
D50, D65 = (0.3457, 0.3585), (0.3127, 0.3290)
D50_XYZ = np.array([0.9642, 1.0, 0.8249])
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


@dataclass(frozen=True)
class Space:
    """An RGB colour space; gamma None is the curve of sRGB."""

    white: tuple[float, float]
    primaries: tuple[tuple[float, float], ...]
    gamma: float | None

    def to_d50(self) -> Floats:
        """The matrix from linear RGB to XYZ at D50."""
        columns = np.array([[x / y, 1, (1 - x - y) / y] for x, y in self.primaries]).T
        x, y = self.white
        white = np.array([x / y, 1, (1 - x - y) / y])
        cones = np.diag((BRADFORD @ D50_XYZ) / (BRADFORD @ white))
        return np.linalg.inv(BRADFORD) @ cones @ BRADFORD @ (columns * np.linalg.solve(columns, white))

    def linear(self, samples: Floats) -> Floats:
        if self.gamma is not None:
            return samples**self.gamma
        return np.where(samples <= 0.04045, samples / 12.92, ((samples + 0.055) / 1.055) ** 2.4)


SRGB = Space(D65, ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06)), None)
P3 = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
SPACES = {
    "sRGB": SRGB,
    "linear": Space(D65, SRGB.primaries, 1.0),
    "sRGB with gamma 2.2": Space(D65, SRGB.primaries, 2.2),
    "Display P3": Space(D65, P3, None),
    "Adobe RGB": Space(D65, ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06)), 563 / 256),
    "ProPhoto": Space(D50, ((0.7347, 0.2653), (0.1596, 0.8404), (0.0366, 0.0001)), 1.8),
    "BT.2020": Space(D65, ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)), 2.4),
}


def encoded(linear: Floats) -> Floats:
    """The samples of sRGB, 0 to 255, of linear ones."""
    kept = np.clip(linear, 0, 1)
    return 255 * np.where(kept <= 0.0031308, kept * 12.92, 1.055 * kept ** (1 / 2.4) - 0.055)


def shown(samples: Floats, space: Space) -> Floats:
    """What colours of a space, 0 to 255, are in sRGB."""
    matrix = np.linalg.inv(SRGB.to_d50()) @ space.to_d50()
    return encoded(space.linear(samples / 255) @ matrix.T)


def lab_shown(lab: Floats, black: float = 0) -> Floats:
    """What colours in CIELAB (D50) are in sRGB, if the lightness `black` is shown as black."""
    darkest = _xyz(np.array([black, 0.0, 0.0]))
    xyz = (_xyz(lab) - darkest) * D50_XYZ / (D50_XYZ - darkest)
    return encoded(xyz @ np.linalg.inv(SRGB.to_d50()).T)


def _xyz(lab: Floats) -> Floats:
    f = (lab[..., 0] + 16) / 116
    axes = np.stack([f + lab[..., 1] / 500, f, f - lab[..., 2] / 200], axis=-1)
    return np.asarray(np.where(axes > 6 / 29, axes**3, 3 * (6 / 29) ** 2 * (axes - 4 / 29)) * D50_XYZ)


def _fixed(values: Floats | list[float]) -> bytes:
    return b"".join(struct.pack(">i", round(float(value) * 65536)) for value in values)


def _curve(gamma: float | None) -> bytes:
    if gamma == 1.0:
        return b"curv\0\0\0\0\0\0\0\0"
    if gamma is not None:
        return b"curv\0\0\0\0" + struct.pack(">IH2x", 1, round(gamma * 256))
    table = np.rint(SRGB.linear(np.linspace(0, 1, 1024)) * 65535).astype(">u2").tobytes()
    return b"curv\0\0\0\0" + struct.pack(">I", 1024) + table


def _assembled(space: bytes, pcs: bytes, kind: bytes, tags: dict[bytes, bytes]) -> bytes:
    position, table, body = 132 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for tag, content in tags.items():
        content += b"\0" * (-len(content) % 4)
        table += tag + struct.pack(">II", position + len(body), len(content))
        body += content
    head = struct.pack(">I4sI4s4s4s", position + len(body), b"test", 0x02100000, kind, space, pcs)
    head += struct.pack(">6H", 2020, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + _fixed(D50_XYZ)
    return head.ljust(128, b"\0") + table + body


def _described(name: str) -> dict[bytes, bytes]:
    text = name.encode() + b"\0"
    return {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + bytes(78),
        b"cprt": b"text\0\0\0\0none\0",
        b"wtpt": b"XYZ \0\0\0\0" + _fixed(D50_XYZ),
    }


def rgb_profile(space: Space, name: str = "a test") -> bytes:
    tags = _described(name)
    for letter, column in zip("rgb", space.to_d50().T, strict=True):
        tags[f"{letter}XYZ".encode()] = b"XYZ \0\0\0\0" + _fixed(column)
        tags[f"{letter}TRC".encode()] = _curve(space.gamma)
    return _assembled(b"RGB ", b"XYZ ", b"mntr", tags)


def grey_profile(gamma: float | None, name: str = "a test") -> bytes:
    return _assembled(b"GRAY", b"XYZ ", b"mntr", _described(name) | {b"kTRC": _curve(gamma)})


WHITE = np.array([100.0, 0.0, 0.0])
INKS = np.array([[-30.0, -30, -40], [-35, 45, -5], [-8, -5, 60], [-22, -10, -15]])
"""What each full ink adds to the Lab of white paper: no real press is so regular, but its table is exact."""


def ink_lab(inks: Floats) -> Floats:
    """Lab of inks, 0 to 1 each."""
    return WHITE + inks @ INKS


def ink_profile(name: str = "a test") -> bytes:
    """A CMYK profile with the table of `ink_lab`."""
    corners = np.array([[c, m, y, k] for c in (0, 1) for m in (0, 1) for y in (0, 1) for k in (0, 1)])
    lab = np.clip(ink_lab(corners), [0, -128, -128], [100, 127, 127])
    table = np.rint((lab + np.array([0, 128, 128])) * [652.8, 256, 256]).astype(">u2").tobytes()
    ramp = np.array([0, 65535], dtype=">u2").tobytes()
    lut = b"mft2\0\0\0\0" + bytes((4, 3, 2, 0)) + _fixed([1, 0, 0, 0, 1, 0, 0, 0, 1])
    lut += struct.pack(">HH", 2, 2) + ramp * 4 + table + ramp * 3
    return _assembled(b"CMYK", b"Lab ", b"prtr", _described(name) | {b"A2B0": lut})
