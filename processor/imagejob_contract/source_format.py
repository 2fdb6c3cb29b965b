"""The format for `output.format: Same`: that of the extension of the source's name.

By name and not by content, because the keys of the outputs are decided before anything is decoded. A file
with a wrong extension is converted to the format of its name. HEIC and JPEG XL are not written: they become
JPEG.
"""

from __future__ import annotations

import msgspec

from imagejob_contract.output import Format
from imagejob_contract.recipe import Rendition

EXTENSION_FORMATS: dict[str, Format] = {
    "jpg": Format.JPEG,
    "jpeg": Format.JPEG,
    "jpe": Format.JPEG,
    "jfif": Format.JPEG,
    "png": Format.PNG,
    "webp": Format.WEBP,
    "avif": Format.AVIF,
    "gif": Format.GIF,
    "tif": Format.TIFF,
    "tiff": Format.TIFF,
    "heic": Format.JPEG,
    "heif": Format.JPEG,
    "hif": Format.JPEG,
    "jxl": Format.JPEG,
}
"""Formats by extension, in lower case."""


class UnknownExtension(ValueError):
    """The name of a source has no extension of an output format."""


def for_source(rendition: Rendition, source: str) -> Rendition:
    """Return the rendition for one source, with Same replaced by the format of its name.

    Raises:
        UnknownExtension: The extension is none of `EXTENSION_FORMATS`.
    """
    if rendition.output.format is not Format.SAME:
        return rendition
    _, dot, extension = source.rpartition("/")[2].rpartition(".")
    form = EXTENSION_FORMATS.get(extension.lower()) if dot else None
    if form is None:
        known = ", ".join(f".{extension}" for extension in EXTENSION_FORMATS)
        raise UnknownExtension(
            f"rendition {rendition.name!r} has output.format Same, but the name of the source "
            f"{source!r} has none of the extensions {known}; name a format or exclude the source"
        )
    return msgspec.structs.replace(rendition, output=msgspec.structs.replace(rendition.output, format=form))
