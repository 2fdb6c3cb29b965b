"""What the header of a file says beyond what Pillow reads of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Samples:
    """How samples are to be read, beyond Pillow's mode.

    Attributes:
        black: The grey sample that is black, of samples that Pillow decodes to 16 bits.
        white: The one that is white.
        clear: The transparent colour of a 16-bit RGB image, which Pillow compares at 8 bits.
    """

    black: int = 0
    white: int = 65535
    clear: tuple[int, int, int] | None = None


PLAIN = Samples()


@dataclass(frozen=True)
class Header:
    """A file whose header has been read.

    Attributes:
        data: The file for Pillow, without parts that are not needed.
        samples: How to read the samples.
        profile: An ICC profile that is not in `data`.
    """

    data: bytes
    samples: Samples = PLAIN
    profile: bytes | None = None
