"""Rejected and accepted values at the limit of every constraint of the CRD of ImageJobs.

Paths have the form of the API server's errors, with keys of maps in braces: `labels{tier}`.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

ABSENT = object()
"""A missing value."""

KEYS: dict[str, Any] = {
    "apiVersion": "imagejob.dev/v1alpha1",
    "kind": "ImageJob",
    "metadata": {"name": "case"},
    "spec": {
        "source": {"keys": ["uploads/a.jpg"]},
        "renditions": [{"name": "web", "output": {"format": "JPEG"}}],
    },
}

SAYS = {
    "minimum": "should be greater than or equal to",
    "maximum": "should be less than or equal to",
    "minLength": "should be at least",
    "maxLength": "may not be more than",
    "minItems": "should have at least",
    "maxItems": "must have at most",
    "maxProperties": "must have at most",
    "pattern": "should match",
    "enum": "Unsupported value",
    "required": "Required value",
    "unique": "Duplicate value",
}
"""Messages of the API server for violated constraints."""


@dataclass(frozen=True)
class Case:
    """A constraint, and values for `path` that violate or satisfy it."""

    path: str
    kind: str
    refused: tuple[Any, ...]
    accepted: tuple[Any, ...]
    base: dict[str, Any]
    says: str
    at: str
    constraint: str

    @property
    def in_status(self) -> bool:
        return self.path.startswith("status")

    def __str__(self) -> str:
        return f"{self.constraint or 'root'}:{self.kind}" + (f":{self.says}" if self.kind == "rule" else "")


def tokens(path: str) -> list[str | int]:
    """The steps of a path: `a.b[0]{c}` gives a, b, 0, c."""
    found = re.findall(r"\{([^}]*)\}|\[(\d+)\]|([^.\[{]+)", path)
    return [int(number) if number else key or name for key, number, name in found]


def changed(base: dict[str, Any], *changes: tuple[str, Any]) -> dict[str, Any]:
    """A copy of a manifest with values set or removed by path."""
    body = copy.deepcopy(base)
    for path, value in changes:
        *way, last = tokens(path)
        node: Any = body
        for here, following in zip(way, [*way, last][1:], strict=True):
            if isinstance(node, list):
                while len(node) <= int(here):
                    node.append({})
                node = node[int(here)]
            else:
                node = node.setdefault(here, [] if isinstance(following, int) else {})
        if value is ABSENT:
            del node[last]
        elif isinstance(node, list):
            node[int(last) : int(last) + 1] = [copy.deepcopy(value)]
        else:
            node[last] = copy.deepcopy(value)
    return body


def case(
    path: str,
    kind: str,
    refused: list[Any],
    accepted: list[Any],
    *,
    base: dict[str, Any] = KEYS,
    says: str = "",
    at: str | None = None,
    constraint: str | None = None,
) -> Case:
    schema = re.sub(r"\{[^}]*\}", "{}", re.sub(r"\[\d+\]", "[]", path)) if constraint is None else constraint
    where = re.sub(r"\{([^}]*)\}", r".\1", path) if at is None else at
    return Case(path, kind, tuple(refused), tuple(accepted), base, says or SAYS.get(kind, ""), where, schema)


def rule(path: str, says: str, refused: list[Any], accepted: list[Any], **options: Any) -> Case:
    return case(path, "rule", refused, accepted, says=says, **options)


def between(path: str, low: int, high: int, base: dict[str, Any] = KEYS) -> list[Case]:
    return [
        case(path, "minimum", [low - 1], [low], base=base),
        case(path, "maximum", [high + 1], [high], base=base),
    ]


def length(path: str, low: int, high: int, base: dict[str, Any] = KEYS, letter: str = "x") -> list[Case]:
    longest = case(path, "maxLength", [letter * (high + 1)], [letter * high], base=base)
    return [case(path, "minLength", [""], [letter * low], base=base), longest] if low else [longest]


def required(path: str, value: Any, base: dict[str, Any]) -> Case:
    return case(path, "required", [ABSENT], [value], base=changed(base, (path, value)))


def store_ref(path: str) -> list[Case]:
    base = changed(KEYS, (path, {"name": "media"}))
    return [
        required(f"{path}.name", "a", base),
        *length(f"{path}.name", 1, 253, base),
        case(f"{path}.name", "pattern", ["A", "-a", "a/b", "../b", "a\n"], ["a.b-c.9"], base=base),
    ]


MATCH = changed(KEYS, ("spec.source", {"match": {"prefix": "uploads/"}}))
INLINE = changed(KEYS, ("spec.source", {"inline": [{"name": "a.png", "data": "QUJD"}]}))
LIST = changed(KEYS, ("spec.source", {"list": {"key": "lists/a"}}))
LINK = "https://a.example/a.jpg"
URLS = changed(KEYS, ("spec.source", {"urls": [{"url": LINK}]}))
STEP = "spec.renditions[0].steps[0]"
RESIZE = changed(KEYS, (STEP, {"resize": {"width": 100, "height": 100}}))
ROTATE = changed(KEYS, (STEP, {"rotate": {"degrees": 90}}))
CROP = changed(KEYS, (STEP, {"crop": {"x": 0, "y": 0, "width": 10, "height": 10}}))
LOGO = changed(KEYS, (STEP, {"watermark": {"image": "brand/logo.png"}}))
WATERMARK = changed(KEYS, (STEP, {"watermark": {"text": "x"}}))
POD = "spec.execution.podTemplate"


def renditions(count: int) -> list[dict[str, Any]]:
    return [{"name": f"r{number}", "output": {"format": "JPEG"}} for number in range(count)]


def members(count: int, value: str = "1") -> dict[str, str]:
    return {f"m{number}": value for number in range(count)}


RESERVED = [".imagejob/x", ".imagejob-staging/x", ".imagejob", ".imagejob-staging"]
RESERVED_STARTS = [*RESERVED, ".imagejob/", ".i", ".imagejob-", ".imagejob-stagin"]
NOT_RESERVED = [".imagejobs/x", "a/.imagejob/x", ".imagejob-staging2", "imagejob/x"]
CONTROL = ["a\nb", "\x00", "a\x1f", "a\x7f"]
NO_CONTROL = ["a b", "ä/\u00a0ö.jpg", "~"]
OUT_OF_JAIL = ["/a", "a//b", ".", "..", "./a", "../a", "a/./b", "a/../b", "a/.", "a/..", "/", "//", "a//"]
DOTS = [".", "..", "./a", "../a", "a/./b", "a/../b", "a/.", "a/.."]
NUL = ["\x00", "a\x00b"]
ANY_KEY = ["/a", "a//b", "a/", "/", "a\nb", "\x7f", "a\x1f", "..a", "a..", "...", "a/...", "a/.b/c", "~"]
RESERVED_KEYS = [".imagejob/x", ".imagejob-staging/x", ".imagejob", ".imagejob-staging", "//.imagejob/x"]
IN_JAIL = ["a", "a/b", "...", "a/...", ".a/b.", "..a/b..", "a/.b/c"]

HEADERS = "spec.destination.headers"
IN_A_FOLDER = changed(KEYS, ("spec.destination", {"prefix": "out/"}))
NOT_A_HEADER = ["a\nb", "ä", "x\n", "\x7f"]

RUN_ID_ASKED = "give spec.run.id a new value in the same update"

COMPASS = ["NorthWest", "North", "NorthEast", "West", "Center", "East", "SouthWest", "South", "SouthEast"]
NO_COMPASS = ["southeast", "", "Centre"]
COLOURS = ["#000000", "#AbCdEf", "#12345678"]
NO_COLOURS = ["red", "#fff", "#gggggg", "123456", "#1234567", ""]
BOX = {"width": 100, "height": 100}
COVER = changed(KEYS, (STEP, {"resize": {**BOX, "fit": "Cover"}}))
CONTAIN = changed(KEYS, (STEP, {"resize": {**BOX, "fit": "Contain"}}))
FOCUS = changed(COVER, (f"{STEP}.resize.focalPoint", {"xPercent": 50, "yPercent": 50}))
PAD = changed(KEYS, (STEP, {"pad": {"top": 1}}))
FLATTEN = changed(KEYS, (STEP, {"flatten": {"background": "#ffffff"}}))
CENTRED = changed(KEYS, (STEP, {"crop": {**BOX, "gravity": "Center"}}))
SMART = changed(KEYS, (STEP, {"crop": {**BOX, "smartCrop": "Edges"}}))
FLIP = changed(KEYS, (STEP, {"flip": {"direction": "Vertical"}}))
SHARPEN = changed(KEYS, (STEP, {"sharpen": {}}))
BLUR = changed(KEYS, (STEP, {"blur": {"radiusPixels": 1}}))
GRAYSCALE = changed(KEYS, (STEP, {"grayscale": {}}))


def first_step(base: dict[str, Any]) -> dict[str, Any]:
    step: dict[str, Any] = base["spec"]["renditions"][0]["steps"][0]
    return step


STEPS: list[Case] = [
    rule(
        STEP,
        "exactly one of resize, rotate, flip, crop, pad, flatten, sharpen, blur, grayscale and watermark",
        [
            {},
            {"resize": {"width": 1}, "rotate": {"degrees": 90}},
            {**first_step(CROP), **first_step(WATERMARK)},
            {**first_step(FLIP), **first_step(BLUR)},
            {**first_step(GRAYSCALE), **first_step(SHARPEN), **first_step(PAD)},
            {**first_step(FLATTEN), **first_step(GRAYSCALE)},
        ],
        [
            first_step(base)
            for base in (RESIZE, ROTATE, FLIP, CROP, PAD, FLATTEN, SHARPEN, BLUR, GRAYSCALE, WATERMARK)
        ],
    ),
    # resize
    rule(
        f"{STEP}.resize",
        "resize requires width or height",
        [{}, {"fit": "Inside"}, {"fit": "Cover"}],
        [{"width": 1}, {"height": 1}, {"width": 1, "height": 1}],
    ),
    rule(
        f"{STEP}.resize",
        "requires both width and height",
        [{"width": 1, "fit": fit} for fit in ("Cover", "Contain", "Fill")] + [{"height": 1, "fit": "Fill"}],
        [{"width": 1, "height": 1, "fit": fit} for fit in ("Cover", "Contain", "Fill")]
        + [{"width": 1, "fit": "Inside"}, {"height": 1, "fit": "Outside"}],
    ),
    *between(f"{STEP}.resize.width", 1, 16384),
    *between(f"{STEP}.resize.height", 1, 16384),
    case(
        f"{STEP}.resize.fit",
        "enum",
        ["cover", "", "Scale"],
        ["Cover", "Contain", "Fill", "Inside", "Outside"],
        base=RESIZE,
    ),
    case(f"{STEP}.resize.resample", "enum", ["fast", "", "Draft"], ["Fast", "Balanced", "Best"], base=RESIZE),
    case(f"{STEP}.resize.gravity", "enum", NO_COMPASS, COMPASS, base=COVER),
    case(f"{STEP}.resize.smartCrop", "enum", ["entropy", "", "Faces"], ["Entropy", "Edges"], base=COVER),
    *(
        item
        for field in ("xPercent", "yPercent")
        for item in (
            required(f"{STEP}.resize.focalPoint.{field}", 50, FOCUS),
            *between(f"{STEP}.resize.focalPoint.{field}", 0, 100, FOCUS),
        )
    ),
    case(f"{STEP}.resize.background", "maxLength", ["#" + "0" * 9], ["#" + "0" * 8], base=CONTAIN),
    case(f"{STEP}.resize.background", "pattern", NO_COLOURS, COLOURS, base=CONTAIN),
    rule(
        f"{STEP}.resize",
        "at most one of gravity, focalPoint and smartCrop",
        [
            {**BOX, "fit": "Cover", "gravity": "North", "smartCrop": "Edges"},
            {**first_step(FOCUS)["resize"], "gravity": "North"},
            {**first_step(FOCUS)["resize"], "smartCrop": "Edges"},
        ],
        [
            {**BOX, "fit": "Cover", "gravity": "North"},
            {**BOX, "fit": "Cover", "smartCrop": "Edges"},
            first_step(FOCUS)["resize"],
        ],
    ),
    rule(
        f"{STEP}.resize",
        "focalPoint and smartCrop require fit Cover",
        [
            {**BOX, "fit": fit, **way}
            for fit in ("Contain", "Fill", "Inside", "Outside")
            for way in ({"smartCrop": "Edges"}, {"focalPoint": {"xPercent": 1, "yPercent": 1}})
        ],
        [first_step(FOCUS)["resize"], {**BOX, "fit": "Cover", "smartCrop": "Entropy"}],
    ),
    rule(
        f"{STEP}.resize",
        "gravity requires fit Cover or Contain",
        [{**BOX, "fit": fit, "gravity": "North"} for fit in ("Fill", "Inside", "Outside")],
        [{**BOX, "fit": fit, "gravity": "North"} for fit in ("Cover", "Contain")],
    ),
    rule(
        f"{STEP}.resize",
        "background requires fit Contain",
        [{**BOX, "fit": fit, "background": "#000000"} for fit in ("Cover", "Fill", "Inside", "Outside")],
        [{**BOX, "fit": "Contain", "background": "#000000"}],
    ),
    # rotate, flip
    required(f"{STEP}.rotate.degrees", 90, ROTATE),
    case(f"{STEP}.rotate.degrees", "enum", [0, 45, -90, 360], [90, 180, 270], base=ROTATE),
    required(f"{STEP}.flip.direction", "Vertical", FLIP),
    case(f"{STEP}.flip.direction", "enum", ["Both", "", "vertical"], ["Horizontal", "Vertical"], base=FLIP),
    # crop
    *(required(f"{STEP}.crop.{field}", 1, CROP) for field in ("width", "height")),
    *between(f"{STEP}.crop.x", 0, 65535, CROP),
    *between(f"{STEP}.crop.y", 0, 65535, CROP),
    *between(f"{STEP}.crop.width", 1, 16384, CROP),
    *between(f"{STEP}.crop.height", 1, 16384, CROP),
    case(f"{STEP}.crop.gravity", "enum", NO_COMPASS, COMPASS, base=CENTRED),
    case(f"{STEP}.crop.smartCrop", "enum", ["entropy", ""], ["Entropy", "Edges"], base=SMART),
    rule(
        f"{STEP}.crop",
        "x and y must be set together",
        [{**BOX, "x": 1}, {**BOX, "y": 1}, {**BOX, "y": 1, "gravity": "North"}],
        [{**BOX, "x": 1, "y": 1}, {**BOX, "gravity": "North"}],
    ),
    rule(
        f"{STEP}.crop",
        "exactly one of x and y, gravity, and smartCrop",
        [
            BOX,
            {**BOX, "x": 0, "y": 0, "gravity": "North"},
            {**BOX, "x": 0, "y": 0, "smartCrop": "Edges"},
            {**BOX, "gravity": "North", "smartCrop": "Edges"},
        ],
        [{**BOX, "x": 0, "y": 0}, {**BOX, "gravity": "North"}, {**BOX, "smartCrop": "Edges"}],
    ),
    # pad, flatten
    *(
        item
        for field in ("top", "right", "bottom", "left")
        for item in between(
            f"{STEP}.pad.{field}", 0, 16384, changed(PAD, (f"{STEP}.pad", {"top": 1, "left": 1}))
        )
    ),
    rule(f"{STEP}.pad", "pad requires a margin", [{}, {"top": 0}, {"background": "#000000"}], [{"left": 1}]),
    case(f"{STEP}.pad.background", "maxLength", ["#" + "0" * 9], ["#" + "0" * 8], base=PAD),
    case(f"{STEP}.pad.background", "pattern", NO_COLOURS, COLOURS, base=PAD),
    required(f"{STEP}.flatten.background", "#ffffff", FLATTEN),
    case(f"{STEP}.flatten.background", "maxLength", ["#" + "0" * 7], ["#" + "0" * 6], base=FLATTEN),
    case(f"{STEP}.flatten.background", "pattern", ["#12345", "white", ""], ["#AbCdEf"], base=FLATTEN),
    # tone
    *between(f"{STEP}.sharpen.amountPercent", 1, 500, SHARPEN),
    *between(f"{STEP}.sharpen.radiusPixels", 1, 50, SHARPEN),
    *between(f"{STEP}.sharpen.threshold", 0, 255, SHARPEN),
    required(f"{STEP}.blur.radiusPixels", 1, BLUR),
    *between(f"{STEP}.blur.radiusPixels", 1, 250, BLUR),
]

FORMATS = ["JPEG", "PNG", "WebP", "AVIF", "GIF", "TIFF", "Same"]
OUT = "spec.renditions[0].output"


def in_format(form: str) -> dict[str, Any]:
    return changed(KEYS, (f"{OUT}.format", form))


def only_for(field: str, value: Any, *formats: str) -> Case:
    """A field of the output that some formats have and others do not have."""
    return rule(
        OUT,
        f"{field} requires format",
        [{"format": form, field: value} for form in FORMATS if form not in formats],
        [{"format": form, field: value} for form in formats],
    )


MOVING = {"format": "GIF", "animation": "All"}
MOVE = ("GIF", "WebP", "AVIF", "PNG", "Same")

OUTPUTS: list[Case] = [
    case(f"{OUT}.format", "required", [ABSENT], ["JPEG"]),
    case(f"{OUT}.format", "enum", ["jpeg", "BMP", ""], FORMATS),
    *between(f"{OUT}.quality", 1, 100),
    case(f"{OUT}.metadata", "enum", ["keep", ""], ["Strip", "KeepCopyright", "Keep"]),
    rule(
        OUT,
        "format GIF cannot hold metadata",
        [{"format": "GIF", "metadata": "Keep"}, {"format": "GIF", "metadata": "KeepCopyright"}],
        [{"format": "GIF", "metadata": "Strip"}, {"format": "TIFF", "metadata": "Keep"}],
    ),
    case(f"{OUT}.animation", "enum", ["all", "", "Last"], ["First", "All"], base=in_format("GIF")),
    rule(
        OUT,
        "animation All requires format",
        [{"format": form, "animation": "All"} for form in FORMATS if form not in MOVE],
        [{"format": form, "animation": "All"} for form in MOVE],
    ),
    rule(
        OUT,
        "animation All cannot be combined with colors",
        [{"format": "PNG", "animation": "All", "colors": 16}],
        [{"format": "PNG", "colors": 16}, {"format": "GIF", "animation": "All", "colors": 16}],
    ),
    rule(
        "spec.renditions[0]",
        "animation All cannot be combined with smartCrop",
        [
            {"name": "a", "output": MOVING, "steps": [first_step(SMART)]},
            {
                "name": "a",
                "output": MOVING,
                "steps": [{"grayscale": {}}, {"resize": {**BOX, "fit": "Cover", "smartCrop": "Edges"}}],
            },
        ],
        [
            {"name": "a", "output": MOVING, "steps": [first_step(CENTRED), first_step(FOCUS)]},
            {"name": "a", "output": {"format": "GIF"}, "steps": [first_step(SMART)]},
        ],
        at=OUT,
    ),
    only_for("progressive", True, "JPEG"),
    only_for("chroma", "Full", "JPEG", "AVIF"),
    case(f"{OUT}.chroma", "enum", ["full", "", "4:4:4"], ["Full", "Half", "Quarter"]),
    only_for("compression", "Lossless", "WebP"),
    case(
        f"{OUT}.compression",
        "enum",
        ["lossy", ""],
        ["Lossy", "NearLossless", "Lossless"],
        base=in_format("WebP"),
    ),
    only_for("speed", 5, "AVIF"),
    *between(f"{OUT}.speed", 0, 10, in_format("AVIF")),
    only_for("colors", 16, "PNG", "GIF"),
    *between(f"{OUT}.colors", 2, 256, in_format("PNG")),
    only_for("maxSize", "200Ki", "JPEG", "WebP", "AVIF"),
    case(f"{OUT}.maxSize", "maxLength", ["1" * 12], ["1" * 11]),
    case(
        f"{OUT}.maxSize",
        "pattern",
        ["0", "064Ki", "64KB", "1.5Ki", "-1", "", "1Ki\n", "1Ti", "100Gi", "100000Mi", "123456789Ki"],
        ["1", "200Ki", "99Gi", "99999Mi", "99999999Ki", "99999999999"],
    ),
    rule(
        OUT,
        "maxSize requires compression Lossy",
        [{"format": "WebP", "maxSize": "1Ki", "compression": way} for way in ("NearLossless", "Lossless")],
        [{"format": "WebP", "maxSize": "1Ki", "compression": "Lossy"}, {"format": "WebP", "maxSize": "1Ki"}],
    ),
]

SPEC: list[Case] = [
    rule("metadata.name", "at most 52 characters", ["n" * 53], ["n" * 52], constraint=""),
    rule("metadata.name", "must not contain dots", ["a.b"], ["a-b"], constraint=""),
    case("spec", "required", [ABSENT], [KEYS["spec"]]),
    case("spec.source", "required", [ABSENT], [KEYS["spec"]["source"]]),
    case("spec.renditions", "required", [ABSENT], [KEYS["spec"]["renditions"]]),
    *length("spec.class", 1, 63),
    case("spec.class", "pattern", ["-a", "a-", "A", "a.b", "a b", "a\n"], ["a", "team-a"]),
    # run
    *length("spec.run.id", 1, 63),
    case("spec.run.id", "pattern", ["a b", "-a", "a-", "ä", "a/b", "a\n"], ["1", "A-b_c.9", "2026-11-23"]),
    case("spec.run.mode", "enum", ["run", ""], ["Run", "Validate"]),
    case("spec.run.items", "enum", ["all", ""], ["All", "Failed"]),
    # cancelRunID
    *length("spec.cancelRunID", 1, 63),
    case("spec.cancelRunID", "pattern", ["a b", "-a", "a-", "ä", "a/b", "a\n"], ["1", "A-b_c.9"]),
    # source
    rule(
        "spec.source",
        "exactly one of keys, match, list, urls and inline",
        [
            {},
            {"keys": ["a"], "match": {"prefix": "u/"}},
            {**INLINE["spec"]["source"], "keys": ["a"]},
            {**LIST["spec"]["source"], **URLS["spec"]["source"]},
        ],
        [{"keys": ["a"]}, {"match": {"prefix": "u/"}}]
        + [base["spec"]["source"] for base in (INLINE, LIST, URLS)],
    ),
    case("spec.source.keys", "minItems", [[]], [["a"]]),
    case("spec.source.keys", "maxItems", [["a"] * 1001], [["a"] * 1000, ["ü" * 512] * 1000]),
    *length("spec.source.keys[0]", 1, 512, letter="ü"),
    rule("spec.source.keys[0]", "'.' or '..' segment", DOTS, [*IN_JAIL, *ANY_KEY]),
    rule("spec.source.keys[0]", "NUL", NUL, ANY_KEY),
    rule("spec.source.keys[0]", "reserved for the operator", RESERVED_KEYS, NOT_RESERVED),
    required("spec.source.match.prefix", "uploads/", changed(MATCH, ("spec.source.match.include", ["*"]))),
    *length("spec.source.match.prefix", 1, 512, MATCH),
    rule("spec.source.match.prefix", "'.' or '..' segment", DOTS, [*IN_JAIL, *ANY_KEY], base=MATCH),
    rule("spec.source.match.prefix", "NUL", NUL, ANY_KEY, base=MATCH),
    rule(
        "spec.source.match.prefix",
        "reserved for the operator",
        RESERVED_STARTS,
        NOT_RESERVED,
        base=MATCH,
    ),
    case("spec.source.match.include", "maxItems", [["*"] * 17], [["*"] * 16, []], base=MATCH),
    *length("spec.source.match.include[0]", 1, 256, MATCH, "*"),
    case("spec.source.match.exclude", "maxItems", [["*"] * 17], [["*"] * 16, []], base=MATCH),
    *length("spec.source.match.exclude[0]", 1, 256, MATCH, "*"),
    *between("spec.source.match.maxItems", 1, 10000, MATCH),
    required("spec.source.list.key", "lists/a", LIST),
    *length("spec.source.list.key", 1, 512, LIST, "ü"),
    rule("spec.source.list.key", "'.' or '..' segment", DOTS, [*IN_JAIL, *ANY_KEY], base=LIST),
    rule("spec.source.list.key", "NUL", NUL, ANY_KEY, base=LIST),
    rule("spec.source.list.key", "reserved for the operator", RESERVED_KEYS, NOT_RESERVED, base=LIST),
    case("spec.source.urls", "minItems", [[]], [[{"url": LINK}]], base=URLS),
    case("spec.source.urls", "maxItems", [[{"url": LINK}] * 257], [[{"url": LINK}] * 256], base=URLS),
    required("spec.source.urls[0].url", LINK, URLS),
    case(
        "spec.source.urls[0].url",
        "maxLength",
        [LINK + "?" + "ü" * (2048 - len(LINK))],
        [LINK + "?" + "ü" * (2047 - len(LINK))],
        base=URLS,
    ),
    rule(
        "spec.source.urls[0].url",
        "url must be https://host/path or http://host/path",
        [
            "",
            "a.jpg",
            "//a.example/a.jpg",
            "ftp://a.example/a.jpg",
            "HTTPS://a.example/a.jpg",
            "https:///a.jpg",
            "https://me@a.example/a.jpg",
            "https://me:pw@a.example/a.jpg",
            "https://a.example\\@127.0.0.1/a.jpg",
            "https://a.example:/a.jpg",
            "https://a.example:123456/a.jpg",
            "https://ä.example/a.jpg",
            "https://[::1/a.jpg",
            "https://-a.example/a.jpg",
        ],
        [
            "http://a.example/a.jpg",
            "https://a.example:8443/b/a.jpg?x=y@z#f",
            "https://1.2.3.4/a.jpg",
            "https://[2606:4700::1111]/a.jpg",
            "https://a_b.example./ü/a.jpg",
        ],
        base=URLS,
    ),
    rule(
        "spec.source.urls[0].url",
        "url must not contain spaces",
        [f"https://a.example/{bad}a.jpg" for bad in (" ", "\n", "\x00", "\x7f", "\\")] + [LINK + "? "],
        ["https://a.example/a%20b.jpg", LINK + "?a=\\"],
        base=URLS,
    ),
    rule(
        "spec.source.urls[0].url",
        "must end with a file name",
        ["https://a.example" + end for end in ("", "/", "/a/", "/?a.jpg", "/#/a.jpg", "?/a.jpg")],
        ["https://a.example/a", "https://a.example//a.jpg", "https://a.example/a.jpg?b/"],
        base=URLS,
    ),
    case("spec.source.urls[0].sha256", "maxLength", ["a" * 65], ["a" * 64], base=URLS),
    case(
        "spec.source.urls[0].sha256",
        "pattern",
        ["a" * 63, "A" * 64, "g" * 64, "a" * 63 + "\n", ""],
        ["0123456789abcdef" * 4],
        base=URLS,
    ),
    *store_ref("spec.storeRef"),
    *store_ref("spec.destination.storeRef"),
    required("spec.source.urls[0].headersSecretRef.name", "a", URLS),
    *length("spec.source.urls[0].headersSecretRef.name", 1, 253, URLS),
    case(
        "spec.source.urls[0].headersSecretRef.name",
        "pattern",
        ["A", "-a", "a-", "a_b", "a/b", "../b", "a\n"],
        ["a", "a.b-c.9"],
        base=URLS,
    ),
    case("spec.source.inline", "minItems", [[]], [INLINE["spec"]["source"]["inline"]], base=INLINE),
    case(
        "spec.source.inline",
        "maxItems",
        [[{"name": f"{n}.png", "data": "QUJD"} for n in range(9)]],
        [[{"name": f"{n}.png", "data": "QUJD"} for n in range(8)]],
        base=INLINE,
    ),
    case(
        "spec.source.inline",
        "unique",
        [[{"name": "a.png", "data": "QUJD"}, {"name": "a.png", "data": "QUJE"}]],
        [[{"name": "a.png", "data": "QUJD"}, {"name": "b.png", "data": "QUJD"}]],
        base=INLINE,
        at="spec.source.inline[1]",
    ),
    required("spec.source.inline[0].name", "a.png", INLINE),
    required("spec.source.inline[0].data", "QUJD", INLINE),
    *length("spec.source.inline[0].name", 1, 128, INLINE),
    rule(
        "spec.source.inline[0].name",
        "must be a plain file name",
        ["/", "a/b.png", "a/", "/a", ".", ".."],
        ["...", ".a", "a.", "a.png"],
        base=INLINE,
    ),
    rule("spec.source.inline[0].name", "control characters", CONTROL, ["a b", "ä", "~"], base=INLINE),
    rule(
        "spec.source.inline[0].name",
        "reserved for the operator",
        [".imagejob", ".imagejob-staging"],
        [".imagejobs", "imagejob"],
        base=INLINE,
    ),
    case("spec.source.inline[0].data", "minLength", [""], ["QUJD"], base=INLINE),
    case("spec.source.inline[0].data", "maxLength", ["A" * 87388], ["A" * 87384], base=INLINE),
    case(
        "spec.source.inline[0].data",
        "pattern",
        ["ABC=D", "A===", "QU_-", "QUJD\n", "QUJD QUJD", "=QUJ", "===="],
        ["QUJD", "QUI=", "QQ==", "+/+/"],
        base=INLINE,
    ),
    rule(
        "spec.source.inline[0].data",
        "its length is not a multiple of 4",
        ["A", "AB", "ABC", "AB=", "QUJDQ==", "=", "=="],
        ["QUJD", "QUI=", "QQ=="],
        base=INLINE,
    ),
    # renditions
    case("spec.renditions", "minItems", [[]], [renditions(1)]),
    case("spec.renditions", "maxItems", [renditions(33)], [renditions(32)]),
    case(
        "spec.renditions",
        "unique",
        [[*renditions(1), {"name": "r0", "output": {"format": "PNG"}}]],
        [renditions(2)],
        at="spec.renditions[1]",
    ),
    required("spec.renditions[0].name", "web", KEYS),
    required("spec.renditions[0].output", {"format": "JPEG"}, KEYS),
    *length("spec.renditions[0].name", 1, 32),
    case(
        "spec.renditions[0].name",
        "pattern",
        ["Web", "-a", "a-", "a_b", "a.b", "ä", "a\n", "a/b"],
        ["0", "a-b", "w" + "-" * 30 + "w"],
    ),
    case(
        "spec.renditions[0].steps",
        "maxItems",
        [[{"rotate": {"degrees": 90}}] * 17],
        [[{"rotate": {"degrees": 90}}] * 16, []],
    ),
    *STEPS,
    rule(
        f"{STEP}.watermark",
        "exactly one of text and image",
        [{}, {"text": "x", "image": "brand/logo.png"}, {"tile": True}],
        [{"text": "x"}, {"image": "brand/logo.png"}],
    ),
    *length(f"{STEP}.watermark.image", 1, 512, LOGO, letter="ü"),
    rule(f"{STEP}.watermark.image", "'.' or '..' segment", DOTS, [*IN_JAIL, *ANY_KEY], base=LOGO),
    rule(f"{STEP}.watermark.image", "NUL", NUL, ANY_KEY, base=LOGO),
    rule(f"{STEP}.watermark.image", "reserved for the operator", RESERVED_KEYS, NOT_RESERVED, base=LOGO),
    *length(f"{STEP}.watermark.text", 1, 256, WATERMARK, "©"),
    case(
        f"{STEP}.watermark.gravity",
        "enum",
        ["southeast", "", "Centre"],
        ["NorthWest", "North", "NorthEast", "West", "Center", "East", "SouthWest", "South", "SouthEast"],
        base=WATERMARK,
    ),
    *between(f"{STEP}.watermark.opacityPercent", 1, 100, WATERMARK),
    *between(f"{STEP}.watermark.scalePercent", 1, 100, WATERMARK),
    *OUTPUTS,
    # destination
    *length("spec.destination.prefix", 0, 512),
    rule("spec.destination.prefix", "must be relative", OUT_OF_JAIL, [*IN_JAIL, "", "a/", "a/b/"]),
    rule("spec.destination.prefix", "control characters", CONTROL, NO_CONTROL),
    rule("spec.destination.prefix", "reserved for the operator", RESERVED_STARTS, ["", *NOT_RESERVED]),
    rule(
        "spec.destination",
        "must not start with spec.source.match.prefix",
        [{"prefix": "uploads/"}, {"prefix": "uploads/web/"}, {"keyTemplate": "uploads/{stem}.{ext}"}],
        [{"prefix": "upload/"}, {"prefix": "uploads-web/"}, {"prefix": "out/uploads/"}, {}],
        base=MATCH,
        at="spec.destination.prefix",
        constraint="spec",
    ),
    *length("spec.destination.keyTemplate", 1, 256),
    rule(
        "spec.destination.keyTemplate",
        "and no other braces",
        ["{title}", "{}", "{dir}{", "}", "{{stem}}", "{stem!r}", "{stem:>9}", "{stem.x}", "{Stem}", "{0}"],
        [
            "x",
            "{name}.{ext}",
            "{index}-{stem}.{ext}",
            "{dir}{stem}-{rendition}.{ext}",
            "{rendition}/{dir}{stem}.{ext}",
            "{ext}:!{stem}",
        ],
    ),
    rule(
        "spec.destination.keyTemplate",
        "must result in a relative key",
        [*OUT_OF_JAIL, "a/", "{dir}", "{dir}/{stem}", "x{dir}..", ".{dir}./{stem}", "{stem}/", "/{stem}"],
        [*IN_JAIL, "{dir}x", "{stem}/{rendition}.{ext}", "..{stem}"],
    ),
    rule("spec.destination.keyTemplate", "control characters", CONTROL, NO_CONTROL),
    rule("spec.destination.keyTemplate", "reserved for the operator", RESERVED, NOT_RESERVED),
    case("spec.destination.overwrite", "enum", ["always", ""], ["Always", "Never", "IfDifferent"]),
    *(
        found
        for field in ("cacheControl", "contentDisposition")
        for found in (
            *length(f"{HEADERS}.{field}", 1, 256),
            case(f"{HEADERS}.{field}", "pattern", [*NOT_A_HEADER, "x "], ["x", 'a b; c="d"', "~"]),
        )
    ),
    *length(f"{HEADERS}.storageClass", 0, 32, letter="X")[:1],
    case(f"{HEADERS}.storageClass", "pattern", ["", "standard", "A-B", "A\n"], ["STANDARD_IA", "G1"]),
    case(f"{HEADERS}.metadata", "maxProperties", [members(9)], [members(8), {}]),
    rule(
        f"{HEADERS}.metadata",
        "name must be 1 to 32 lowercase",
        [{name: "x"} for name in ("A", "a_b", "-a", "a-", "", "a b", "a" * 33)],
        [{name: "x"} for name in ("a", "a-b", "9", "a" * 32, "imagejobs")],
    ),
    rule(
        f"{HEADERS}.metadata",
        "reserved for the operator",
        [{"imagejob-run": "x"}],
        [{"my-imagejob-run": "x"}],
    ),
    *length(f"{HEADERS}.metadata{{owner}}", 1, 128),
    case(f"{HEADERS}.metadata{{owner}}", "pattern", [*NOT_A_HEADER, " x"], ["x", "a  b", "~"]),
    case(f"{HEADERS}.tags", "maxProperties", [members(11)], [members(10), {}]),
    rule(
        f"{HEADERS}.tags",
        "name must be 1 to 128 letters",
        [{name: "x"} for name in ("", "ä", "a,b", " a", "a ", "a" * 129)],
        [{name: "x"} for name in ("a", "a b", "+-=._:/@", "a" * 128)],
    ),
    rule(f"{HEADERS}.tags", "names with the prefix aws: are reserved", [{"aws:x": "y"}], [{"x:aws:": "y"}]),
    *length(f"{HEADERS}.tags{{team}}", 0, 256),
    case(f"{HEADERS}.tags{{team}}", "pattern", ["a,b", "ä", "a\n"], ["", "a b", "+-=._:/@"]),
    # staging
    case("spec.staging.mode", "enum", ["copy", ""], ["Copy", "Reference"]),
    rule(
        "spec.staging.mode",
        "Reference requires sources in the store",
        ["Reference"],
        ["Copy"],
        base=INLINE,
        constraint="spec",
    ),
    # execution
    *between("spec.execution.parallelism", 1, 100),
    *between("spec.execution.itemsPerPod", 1, 1000),
    *between("spec.execution.retriesPerShard", 0, 10),
    *between("spec.execution.stagingDeadlineSeconds", 1, 86400),
    *between("spec.execution.startDeadlineSeconds", 1, 86400),
    *between("spec.execution.queueDeadlineSeconds", 1, 604800),
    *length("spec.execution.queueName", 1, 63),
    case("spec.execution.queueName", "pattern", ["-a", "a-", "A", "a.b", "a b", "a\n"], ["a", "team-a"]),
    *between("spec.execution.activeDeadlineSeconds", 1, 604800),
    *(
        case(f"{POD}.resources.{kind}", "maxProperties", [members(17)], [members(16)])
        for kind in ("requests", "limits")
    ),
    *(
        case(
            f"{POD}.resources.{kind}{{cpu}}",
            "pattern",
            ["-1", "1 Gi", "1GiB", "", "much", "1Gi\n", "1e100", "1" * 20, "0." + "1" * 10],
            ["500m", "1.5", ".5", "2Gi", "1e3", 2, "1E-99", "9" * 18],
        )
        for kind in ("requests", "limits")
    ),
    case(f"{POD}.nodeSelector", "maxProperties", [members(33)], [members(32)]),
    *length(f"{POD}.nodeSelector{{zone}}", 0, 63),
    case(f"{POD}.tolerations", "maxItems", [[{"key": "a"}] * 33], [[{"key": "a"}] * 32]),
    case(f"{POD}.topologySpreadConstraints", "maxItems", [[{"maxSkew": 1}] * 9], [[{"maxSkew": 1}] * 8]),
    *length(f"{POD}.priorityClassName", 1, 253),
    *length(f"{POD}.runtimeClassName", 1, 253),
    *length(f"{POD}.schedulerName", 1, 253),
    *length(f"{POD}.serviceAccountName", 1, 253),
    case(
        f"{POD}.imagePullSecrets",
        "maxItems",
        [[{"name": f"s{n}"} for n in range(17)]],
        [[{"name": f"s{n}"} for n in range(16)]],
    ),
    case(
        f"{POD}.imagePullSecrets",
        "unique",
        [[{"name": "a"}, {"name": "a"}]],
        [[{"name": "a"}, {"name": "b"}]],
        at=f"{POD}.imagePullSecrets[1]",
    ),
    required(f"{POD}.imagePullSecrets[0].name", "a", KEYS),
    *length(f"{POD}.imagePullSecrets[0].name", 1, 253),
    *(
        item
        for field in ("labels", "annotations")
        for item in (
            case(f"{POD}.{field}", "maxProperties", [members(33)], [members(32)]),
            rule(
                f"{POD}.{field}",
                f"podTemplate.{field}: keys with the prefix imagejob.dev/",
                [
                    {"imagejob.dev/run": "1"},
                    {"kueue.x-k8s.io/queue-name": "a"},
                    {"app.kubernetes.io/managed-by": "me"},
                ],
                [{"app.kubernetes.io/name": "a", "imagejob.dev": "1", "example.com/imagejob.dev": "1"}],
            ),
        )
    ),
    *length(f"{POD}.labels{{tier}}", 0, 63),
    case(f"{POD}.labels{{tier}}", "pattern", ["a b", "-a", "a-", "ä", "a\n"], ["", "a", "A-b_c.9"]),
    *length(f"{POD}.annotations{{note}}", 0, 4096),
    # limits, failurePolicy, retention
    case(
        "spec.limits.itemSize",
        "pattern",
        ["0", "064Mi", "64MB", "1.5Mi", "64 Mi", "-1", "", "64Mi\n", "1Ti", "100Gi", "100000Mi"],
        ["1", "64Mi", "99Gi", "500Ki", "99999999999"],
    ),
    case("spec.limits.itemSize", "maxLength", ["1" * 12], ["1" * 11]),
    *between("spec.limits.pixels", 1, 1_000_000_000),
    *between("spec.limits.frames", 1, 10000),
    *between("spec.limits.itemTimeoutSeconds", 1, 3600),
    case("spec.failurePolicy.maxFailedItems", "minimum", [-1], [0, 10**9]),
    case(
        "spec.failurePolicy.maxFailedItems",
        "pattern",
        ["5", "101%", "-1%", "5.5%", "%", "5%\n", ""],
        ["0%", "5%", "99%", "100%"],
    ),
    *between("spec.retention.ttlSecondsAfterFinished", 0, 31_536_000),
    case("spec.retention.policy", "enum", ["compact", ""], ["Compact", "Delete"]),
    case("spec.retention.pods", "enum", ["onFailure", ""], ["OnFailure", "Always", "Never"]),
]

NOW = "2026-01-02T03:04:05Z"
CONDITION = {"type": "Ready", "status": "True", "reason": "Done", "message": "", "lastTransitionTime": NOW}
ERROR = {"code": "JOB_001", "reason": "InvalidSpec", "message": "m"}
FAILED_ITEM = {"item": "a.jpg", "code": "IMG_001"}
WITH_CONDITION = changed(KEYS, ("status.conditions", [CONDITION]))
WITH_ERROR = changed(KEYS, ("status.error", ERROR))
WITH_FAILURE = changed(KEYS, ("status.failures", [FAILED_ITEM]))
STORE = {"name": "media", "uid": "u", "location": "s3://media/"}
WITH_STORE = changed(KEYS, ("status.run.store", STORE))
PAST_RUN = {"id": "1", "number": 1, "phase": "Succeeded"}
WITH_HISTORY = changed(KEYS, ("status.history", [PAST_RUN]))
LONG_TIME = "2026-01-02T03:04:05." + "0" * 19 + "Z"


def moment(path: str, base: dict[str, Any] = KEYS) -> Case:
    """A timestamp has at most 40 characters."""
    return case(path, "maxLength", [LONG_TIME.replace("Z", "0Z")], [LONG_TIME, NOW], base=base)


STATUS: list[Case] = [
    *length("status.phase", 0, 32),
    moment("status.phaseSince"),
    *length("status.run.id", 0, 63),
    *length("status.run.uid", 0, 63),
    moment("status.run.startedAt"),
    moment("status.run.finishedAt"),
    *length("status.run.duration", 0, 32),
    *length("status.run.outcome", 0, 64),
    moment("status.run.queuedSince"),
    moment("status.run.releasedAt"),
    *(required(f"status.run.store.{field}", value, WITH_STORE) for field, value in STORE.items()),
    *length("status.run.store.name", 0, 253, WITH_STORE),
    *length("status.run.store.uid", 0, 64, WITH_STORE),
    *length("status.run.store.location", 0, 2048, WITH_STORE),
    *length("status.run.shards.attempts", 0, 16384),
    case(
        "status.conditions",
        "maxItems",
        [[{**CONDITION, "type": f"T{n}"} for n in range(17)]],
        [[{**CONDITION, "type": f"T{n}"} for n in range(16)]],
    ),
    case(
        "status.conditions",
        "unique",
        [[CONDITION, {**CONDITION, "status": "False", "reason": "Other"}]],
        [[CONDITION, {**CONDITION, "type": "Finished"}]],
        at="status.conditions[1]",
    ),
    *(required(f"status.conditions[0].{field}", value, WITH_CONDITION) for field, value in CONDITION.items()),
    *length("status.conditions[0].type", 0, 316, WITH_CONDITION),
    *length("status.conditions[0].status", 0, 16, WITH_CONDITION),
    *length("status.conditions[0].reason", 0, 64, WITH_CONDITION),
    *length("status.conditions[0].message", 0, 1024, WITH_CONDITION),
    moment("status.conditions[0].lastTransitionTime", WITH_CONDITION),
    *(required(f"status.error.{field}", value, WITH_ERROR) for field, value in ERROR.items()),
    *length("status.error.code", 0, 16, WITH_ERROR),
    *length("status.error.reason", 0, 64, WITH_ERROR),
    *length("status.error.message", 0, 1024, WITH_ERROR),
    *length("status.error.fault", 0, 16, WITH_ERROR),
    *length("status.error.runbook", 0, 512, WITH_ERROR),
    *length("status.progress", 0, 32),
    *length("status.staging.prefix", 0, 512),
    *length("status.report", 0, 512),
    case(
        "status.failures",
        "maxItems",
        [[{**FAILED_ITEM, "item": str(n)} for n in range(11)]],
        [[{**FAILED_ITEM, "item": str(n)} for n in range(10)]],
    ),
    *(required(f"status.failures[0].{field}", value, WITH_FAILURE) for field, value in FAILED_ITEM.items()),
    *length("status.failures[0].item", 0, 1024, WITH_FAILURE),
    *length("status.failures[0].code", 0, 16, WITH_FAILURE),
    *length("status.failures[0].message", 0, 300, WITH_FAILURE),
    case("status.history", "maxItems", [[PAST_RUN] * 6], [[PAST_RUN] * 5]),
    *length("status.history[0].id", 0, 63, WITH_HISTORY),
    *length("status.history[0].phase", 0, 32, WITH_HISTORY),
    *length("status.history[0].code", 0, 16, WITH_HISTORY),
    *length("status.history[0].reason", 0, 64, WITH_HISTORY),
    moment("status.history[0].startedAt", WITH_HISTORY),
    moment("status.history[0].finishedAt", WITH_HISTORY),
    *length("status.history[0].report", 0, 512, WITH_HISTORY),
]

CASES: list[Case] = [*SPEC, *STATUS]


@dataclass(frozen=True)
class Change:
    """An update of an existing object: from `old` to `new`, without a new run.id."""

    name: str
    old: tuple[tuple[str, Any], ...]
    new: tuple[tuple[str, Any], ...]
    base: dict[str, Any] = None  # type: ignore[assignment]

    def __str__(self) -> str:
        return self.name


def _change(path: str, old: Any, new: Any, base: dict[str, Any] = KEYS) -> Iterator[Change]:
    """A change of one value; where one of both is ABSENT a member is added and removed."""
    for kind, before, after in (("", old, new), (" back", new, old)):
        before_ = () if before is ABSENT else ((path, before),)
        after_ = () if after is ABSENT else ((path, after),)
        yield Change(f"{path}{kind}", before_, after_, base)


SPREAD = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}
NODE = {"nodeSelectorTerms": [{"matchFields": []}]}

NEEDS_NEW_RUN: list[Change] = [
    *_change("spec.source.keys", ["a"], ["a", "b"]),
    *_change("spec.source.keys", ["a", "b"], ["b", "a"]),
    *_change("spec.source", {"keys": ["a"]}, {"match": {"prefix": "a/"}}),
    *_change("spec.source.match.exclude", ABSENT, ["*"], MATCH),
    *_change("spec.source.match.maxItems", ABSENT, 5, MATCH),
    *_change("spec.source.inline[0].data", "QUJD", "QUJE", INLINE),
    *_change("spec.source.list.key", "lists/a", "lists/b", LIST),
    *_change("spec.source.urls[0].url", LINK, LINK + "?v=2", URLS),
    *_change("spec.source.urls[0].sha256", ABSENT, "a" * 64, URLS),
    *_change("spec.source.urls[0].headersSecretRef", ABSENT, {"name": "a"}, URLS),
    *_change("spec.renditions", renditions(1), renditions(2)),
    *_change("spec.renditions[0].output.quality", ABSENT, 80),
    *_change("spec.renditions[0].steps", ABSENT, [{"rotate": {"degrees": 90}}]),
    *_change(f"{STEP}.resize.height", ABSENT, 7, changed(KEYS, (STEP, {"resize": {"width": 1}}))),
    *_change("spec.destination", ABSENT, {"prefix": "out/"}),
    *_change("spec.destination.storeRef", ABSENT, {"name": "media"}),
    *_change("spec.storeRef", ABSENT, {"name": "media"}),
    *_change("spec.storeRef.name", "a", "b"),
    *_change("spec.destination.keyTemplate", ABSENT, "{dir}{stem}.{ext}"),
    *_change("spec.staging", ABSENT, {"mode": "Reference"}),
    *_change("spec.limits.itemSize", ABSENT, "1Mi"),
    *_change("spec.failurePolicy.maxFailedItems", 5, "5%"),
    *_change("spec.execution.itemsPerPod", ABSENT, 5),
    *_change("spec.execution.itemsPerPod", 5, 6),
    *_change("spec.execution.retriesPerShard", ABSENT, 3),
    *_change("spec.execution.stagingDeadlineSeconds", ABSENT, 60),
    *_change("spec.execution.startDeadlineSeconds", ABSENT, 60),
    *_change("spec.execution.queueDeadlineSeconds", ABSENT, 60),
    *_change("spec.execution.queueName", ABSENT, "a"),
    *_change("spec.execution.queueName", "a", "b"),
    *_change("spec.execution.activeDeadlineSeconds", ABSENT, 60),
    *_change(f"{POD}.labels", ABSENT, {"a": "b"}),
    *_change(f"{POD}.labels{{a}}", "b", "c"),
    *_change(f"{POD}.resources.requests{{cpu}}", "1", "2"),
    *_change(f"{POD}.tolerations", [{"key": "a"}], [{"key": "b"}]),
    *_change(f"{POD}.affinity", ABSENT, {"nodeAffinity": {}}),
    *_change(f"{POD}.affinity.nodeAffinity", {}, {"requiredDuringSchedulingIgnoredDuringExecution": NODE}),
    *_change(f"{POD}.topologySpreadConstraints", [SPREAD], [{**SPREAD, "minDomains": 2}]),
]
"""Each is rejected, and accepted together with a new run.id."""

CLASS_STAYS = "spec.class is immutable"

NEVER: list[Change] = [
    *_change("spec.class", ABSENT, "a"),
    *_change("spec.class", "a", "b"),
]
"""Each is rejected, even with a new run.id."""

FREE: list[Change] = [
    *_change("spec.run.id", ABSENT, "2"),
    *_change("spec.run", ABSENT, {"mode": "Run", "items": "All"}),
    *_change("spec.run.items", ABSENT, "Failed"),
    *_change("spec.cancelRunID", ABSENT, "1"),
    *_change("spec.cancelRunID", "1", "2"),
    *_change("spec.suspend", ABSENT, True),
    *_change("spec.retention", ABSENT, {"ttlSecondsAfterFinished": 5, "policy": "Delete", "pods": "Never"}),
    *_change("spec.execution.parallelism", ABSENT, 9),
    *_change("spec.destination.overwrite", ABSENT, "Always"),
    *_change("spec.execution", ABSENT, {}),
    *_change("spec.renditions", renditions(2), renditions(2)[::-1]),
]
"""Each is accepted without a new run.id: the field is mutable, or its value stays the same."""
