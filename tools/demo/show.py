"""The outputs of a job: download, list with sizes, and contact sheet."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from demo.stack import Store

CELL = (420, 320)
MARGIN = 12
CAPTION = 40
COLUMNS = 4
BACKGROUND = (246, 246, 244)
INK = (40, 40, 40)


@dataclass(frozen=True)
class Output:
    """One downloaded output."""

    key: str
    path: Path
    format: str
    width: int
    height: int
    bytes: int


def read_report(store: Store, key: str) -> dict[str, Any]:
    """Read the report of a run."""
    response = store.client.get_object(store.bucket, key)
    try:
        report: dict[str, Any] = json.loads(response.read())
    finally:
        response.close()
        response.release_conn()
    return report


def fetch(store: Store, root: str, keys: Sequence[str], folder: Path) -> list[Output]:
    """Download and decode the outputs; `root` is the prefix of the namespace."""
    outputs: list[Output] = []
    for key in keys:
        path = folder / PurePosixPath(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        store.client.fget_object(store.bucket, root + key, str(path))
        with Image.open(path) as image:
            image.load()
            outputs.append(Output(key, path, image.format or "", *image.size, path.stat().st_size))
    return outputs


def table(outputs: Sequence[Output]) -> list[str]:
    """Return one line for each output."""
    width = max((len(output.key) for output in outputs), default=0)
    return [
        f"{o.key:<{width}}  {o.format:<5} {o.width:>5} x {o.height:<5} {o.bytes / 1024:>8.1f} KiB"
        for o in outputs
    ]


def contact_sheet(outputs: Sequence[Output], path: Path) -> None:
    """Draw all outputs on one image, each with its name, size and dimensions."""
    columns = min(COLUMNS, max(1, len(outputs)))
    rows = -(-len(outputs) // columns)
    across, down = CELL[0] + MARGIN, CELL[1] + CAPTION + MARGIN
    sheet = Image.new("RGB", (columns * across + MARGIN, rows * down + MARGIN), BACKGROUND)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(14)
    for position, output in enumerate(outputs):
        left, top = MARGIN + position % columns * across, MARGIN + position // columns * down
        with Image.open(output.path) as image:
            small = image.convert("RGB")
        small.thumbnail(CELL, Image.Resampling.LANCZOS)
        sheet.paste(small, (left + (CELL[0] - small.width) // 2, top + (CELL[1] - small.height) // 2))
        about = f"{output.format} {output.width} x {output.height}, {output.bytes / 1024:.0f} KiB"
        name = PurePosixPath(output.key).name
        draw.multiline_text((left, top + CELL[1] + 4), f"{name}\n{about}", fill=INK, font=font, spacing=2)
    path.parent.mkdir(parents=True, exist_ok=True)
    file = io.BytesIO()
    sheet.save(file, "JPEG", quality=88)
    path.write_bytes(file.getvalue())
