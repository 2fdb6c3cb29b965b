"""Reads the header of a file of any format."""

from __future__ import annotations

from imagejob_processor.headers.bmp_layout import check_bmp
from imagejob_processor.headers.header import Header
from imagejob_processor.headers.jpeg_frame import check_jpeg
from imagejob_processor.headers.png_chunks import read_png
from imagejob_processor.headers.tiff_tags import read_tiff


def read_header(name: str, data: bytes) -> Header:
    """Read the header of a file in the format that Pillow calls `name`.

    Raises:
        ItemFailure: IMG_001, IMG_002 or IMG_003.
    """
    match name:
        case "PNG":
            return read_png(data)
        case "TIFF":
            return read_tiff(data)
        case "JPEG":
            check_jpeg(data)
        case "BMP":
            check_bmp(data)
    return Header(data)
