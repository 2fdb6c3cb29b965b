"""The frame header of a JPEG: kinds of JPEG that the decoder does not know are refused by name."""

from __future__ import annotations

from imagejob_contract.result import ItemCode
from imagejob_processor.errors import ItemFailure

_WITHOUT_LENGTH = (0x01, *range(0xD0, 0xD9))
_FRAMES = (*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0))
_HIERARCHICAL = (0xC5, 0xC6, 0xC7, 0xCD, 0xCE, 0xCF)
_LOSSLESS = (0xC3, 0xCB)


def check_jpeg(data: bytes) -> None:
    """Check what the first frame header says, if there is one.

    Raises:
        ItemFailure: IMG_003.
    """
    at = 2
    while at + 10 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
        elif marker in _WITHOUT_LENGTH:
            at += 2
        elif marker in _FRAMES:
            _check_frame(marker, data[at + 4], data[at + 9])
            return
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")


def _check_frame(marker: int, bits: int, components: int) -> None:
    if marker in _HIERARCHICAL:
        refused = "hierarchical JPEG"
    elif marker in _LOSSLESS:
        refused = "lossless JPEG"
    elif bits != 8:
        refused = f"JPEG with {bits} bits per sample"
    elif components not in (1, 3, 4):
        refused = f"JPEG with {components} components"
    else:
        return
    raise ItemFailure(
        ItemCode.UNSUPPORTED_FORMAT, f"{refused} is not supported; use a JPEG with 8 bits per sample"
    )
