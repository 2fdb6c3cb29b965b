"""The colours of a source as an ICC profile, whatever form its format gives them.

PNG: the first of the chunks cICP, iCCP, sRGB, and gAMA, as in browsers. AVIF and HEIC: a profile,
or code points (nclx). All others: a profile. The EXIF tags ColorSpace and InteroperabilityIndex do not count:
browsers ignore them.
"""

from __future__ import annotations

from PIL import Image

from imagejob_contract.result import ItemCode
from imagejob_processor.errors import ItemFailure
from imagejob_processor.pixels.matrix_profile import BT709, D65, Chromaticities, matrix_profile
from imagejob_processor.rendering.iso_media import Nclx, read_media

_C = (0.310, 0.316)
_PRIMARIES: dict[int, Chromaticities] = {
    1: BT709,
    4: (*_C, 0.67, 0.33, 0.21, 0.71, 0.14, 0.08),
    5: (*D65, 0.64, 0.33, 0.29, 0.60, 0.15, 0.06),
    6: (*D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    7: (*D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    8: (*_C, 0.681, 0.319, 0.243, 0.692, 0.145, 0.049),
    9: (*D65, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    11: (0.314, 0.351, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    12: (*D65, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    22: (*D65, 0.630, 0.340, 0.295, 0.605, 0.155, 0.077),
}
"""By code points of ITU-T H.273; all others count as BT.709."""

_GAMMAS = {4: 2.2, 5: 2.8, 8: 1.0, 17: 2.6}
"""All other transfer functions that are not HDR are displayed like sRGB."""

_SRGB_GAMMA, _SAME_GAMMA = 1 / 2.2, 0.001
"""The gamma that editors write for sRGB, and what differs less; browsers take it for sRGB if it is alone."""

_HDR = {16: "PQ", 18: "HLG"}


def profile_of(name: str, data: bytes, image: Image.Image) -> bytes | None:
    """Return the ICC profile of the colours of an opened image; None if they are those of sRGB.

    Raises:
        ItemFailure: IMG_003 for PQ and HLG: to show them on other screens, their tones must be mapped.
    """
    profile: bytes | None = image.info.get("icc_profile") or None
    points: Nclx | None = None
    if name == "PNG":
        points, profile = _png_colours(data, image, profile)
    elif profile is None and name in ("AVIF", "HEIF"):
        points = read_media(data).nclx
    elif profile is not None:
        _refuse_hdr(_transfer_of(profile))
    if points is None:
        return profile
    _refuse_hdr(points.transfer)
    chromaticities, gamma = _PRIMARIES.get(points.primaries, BT709), _GAMMAS.get(points.transfer)
    return None if (chromaticities, gamma) == (BT709, None) else matrix_profile(chromaticities, gamma)


def _png_colours(data: bytes, image: Image.Image, profile: bytes | None) -> tuple[Nclx | None, bytes | None]:
    found = _cicp(data)
    if found is not None or profile is not None or "srgb" in image.info:
        return found, profile
    gamma, chromaticities = image.info.get("gamma"), image.info.get("chromaticity")
    if not gamma or (not chromaticities and abs(gamma - _SRGB_GAMMA) < _SAME_GAMMA):
        return None, None
    return None, matrix_profile(chromaticities or BT709, 1 / gamma)


def _cicp(data: bytes) -> Nclx | None:
    """Read the chunk cICP of a PNG, which is before its pixels."""
    position = 8
    while position + 12 <= len(data) and data[position + 4 : position + 8] != b"IDAT":
        size = int.from_bytes(data[position : position + 4], "big")
        if data[position + 4 : position + 8] == b"cICP" and size == 4:
            return Nclx(data[position + 8], data[position + 9])
        position += 12 + size
    return None


def _transfer_of(profile: bytes) -> int:
    """Return the transfer function in the tag cicp of an ICC profile; 0 if it has none."""
    for entry in range(132, min(132 + 12 * 100, len(profile) - 12), 12):
        if profile[entry : entry + 4] == b"cicp":
            start = int.from_bytes(profile[entry + 4 : entry + 8], "big")
            return profile[start + 9] if start + 9 < len(profile) else 0
    return 0


def _refuse_hdr(transfer: int) -> None:
    if transfer in _HDR:
        text = f"HDR colours ({_HDR[transfer]}) are not supported; convert the image to SDR"
        raise ItemFailure(ItemCode.UNSUPPORTED_FORMAT, text)
