"""Recipe: what to make of an image. The part of an ImageJob's spec that operator and processor both read.

Nothing here may import more than the standard library and msgspec: the operator's image carries this
module without Pillow. What a schema cannot say of it is in `rules`.
"""

from __future__ import annotations

import enum
from typing import Annotated, Literal

from msgspec import Meta

from imagejob_contract.output import Output
from imagejob_contract.wire import Percent, Wire

PIXELS_VERSION = 6
"""Version of the pixels that this code makes of a recipe; grows whenever they change."""


# --- words that several operations share ----------------------------------------------------------------

Side = Annotated[int, Meta(ge=1, le=16384)]
Share = Annotated[int, Meta(ge=0, le=100)]
Colour = Annotated[str, Meta(max_length=9, pattern=r"^#[0-9A-Fa-f]{6}([0-9A-Fa-f]{2})?\Z")]
"""sRGB as #rrggbb, or #rrggbbaa with its opacity."""


class Gravity(enum.StrEnum):
    """Where in the picture, by compass."""

    NORTH_WEST = "NorthWest"
    NORTH = "North"
    NORTH_EAST = "NorthEast"
    WEST = "West"
    CENTER = "Center"
    EAST = "East"
    SOUTH_WEST = "SouthWest"
    SOUTH = "South"
    SOUTH_EAST = "SouthEast"


class Smart(enum.StrEnum):
    """How the part that is worth keeping is found: the most varied one, or the one with the most edges."""

    ENTROPY = "Entropy"
    EDGES = "Edges"


class FocalPoint(Wire, frozen=True):
    """What the picture is about, in percent of its width from the left and of its height from the top."""

    x_percent: Share
    y_percent: Share


# --- the operations -------------------------------------------------------------------------------------


class Fit(enum.StrEnum):
    """How an image is brought into a box.

    Cover fills the box and crops what is over; Contain fits inside and pads to the exact box; Fill
    stretches; Inside is the largest size within the box; Outside the smallest that covers it.
    """

    COVER = "Cover"
    CONTAIN = "Contain"
    FILL = "Fill"
    INSIDE = "Inside"
    OUTSIDE = "Outside"


class Resample(enum.StrEnum):
    """How careful a resize is, and how dear.

    Fast lets a JPEG decoder do most of a reduction, which photos do not show and patterns as fine as pixels
    do; Balanced only where they do not either; Best filters every rendition out of all pixels of the source.
    """

    FAST = "Fast"
    BALANCED = "Balanced"
    BEST = "Best"


class Resize(Wire, frozen=True):
    """Bring the image into a box of `width` x `height` pixels; Inside and Outside need only one of them.

    Attributes:
        width: Of the box, in pixels.
        height: Of the box, in pixels.
        fit: How the image meets the box.
        no_upscale: Never make the picture larger than it is: Cover and Outside then take the largest box of
            the same shape that needs no enlarging, Fill keeps the sides that are short already, Contain
            pads. Inside never enlarges.
        gravity: What Cover keeps, or where Contain puts the picture; absent: the centre.
        focal_point: What Cover keeps in the middle, as far as the edges allow.
        smart_crop: Let Cover look for what it keeps.
        background: What Contain pads with; absent: white.
        resample: How careful the filter is.
    """

    width: Side | None = None
    height: Side | None = None
    fit: Fit = Fit.INSIDE
    no_upscale: bool = False
    gravity: Gravity | None = None
    focal_point: FocalPoint | None = None
    smart_crop: Smart | None = None
    background: Colour | None = None
    resample: Resample = Resample.BALANCED


class Rotate(Wire, frozen=True):
    """Turn clockwise, after the image was put upright by its EXIF orientation."""

    degrees: Literal[90, 180, 270]


class Flip(Wire, frozen=True):
    """Mirror: Horizontal exchanges left and right, Vertical top and bottom."""

    direction: Literal["Horizontal", "Vertical"]


class Crop(Wire, frozen=True):
    """Cut out a box, in pixels of the image as the steps before left it; must lie inside it.

    It lies at `x` and `y`, or where `gravity` or `smart_crop` say.
    """

    width: Side
    height: Side
    x: Annotated[int, Meta(ge=0, le=65535)] | None = None
    y: Annotated[int, Meta(ge=0, le=65535)] | None = None
    gravity: Gravity | None = None
    smart_crop: Smart | None = None


Margin = Annotated[int, Meta(ge=0, le=16384)]


class Pad(Wire, frozen=True):
    """Add a margin of so many pixels on each side; absent background: white."""

    top: Margin = 0
    right: Margin = 0
    bottom: Margin = 0
    left: Margin = 0
    background: Colour | None = None


class Flatten(Wire, frozen=True):
    """Lay the image on a solid colour, so that nothing of it is transparent any more."""

    background: Annotated[str, Meta(max_length=7, pattern=r"^#[0-9A-Fa-f]{6}\Z")]


class Sharpen(Wire, frozen=True):
    """Unsharp mask: differences within `radius_pixels` grow by `amount_percent`, from `threshold` on."""

    amount_percent: Annotated[int, Meta(ge=1, le=500)] = 100
    radius_pixels: Annotated[int, Meta(ge=1, le=50)] = 1
    threshold: Annotated[int, Meta(ge=0, le=255)] = 0


class Blur(Wire, frozen=True):
    """Gaussian blur with a standard deviation of `radius_pixels`."""

    radius_pixels: Annotated[int, Meta(ge=1, le=250)]


class Grayscale(Wire, frozen=True):
    """Take the colours away and keep the lightness (ITU-R 601) and the opacity."""


class Watermark(Wire, frozen=True):
    """Lay a text, white with a dark edge, or another image over the image; exactly one of both.

    Attributes:
        text: In the font of the program: Latin, Greek, Cyrillic, Hebrew, Arabic and more, no CJK.
        image: Key of a PNG, WebP, JPEG or GIF below the namespace's part of the store.
        gravity: Where it stands; of no matter if it is everywhere.
        opacity_percent: 1 (hardly seen) to 100 (solid).
        scale_percent: Height of the letters, or longer side of the image, in percent of the shorter side;
            absent: 5, and 25 for an image. Less where it would not fit.
        tile: Repeat it all over the image.
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


# --- the whole ---------------------------------------------------------------------------------------------


class Rendition(Wire, frozen=True):
    """One picture made from every item."""

    name: Annotated[str, Meta(min_length=1, max_length=32, pattern=r"^[a-z0-9]([-a-z0-9]{0,30}[a-z0-9])?\Z")]
    output: Output
    steps: Annotated[tuple[Step, ...], Meta(max_length=16)] = ()
