"""The output of a rendition: format and encoding."""

from __future__ import annotations

import enum
from typing import Annotated

from msgspec import Meta

from imagejob_contract.wire import Percent, Wire


class Format(enum.StrEnum):
    """Output formats; `Same` is that of each source, see `source_format`."""

    JPEG = "JPEG"
    PNG = "PNG"
    WEBP = "WebP"
    AVIF = "AVIF"
    GIF = "GIF"
    TIFF = "TIFF"
    SAME = "Same"


FORMATS: tuple[Format, ...] = tuple(form for form in Format if form is not Format.SAME)
"""The formats of files."""


class Metadata(enum.StrEnum):
    """Which EXIF and XMP is kept; IPTC never is.

    Strip keeps nothing, KeepCopyright the creator and the copyright, Keep everything, including the location
    and maker notes.
    """

    STRIP = "Strip"
    KEEP_COPYRIGHT = "KeepCopyright"
    KEEP = "Keep"


class Chroma(enum.StrEnum):
    """Chroma subsampling: 4:4:4, 4:2:2 or 4:2:0."""

    FULL = "Full"
    HALF = "Half"
    QUARTER = "Quarter"


class Compression(enum.StrEnum):
    """How WebP compresses: lossy, lossless after a change of samples by at most 1, or lossless."""

    LOSSY = "Lossy"
    NEAR_LOSSLESS = "NearLossless"
    LOSSLESS = "Lossless"


class Animation(enum.StrEnum):
    """Which frames of an animation are kept."""

    FIRST = "First"
    ALL = "All"


ByteQuantity = Annotated[
    str, Meta(max_length=11, pattern=r"^[1-9]([0-9]{0,10}|[0-9]{0,7}Ki|[0-9]{0,4}Mi|[0-9]?Gi)\Z")
]
"""Bytes, less than 100Gi."""


class Output(Wire, frozen=True):
    """How a rendition is encoded.

    Attributes:
        format: File format; Same: that of each source, by the extension of its name.
        quality: JPEG, lossy WebP and AVIF: 1 to 100; absent: the default of the format.
        metadata: Which metadata is kept.
        progressive: JPEG: progressive encoding, which is smaller and slower.
        chroma: JPEG and AVIF: chroma subsampling; absent: Quarter.
        compression: WebP: absent: Lossy.
        speed: AVIF: 0 (slowest, smallest) to 10; absent: 8.
        colors: PNG and GIF: size of the palette; absent: no palette for PNG, 256 for GIF.
        animation: GIF, WebP, AVIF and PNG: which frames of an animation are kept.
        max_size: JPEG, lossy WebP and AVIF: quality is lowered until the file is not larger.
    """

    format: Format
    quality: Percent | None = None
    metadata: Metadata = Metadata.STRIP
    progressive: bool = False
    chroma: Chroma | None = None
    compression: Compression | None = None
    speed: Annotated[int, Meta(ge=0, le=10)] | None = None
    colors: Annotated[int, Meta(ge=2, le=256)] | None = None
    max_size: ByteQuantity | None = None
    animation: Animation = Animation.FIRST


EXTENSIONS: dict[Format, str] = {
    Format.JPEG: "jpg",
    Format.PNG: "png",
    Format.WEBP: "webp",
    Format.AVIF: "avif",
    Format.GIF: "gif",
    Format.TIFF: "tif",
}
CONTENT_TYPES: dict[Format, str] = {
    Format.JPEG: "image/jpeg",
    Format.PNG: "image/png",
    Format.WEBP: "image/webp",
    Format.AVIF: "image/avif",
    Format.GIF: "image/gif",
    Format.TIFF: "image/tiff",
}


def quantity_bytes(quantity: str) -> int:
    """Return the bytes of a quantity such as `64Mi`; suffixes are Ki, Mi and Gi."""
    factors = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
    suffix = quantity[-2:]
    return int(quantity[:-2]) * factors[suffix] if suffix in factors else int(quantity)
