"""HEIC and HEIF, decoded by libheif, which also applies the rotation, mirroring and cropping of the file."""

from __future__ import annotations

from io import BytesIO

from PIL import Image

from imagejob_contract.result import ItemCode
from imagejob_processor.errors import ItemFailure
from imagejob_processor.rendering.iso_media import Media

_HEVC = b"hvc1"
_CODECS = {
    b"av01": "AV1",
    b"avc1": "AVC",
    b"j2k1": "JPEG 2000",
    b"jpeg": "JPEG",
    b"unci": "no",
    b"vvc1": "VVC",
}


def open_heif(data: bytes, media: Media) -> Image.Image:
    """Open the primary image of a file: its other images, thumbnails, depth and gain maps are ignored.

    Raises:
        ItemFailure: IMG_003, the images are not HEVC.
        Exception: The file is corrupt.
    """
    if _HEVC not in media.codecs and (media.codecs or media.track):
        raise ItemFailure(
            ItemCode.UNSUPPORTED_FORMAT,
            f"{_describe(media)} is not supported; convert it to HEIC, AVIF or JPEG",
        )
    from pillow_heif import HeifImageFile, options

    options.DECODE_THREADS = 1
    options.THUMBNAILS = options.DEPTH_IMAGES = options.AUX_IMAGES = False
    # The brands were checked; Pillow's registry would accept fewer of them.
    return HeifImageFile(BytesIO(data))


def _describe(media: Media) -> str:
    if not media.codecs:
        return "HEIF without a still image"
    found = sorted(name for codec, name in _CODECS.items() if codec in media.codecs)
    return f"HEIF with {found[0]} compression" if found else "HEIF with a codec other than HEVC"
