"""The recipe: the part of an ImageJob's spec that says what to make of an image.

Rules that this schema cannot express are in `recipe_rules`.
"""

from __future__ import annotations

import enum
from typing import Annotated, Literal

from msgspec import Meta

from imagejob_contract.output import Output
from imagejob_contract.wire import Percent, Wire

PIXELS_VERSION = 7
"""Version of the pixels that this code makes of a recipe; increased whenever they change."""

Side = Annotated[int, Meta(ge=1, le=16384)]
Share = Annotated[int, Meta(ge=0, le=100)]
Colour = Annotated[str, Meta(max_length=9, pattern=r"^#[0-9A-Fa-f]{6}([0-9A-Fa-f]{2})?\Z")]
"""sRGB as #rrggbb, or #rrggbbaa with alpha."""


class Gravity(enum.StrEnum):
    """A position in the image."""

    NORTH_WEST = "NorthWest"
    NORTH = "North"
    NORTH_EAST = "NorthEast"
    WEST = "West"
    CENTER = "Center"
    EAST = "East"
    SOUTH_WEST = "SouthWest"
    SOUTH = "South"
    SOUTH_EAST = "SouthEast"


class SmartCrop(enum.StrEnum):
    """How a smart crop chooses what to keep: the highest entropy, or the most edges."""

    ENTROPY = "Entropy"
    EDGES = "Edges"


class FocalPoint(Wire, frozen=True):
    """The most important point of the image, in percent of its width and height."""

    x_percent: Share
    y_percent: Share


class Fit(enum.StrEnum):
    """How an image fits into a box.

    Cover fills the box and crops the rest; Contain fits inside and pads to the exact box; Fill stretches;
    Inside is the largest size within the box; Outside the smallest that covers it.
    """

    COVER = "Cover"
    CONTAIN = "Contain"
    FILL = "Fill"
    INSIDE = "Inside"
    OUTSIDE = "Outside"


class Resample(enum.StrEnum):
    """Quality and cost of a resize.

    Fast lets the JPEG decoder do most of a reduction, which can alias fine patterns; Balanced does so only
    where it does not; Best filters all pixels of the source for every rendition.
    """

    FAST = "Fast"
    BALANCED = "Balanced"
    BEST = "Best"


class Resize(Wire, frozen=True):
    """Fit the image into a box of `width` x `height` pixels; Inside and Outside need only one of them.

    Attributes:
        width: Of the box, in pixels.
        height: Of the box, in pixels.
        fit: How the image fits into the box.
        no_upscale: Never enlarge the image: Cover and Outside then use the largest box of the same shape that
            needs no enlarging, Fill keeps the shorter sides, Contain pads. Inside never enlarges.
        gravity: What Cover keeps, or where Contain places the image; absent: the centre.
        focal_point: What Cover centres, as far as the edges allow.
        smart_crop: How Cover chooses what to keep.
        background: What Contain pads with; absent: white.
        resample: Quality of the filter.
    """

    width: Side | None = None
    height: Side | None = None
    fit: Fit = Fit.INSIDE
    no_upscale: bool = False
    gravity: Gravity | None = None
    focal_point: FocalPoint | None = None
    smart_crop: SmartCrop | None = None
    background: Colour | None = None
    resample: Resample = Resample.BALANCED


class Rotate(Wire, frozen=True):
    """Rotate clockwise, after the EXIF orientation was applied."""

    degrees: Literal[90, 180, 270]


class Flip(Wire, frozen=True):
    """Mirror: Horizontal swaps left and right, Vertical top and bottom."""

    direction: Literal["Horizontal", "Vertical"]


class Crop(Wire, frozen=True):
    """Cut out a box, which must be inside the image.

    Its position is `x` and `y`, or follows from `gravity` or `smart_crop`.
    """

    width: Side
    height: Side
    x: Annotated[int, Meta(ge=0, le=65535)] | None = None
    y: Annotated[int, Meta(ge=0, le=65535)] | None = None
    gravity: Gravity | None = None
    smart_crop: SmartCrop | None = None


Margin = Annotated[int, Meta(ge=0, le=16384)]


class Pad(Wire, frozen=True):
    """Add a margin, in pixels; absent background: white."""

    top: Margin = 0
    right: Margin = 0
    bottom: Margin = 0
    left: Margin = 0
    background: Colour | None = None


class Flatten(Wire, frozen=True):
    """Blend the image with a background colour, which removes its alpha channel."""

    background: Annotated[str, Meta(max_length=7, pattern=r"^#[0-9A-Fa-f]{6}\Z")]


class Sharpen(Wire, frozen=True):
    """Unsharp mask."""

    amount_percent: Annotated[int, Meta(ge=1, le=500)] = 100
    radius_pixels: Annotated[int, Meta(ge=1, le=50)] = 1
    threshold: Annotated[int, Meta(ge=0, le=255)] = 0


class Blur(Wire, frozen=True):
    """Gaussian blur with a standard deviation of `radius_pixels`."""

    radius_pixels: Annotated[int, Meta(ge=1, le=250)]


class Grayscale(Wire, frozen=True):
    """Convert to luma (ITU-R 601); the alpha channel is kept."""


class Watermark(Wire, frozen=True):
    """Draw a text, white with a dark outline, or an image over the image; exactly one of both.

    Attributes:
        text: Latin, Greek, Cyrillic, Hebrew, Arabic and more, no CJK.
        image: Key of a PNG, WebP, JPEG or GIF below the prefix of the namespace.
        gravity: Position; ignored if tiled.
        opacity_percent: 1 to 100.
        scale_percent: Height of the text, or longer side of the watermark image, in percent of the shorter
            side of the image; absent: 5 for a text, 25 for an image. Reduced if it does not fit.
        tile: Repeat it over the whole image.
    """

    text: Annotated[str, Meta(min_length=1, max_length=256)] | None = None
    image: Annotated[str, Meta(min_length=1, max_length=512)] | None = None
    gravity: Gravity = Gravity.SOUTH_EAST
    opacity_percent: Percent = 50
    scale_percent: Percent | None = None
    tile: bool = False


class Step(Wire, frozen=True):
    """One operation: exactly one member is set."""

    resize: Resize | None = None
    rotate: Rotate | None = None
    flip: Flip | None = None
    crop: Crop | None = None
    pad: Pad | None = None
    flatten: Flatten | None = None
    sharpen: Sharpen | None = None
    blur: Blur | None = None
    grayscale: Grayscale | None = None
    watermark: Watermark | None = None


OPERATIONS = Step.__struct_fields__
"""Names of all operations, in the order of the documentation."""


def members(step: Step) -> list[str]:
    """Name the members of `step` that are set."""
    return [name for name in OPERATIONS if getattr(step, name) is not None]


class Rendition(Wire, frozen=True):
    """One output for every item."""

    name: Annotated[str, Meta(min_length=1, max_length=32, pattern=r"^[a-z0-9]([-a-z0-9]{0,30}[a-z0-9])?\Z")]
    output: Output
    steps: Annotated[tuple[Step, ...], Meta(max_length=16)] = ()
