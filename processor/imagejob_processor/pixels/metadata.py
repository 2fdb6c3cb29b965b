"""Metadata of a source, and what of it an output keeps: EXIF and XMP, byte for byte.

What was applied to the pixels is not left to be applied again: orientation and colour space. What an output
cannot hold is noted. IPTC and extended XMP are never kept.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from PIL import Image

from imagejob_contract.output import Format, Metadata
from imagejob_processor.notes import note
from imagejob_processor.pixels import exif, tiff_metadata, xmp
from imagejob_processor.pixels.geometry import Size
from imagejob_processor.pixels.metadata_source import find_metadata

MAX_BYTES = 1024 * 1024
"""Size limit of EXIF and of XMP that are kept."""
_LIMITS = {
    ("EXIF", Format.JPEG): 65_527,
    ("XMP", Format.JPEG): 65_504,
    ("EXIF", Format.GIF): 0,
    ("XMP", Format.GIF): 0,
}
"""Where the limit of the format is lower."""
_MAX_READ_BYTES = 4 * MAX_BYTES
"""Above this, a thumbnail cannot be the reason why it is too large."""
_EXIF_PREFIX = b"Exif\0\0"
_XMP_IN_PNG = "XML:com.adobe.xmp"


@dataclass(frozen=True)
class Part:
    """The EXIF or the XMP of a source; empty if there is none, None where it is corrupt.

    Attributes:
        name: EXIF or XMP.
        length: Its bytes in the source.
        whole: All of it.
        copyright: What `KeepCopyright` keeps of it.
    """

    name: str
    length: int = 0
    whole: bytes | None = b""
    copyright: bytes | None = b""

    def kept(self, output: Format, metadata: Metadata) -> bytes:
        """Return what an output keeps, and note what it cannot hold."""
        if metadata is Metadata.STRIP:
            return b""
        most = _LIMITS.get((self.name, output), MAX_BYTES)
        wanted = self.whole if metadata is Metadata.KEEP else self.copyright
        kept = next((part for part in (wanted, self.copyright) if part and len(part) <= most), b"")
        if wanted is not None and len(wanted) <= most:
            return wanted
        reason = f"{output} holds at most {most} bytes" if most else f"{output} holds none"
        done = "was reduced to the copyright" if kept else "was dropped"
        note(f"{self.name} of {self.length} bytes {done}: {'it is corrupt' if wanted is None else reason}")
        return kept


@dataclass(frozen=True)
class SourceMetadata:
    """EXIF and XMP of one source."""

    exif: Part = Part("EXIF")
    xmp: Part = Part("XMP")

    def select(self, output: Format, metadata: Metadata, size: Size) -> KeptMetadata:
        """Return what an output of this format and size keeps."""
        block = self.exif.kept(output, metadata)
        return KeptMetadata(exif.sized(block, size) if block else b"", self.xmp.kept(output, metadata))


@dataclass(frozen=True)
class KeptMetadata:
    """The EXIF block and the XMP packet of one output; empty if there is none."""

    exif: bytes
    xmp: bytes

    def options(self, output: Format) -> dict[str, Any]:
        """Return the options of Pillow's encoder that write it."""
        if output is Format.TIFF:
            return {}
        options: dict[str, Any] = {}
        if self.exif:
            options["exif"] = (_EXIF_PREFIX if output is Format.JPEG else b"") + self.exif
        if self.xmp and output is Format.PNG:
            from PIL import PngImagePlugin

            options["pnginfo"] = PngImagePlugin.PngInfo()
            options["pnginfo"].add_itxt(_XMP_IN_PNG, self.xmp)
        elif self.xmp:
            options["xmp"] = self.xmp
        return options

    def without_exif(self) -> KeptMetadata:
        """Return the rest, for an encoder that does not accept the EXIF."""
        note(f"EXIF of {len(self.exif)} bytes was dropped: it is corrupt")
        return KeptMetadata(b"", self.xmp)

    def complete(self, output: Format, data: bytes) -> bytes:
        """Return the encoded file with what `options` cannot write.

        Raises:
            Exception: The EXIF is so broken that a TIFF with its tags cannot be opened.
        """
        if output is not Format.TIFF or not (self.exif or self.xmp):
            return data
        made = tiff_metadata.with_metadata(data, self.exif, self.xmp)
        with warnings.catch_warnings(action="ignore"):
            Image.open(BytesIO(made), formats=["TIFF"])
        return made


NO_METADATA = SourceMetadata()


def read_metadata(data: bytes, image: Image.Image) -> SourceMetadata:
    """Read the metadata of a source that is not decoded yet, and note what is never kept."""
    try:
        found = find_metadata(data, image, MAX_BYTES)
    except Exception:  # noqa: BLE001 - broken metadata does not fail an image that decodes
        note("EXIF and XMP were dropped: they are corrupt")
        return NO_METADATA
    if found.iptc:
        note(f"IPTC of {found.iptc} bytes was dropped: only EXIF and XMP are kept")
    if found.extended_xmp:
        note(f"extended XMP of {found.extended_xmp} bytes was dropped: only the main packet is kept")
    return SourceMetadata(
        _part("EXIF", found.exif, _upright, exif.copyright_of),
        _part("XMP", found.xmp, _upright_packet, xmp.copyright_of),
    )


def _part(
    name: str, found: bytes, whole: Callable[[bytes], bytes], copyright_of: Callable[[bytes], bytes]
) -> Part:
    return Part(name, len(found), _read(found, whole), _read(found, copyright_of)) if found else Part(name)


def _upright_packet(packet: bytes) -> bytes:
    if b"\0" in packet.rstrip(b"\0"):
        raise ValueError("it is not UTF-8")
    return xmp.upright(packet)


def _upright(block: bytes) -> bytes:
    """Return the block without its orientation, also without that of an XMP packet in it."""
    return xmp.upright(exif.upright(block)) if len(block) <= _MAX_READ_BYTES else block


def _read(found: bytes, read: Callable[[bytes], bytes]) -> bytes | None:
    try:
        return read(found)
    except Exception:  # noqa: BLE001 - broken metadata does not fail an image that decodes
        return None
