"""Same: the format that `output.format: Same` stands for, which the ending of a source's name says.

The name and not the content, since keys and forms for the outputs are made before anything is decoded.
Operator and processor both go by it, so a file with a wrong ending becomes what its name says.
"""

from __future__ import annotations

import msgspec

from imagejob_contract.output import Format
from imagejob_contract.recipe import Rendition

ENDINGS: dict[str, Format] = {
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
}
"""Formats by what stands after the last dot of a name, in small letters."""


class UnknownEnding(ValueError):
    """A source's name says no format that outputs can have; the message names both and what to do."""


def for_source(rendition: Rendition, source: str) -> Rendition:
    """Give the rendition as it is for one source: with the format that its name says in the place of Same.

    Raises:
        UnknownEnding: The name of the source has no ending of `ENDINGS`.
    """
    if rendition.output.format is not Format.SAME:
        return rendition
    _, dot, ending = source.rpartition("/")[2].rpartition(".")
    form = ENDINGS.get(ending.lower()) if dot else None
    if form is None:
        known = ", ".join(f".{ending}" for ending in ENDINGS)
        raise UnknownEnding(
            f"rendition {rendition.name!r} has output.format Same, which goes by the ending of a "
            f"source's name, and {source!r} has none of {known}: name a format, or leave that source out"
        )
    return msgspec.structs.replace(rendition, output=msgspec.structs.replace(rendition.output, format=form))
