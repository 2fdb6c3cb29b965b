"""Records: what a source says about itself beside its pixels, and what of it an output may carry.

Nothing is copied as it stands but XMP: EXIF is written anew from tags that are known to be harmless, without
orientation (the picture is upright), thumbnail, maker notes and whatever tells how the source was stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from PIL import ExifTags, Image

from imagejob_contract.output import Format, Metadata

MOST_BYTES = 60_000
"""The longest EXIF or XMP that is kept: what a segment of a JPEG holds, in every format."""

_COPYRIGHT = (ExifTags.Base.Artist, ExifTags.Base.Copyright)
_PICTURE = (
    *_COPYRIGHT,
    ExifTags.Base.ImageDescription,
    ExifTags.Base.Make,
    ExifTags.Base.Model,
    ExifTags.Base.Software,
    ExifTags.Base.DateTime,
)
_NOT_KEPT = (ExifTags.Base.MakerNote, ExifTags.Base.ExifImageWidth, ExifTags.Base.ExifImageHeight, 0xA005)
_XMP_IN_PNG = "XML:com.adobe.xmp"


@dataclass(frozen=True)
class Records:
    """EXIF and XMP of one source, ready to be written; empty where there is nothing to keep.

    Attributes:
        exif: The picture, the shot and the place.
        picture: Of that only what does not lie in folders of its own.
        copyright: Of that only who made it and whose it is.
        xmp: As it stood in the source.
    """

    exif: bytes = b""
    picture: bytes = b""
    copyright: bytes = b""
    xmp: bytes = b""

    def options(self, output: Format, metadata: Metadata) -> dict[str, Any]:
        """Give the options by which Pillow's writer of a format adds what `metadata` keeps."""
        # libtiff, which compresses, writes neither XMP nor what lies in folders of EXIF.
        all_of_it = self.picture if output is Format.TIFF else self.exif
        exif = {Metadata.KEEP: all_of_it, Metadata.KEEP_COPYRIGHT: self.copyright}.get(metadata, b"")
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


NOTHING = Records()


def records_of(image: Image.Image) -> Records:
    """Read what `image`, opened and not decoded yet, says; what is broken or too long is left out."""
    xmp = image.info.get("xmp", b"")
    xmp = xmp.encode() if isinstance(xmp, str) else bytes(xmp)
    try:
        exif = image.getexif()
        parts = (
            _picked(exif, _PICTURE, whole=True),
            _picked(exif, _PICTURE, whole=False),
            _picked(exif, _COPYRIGHT, whole=False),
            xmp,
        )
    except Exception:  # noqa: BLE001 - broken EXIF is no reason to refuse a picture that decodes
        return Records(xmp=xmp if len(xmp) <= MOST_BYTES else b"")
    return Records(*(part if len(part) <= MOST_BYTES else b"" for part in parts))


def _picked(source: Image.Exif, tags: tuple[int, ...], *, whole: bool) -> bytes:
    """Write EXIF anew with the tags that are asked for, and with the parts on the shot and the place."""
    picked = Image.Exif()
    for tag in tags:
        if tag in source:
            picked[tag] = source[tag]
    if whole:
        shot = source.get_ifd(ExifTags.IFD.Exif)
        place = source.get_ifd(ExifTags.IFD.GPSInfo)
        if kept := {tag: value for tag, value in shot.items() if tag not in _NOT_KEPT}:
            picked.get_ifd(ExifTags.IFD.Exif).update(kept)
        if place:
            picked.get_ifd(ExifTags.IFD.GPSInfo).update(place)
    found = bool(picked) or bool(picked._ifds)
    return picked.tobytes() if found else b""
