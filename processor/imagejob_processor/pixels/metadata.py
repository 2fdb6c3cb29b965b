"""Metadata of a source (EXIF and XMP), and what of it an output may keep.

XMP is copied unchanged. EXIF is written again from known tags, without orientation (the image is upright),
thumbnail, maker notes and tags about how the source was stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from PIL import ExifTags, Image

from imagejob_contract.output import Format, Metadata

MAX_BYTES = 60_000
"""Size limit of EXIF and of XMP that are kept: that of a JPEG segment, for every format."""

_COPYRIGHT = (ExifTags.Base.Artist, ExifTags.Base.Copyright)
_MAIN_IFD = (
    *_COPYRIGHT,
    ExifTags.Base.ImageDescription,
    ExifTags.Base.Make,
    ExifTags.Base.Model,
    ExifTags.Base.Software,
    ExifTags.Base.DateTime,
)
_DROPPED = (ExifTags.Base.MakerNote, ExifTags.Base.ExifImageWidth, ExifTags.Base.ExifImageHeight, 0xA005)
_XMP_IN_PNG = "XML:com.adobe.xmp"


@dataclass(frozen=True)
class SourceMetadata:
    """EXIF and XMP of one source, ready to be written; empty if there is nothing to keep.

    Attributes:
        exif: All tags that may be kept, with the Exif and GPS IFDs.
        main_ifd: Only those of the main IFD.
        copyright: Only Artist and Copyright.
        xmp: As in the source.
    """

    exif: bytes = b""
    main_ifd: bytes = b""
    copyright: bytes = b""
    xmp: bytes = b""

    def options(self, output: Format, metadata: Metadata) -> dict[str, Any]:
        """Return the options of Pillow's encoder that write what `metadata` keeps."""
        # With compression, Pillow writes TIFF by libtiff, without XMP and IFDs.
        all_tags = self.main_ifd if output is Format.TIFF else self.exif
        exif = {Metadata.KEEP: all_tags, Metadata.KEEP_COPYRIGHT: self.copyright}.get(metadata, b"")
        xmp = self.xmp if metadata is Metadata.KEEP else b""
        options: dict[str, Any] = {"exif": exif} if exif else {}
        if not xmp:
            return options
        if output is Format.PNG:
            from PIL import PngImagePlugin

            text = PngImagePlugin.PngInfo()
            text.add_itxt(_XMP_IN_PNG, xmp.decode("utf-8", "replace"))
            return {**options, "pnginfo": text}
        return options if output is Format.TIFF else {**options, "xmp": xmp}


NO_METADATA = SourceMetadata()


def read_metadata(image: Image.Image) -> SourceMetadata:
    """Read the metadata of an image that is not decoded yet, without parts that are broken or too large."""
    xmp = image.info.get("xmp", b"")
    xmp = xmp.encode() if isinstance(xmp, str) else bytes(xmp)
    try:
        exif = image.getexif()
        parts = (
            _select(exif, _MAIN_IFD, with_ifds=True),
            _select(exif, _MAIN_IFD, with_ifds=False),
            _select(exif, _COPYRIGHT, with_ifds=False),
            xmp,
        )
    except Exception:  # noqa: BLE001 - broken EXIF does not fail an image that decodes
        return SourceMetadata(xmp=xmp if len(xmp) <= MAX_BYTES else b"")
    return SourceMetadata(*(part if len(part) <= MAX_BYTES else b"" for part in parts))


def _select(source: Image.Exif, tags: tuple[int, ...], *, with_ifds: bool) -> bytes:
    """Write EXIF with the given tags, and optionally with the Exif and GPS IFDs."""
    selected = Image.Exif()
    for tag in tags:
        if tag in source:
            selected[tag] = source[tag]
    if with_ifds:
        exif_ifd = source.get_ifd(ExifTags.IFD.Exif)
        gps_ifd = source.get_ifd(ExifTags.IFD.GPSInfo)
        if kept := {tag: value for tag, value in exif_ifd.items() if tag not in _DROPPED}:
            selected.get_ifd(ExifTags.IFD.Exif).update(kept)
        if gps_ifd:
            selected.get_ifd(ExifTags.IFD.GPSInfo).update(gps_ifd)
    found = bool(selected) or bool(selected._ifds)
    return selected.tobytes() if found else b""
