"""Output: how a rendition is encoded. Part of the recipe, and read by operator and processor as that is."""

from __future__ import annotations

import enum
from typing import Annotated

from msgspec import Meta

from imagejob_contract.wire import Percent, Wire


class Format(enum.StrEnum):
    """Output formats; `Same` stands for the one that a source's name says, see `same`."""

    JPEG = "JPEG"
    PNG = "PNG"
    WEBP = "WebP"
    AVIF = "AVIF"
    GIF = "GIF"
    TIFF = "TIFF"
    SAME = "Same"


FORMATS: tuple[Format, ...] = tuple(form for form in Format if form is not Format.SAME)
"""The formats that a file can have."""


class Metadata(enum.StrEnum):
    """What becomes of EXIF and XMP; IPTC is never kept. Colours are always converted to sRGB.

    Strip keeps nothing, KeepCopyright the EXIF tags Artist and Copyright, Keep what the camera and people
    wrote, where the picture was taken among it.
    """

    STRIP = "Strip"
    KEEP_COPYRIGHT = "KeepCopyright"
    KEEP = "Keep"


class Chroma(enum.StrEnum):
    """How many samples of colour there are for each of lightness: 4:4:4, 4:2:2 or 4:2:0."""

    FULL = "Full"
    HALF = "Half"
    QUARTER = "Quarter"


class Compression(enum.StrEnum):
    """What WebP may change: what is hardly seen, any sample by one step, or nothing."""

    LOSSY = "Lossy"
    NEAR_LOSSLESS = "NearLossless"
    LOSSLESS = "Lossless"


class Animation(enum.StrEnum):
    """Which frames of an animation are taken."""

    FIRST = "First"
    ALL = "All"


ByteQuantity = Annotated[str, Meta(max_length=12, pattern=r"^[1-9][0-9]{0,9}(Ki|Mi|Gi)?\Z")]


class Output(Wire, frozen=True):
    """How a rendition is encoded.

    Attributes:
        format: File format; Same: that of each source, as its name says.
        quality: 1..100; absent: the format's own default. JPEG, lossy WebP and AVIF have one.
        metadata: What is kept beside the pixels.
        progressive: JPEG: in scans that get finer, smaller and dearer to make.
        chroma: JPEG and AVIF: how finely colours are kept; absent: Quarter.
        compression: WebP: what it may change; absent: Lossy.
        speed: AVIF: 0 (slowest, smallest) to 10; absent: 8.
        colors: PNG and GIF: a palette of at most so many colours; absent: none for PNG, 256 for GIF.
        animation: GIF and WebP: which frames of a source that moves are taken.
        max_size: JPEG, lossy WebP and AVIF: quality is lowered until the file has no more bytes than this.
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
    """Bytes of a quantity such as `64Mi`; binary suffixes Ki, Mi, Gi only."""
    factors = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
    suffix = quantity[-2:]
    return int(quantity[:-2]) * factors[suffix] if suffix in factors else int(quantity)
