"""Every depth, colour type and kind of transparency, compared with values computed here."""

from __future__ import annotations

import dataclasses
import itertools
import random
import struct
from collections.abc import Callable, Iterator, Sequence

import pytest

from imagejob_contract.output import Animation, Format, Output
from imagejob_contract.recipe import Rendition
from imagejob_contract.result import ItemCode
from imagejob_processor.errors import ItemFailure
from imagejob_processor.headers import png_chunks, tiff_tags
from imagejob_processor.headers.header import Samples
from imagejob_processor.pixels import sample_depth
from imagejob_processor.pixels.resampling import PILLOW, Engine, Simd
from unit.processor.handmade import Rows, bmp, chunk, png, tiff_of
from unit.processor.images import make, opened, rendition, resized

WIDTH, HEIGHT = 9, 3
Pixel = tuple[int, int, int, int]


@dataclasses.dataclass(frozen=True)
class Case:
    """A file, and what it shows: pixels with alpha, row by row."""

    name: str
    data: bytes
    right: tuple[Pixel, ...]
    tolerance: int = 0


def nearest(sample: int, bits: int) -> int:
    most = (1 << bits) - 1
    return (510 * sample + most) // (2 * most)


def rows_of(bits: int, count: int, seed: int = 1) -> list[list[tuple[int, ...]]]:
    """Pixels that include the darkest, the lightest, and samples whose upper byte is not the nearest."""
    some = random.Random(f"{bits} {count} {seed}")
    most = (1 << bits) - 1
    pixels = [(0,) * count, (most,) * count, tuple(some.randrange(most + 1) for _ in range(count))]
    if bits == 16:
        pixels += [(0x00FF,) * count, (0xFF00,) * count, (0x4000,) * count, (0x8000,) * count]
    while len(pixels) < WIDTH * HEIGHT:
        pixels.append(tuple(some.randrange(most + 1) for _ in range(count)))
    return [pixels[row * WIDTH : (row + 1) * WIDTH] for row in range(HEIGHT)]


def shown(rows: Rows, look: Callable[[Sequence[int]], Sequence[int]]) -> tuple[Pixel, ...]:
    """What pixels look like: grey or RGB, with or without alpha."""
    found = []
    for pixel in itertools.chain(*rows):
        values = list(look(pixel))
        alpha = values.pop() if len(values) in (2, 4) else 255
        red, green, blue = values * 3 if len(values) == 1 else values
        found.append((red, green, blue, alpha))
    return tuple(found)


PALETTE = [(index, 255 - index, index * 37 % 256) for index in range(256)]
GREY, RGB, INDEXED, GREY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6
PNG_LAYOUTS = {
    GREY: (1, 2, 4, 8, 16),
    RGB: (8, 16),
    INDEXED: (1, 2, 4, 8),
    GREY_ALPHA: (8, 16),
    RGB_ALPHA: (8, 16),
}
COUNTS = {GREY: 1, RGB: 3, INDEXED: 1, GREY_ALPHA: 2, RGB_ALPHA: 4}


def png_cases() -> Iterator[Case]:
    for colour, depths in PNG_LAYOUTS.items():
        for bits in depths:
            rows = rows_of(bits, COUNTS[colour])
            name = f"PNG colour type {colour}, {bits} bits"
            if colour == INDEXED:
                yield from indexed_cases(name, rows, bits)
                continue
            right = shown(rows, lambda pixel, bits=bits: [nearest(sample, bits) for sample in pixel])
            yield Case(name, png(rows, bits, colour), right)
            yield Case(f"{name}, interlaced", png(rows, bits, colour, interlaced=True), right)
            if colour in (GREY, RGB):
                for clear in (rows[0][0], rows[0][1], rows[0][2], rows[2][3]):
                    yield transparent_case(name, rows, bits, colour, clear)
                near = (rows[0][2][0] ^ 1, *rows[0][2][1:])
                yield transparent_case(f"{name}, one bit away", rows, bits, colour, near)
                if bits < 16:
                    high = tuple(sample + (1 << bits) for sample in rows[0][2])
                    yield transparent_case(f"{name}, bits beyond the depth", rows, bits, colour, high)


def transparent_case(name: str, rows: Rows, bits: int, colour: int, clear: Sequence[int]) -> Case:
    key = tuple(sample % (1 << bits) for sample in clear)
    right = shown(
        rows, lambda pixel: [*(nearest(each, bits) for each in pixel), 0 if tuple(pixel) == key else 255]
    )
    chunk_of = chunk(b"tRNS", struct.pack(f">{len(clear)}H", *clear))
    return Case(f"{name}, clear {tuple(clear)}", png(rows, bits, colour, chunk_of), right)


def indexed_cases(name: str, rows: Rows, bits: int) -> Iterator[Case]:
    table = chunk(b"PLTE", b"".join(bytes(entry) for entry in PALETTE[: 1 << bits]))
    for alphas in ((), (0,), (255, 0), (10, 200), tuple(255 - index for index in range(1 << bits))):
        opacity = [*alphas, *[255] * (256 - len(alphas))]
        right = shown(rows, lambda pixel, opacity=opacity: [*PALETTE[pixel[0]], opacity[pixel[0]]])
        extra = [table, chunk(b"tRNS", bytes(alphas))] if alphas else [table]
        yield Case(f"{name}, alphas {alphas[:3]}", png(rows, bits, INDEXED, *extra), right)


WHITE_IS_ZERO, BLACK_IS_ZERO, TIFF_RGB, TIFF_PALETTE, CMYK, YCBCR = 0, 1, 2, 3, 5, 6
IGNORED, PREMULTIPLIED, ALPHA = 0, 1, 2
EXTRAS = (
    (),
    (IGNORED,),
    (PREMULTIPLIED,),
    (ALPHA,),
    (ALPHA, IGNORED),
    (IGNORED, ALPHA),
    (ALPHA, IGNORED, IGNORED),
)
TIFF_COUNTS = {WHITE_IS_ZERO: 1, BLACK_IS_ZERO: 1, TIFF_RGB: 3, TIFF_PALETTE: 1, CMYK: 4, YCBCR: 3}


def tiff_cases() -> Iterator[Case]:
    """Each combination, also of those that have to be refused."""
    for photometric, count in TIFF_COUNTS.items():
        for bits, extra in itertools.product((1, 2, 4, 8, 12, 16), EXTRAS):
            rows = rows_of(bits, count + len(extra))
            if PREMULTIPLIED in extra:
                rows = [[premultiplied(pixel, count) for pixel in row] for row in rows]
            look = tiff_look(photometric, bits, extra)
            tags: dict[int, Sequence[int]] = {338: extra} if extra else {}
            if photometric == TIFF_PALETTE:
                tags[320] = [entry[band] * 257 for band in range(3) for entry in PALETTE[: 1 << bits]]
            if photometric == YCBCR:
                tags[530] = [1, 1]
            tolerance = 1 if photometric in (CMYK, YCBCR) else 0
            if PREMULTIPLIED in extra:
                # The division by alpha starts from 8 bits.
                tolerance = 1 if bits == 8 else 2
            if photometric == TIFF_PALETTE and bits > 8:
                continue
            for order, deflate, planes in itertools.product("<>", (False, True), (False, True)):
                if planes and len(rows[0][0]) == 1:
                    continue
                name = (
                    f"TIFF photometric {photometric}, {bits} bits, extra {extra}, {order}, "
                    f"{'Deflate' if deflate else 'raw'}, {'planes' if planes else 'pixels'}"
                )
                data = tiff_of(
                    rows, bits, photometric, order=order, deflate=deflate, planes=planes, tags=tags
                )
                yield Case(name, data, shown(rows, look), tolerance)


def premultiplied(pixel: Sequence[int], count: int) -> tuple[int, ...]:
    alpha = pixel[count]
    return (*(min(sample, alpha) for sample in pixel[:count]), *pixel[count:])


def tiff_look(photometric: int, bits: int, extra: Sequence[int]) -> Callable[[Sequence[int]], list[int]]:
    def look(pixel: Sequence[int]) -> list[int]:
        count = TIFF_COUNTS[photometric]
        values = [nearest(sample, bits) for sample in pixel]
        colour, rest = values[:count], values[count:]
        if photometric == WHITE_IS_ZERO:
            colour = [nearest((1 << bits) - 1 - pixel[0], bits)]
        elif photometric == TIFF_PALETTE:
            colour = list(PALETTE[pixel[0]])
        elif photometric == CMYK:
            colour = [round((255 - ink) * (255 - colour[3]) / 255) for ink in colour[:3]]
        elif photometric == YCBCR:
            luma, cb, cr = colour[0], colour[1] - 128, colour[2] - 128
            exact = (luma + 1.402 * cr, luma - 0.344136 * cb - 0.714136 * cr, luma + 1.772 * cb)
            colour = [min(max(round(value), 0), 255) for value in exact]
        if not extra or extra[0] == IGNORED:
            return colour
        if extra[0] == PREMULTIPLIED and photometric in (BLACK_IS_ZERO, TIFF_RGB):
            alpha = pixel[count]
            colour = [round(255 * sample / alpha) if alpha else 0 for sample in pixel[:count]]
        return [*colour, rest[0]]

    return look


# What must not be refused: photometric, bits, extra samples.
SUPPORTED = (
    *((photometric, bits, ()) for photometric in (0, 1) for bits in (1, 2, 4, 8, 12, 16)),
    *((BLACK_IS_ZERO, 8, (kind,)) for kind in (IGNORED, PREMULTIPLIED, ALPHA)),
    *((TIFF_RGB, bits, extra) for bits in (8, 16) for extra in EXTRAS[:4]),
    *((TIFF_RGB, 8, extra) for extra in (EXTRAS[4], EXTRAS[6])),
    *((TIFF_PALETTE, bits, ()) for bits in (1, 2, 4, 8)),
    *((CMYK, bits, ()) for bits in (8, 16)),
    (YCBCR, 8, ()),
)


def bmp_cases() -> Iterator[Case]:
    for bits in (1, 4, 8):
        rows = rows_of(bits, 1)
        right = shown(rows, lambda pixel: PALETTE[pixel[0]])
        yield Case(f"BMP {bits} bits", bmp(rows, bits, palette=PALETTE[: 1 << bits]), right)
    for name, bits, masks in (
        ("555", 16, ()),
        ("565", 16, (0xF800, 0x07E0, 0x001F, 0)),
        ("24", 24, ()),
        ("32 without alpha", 32, ()),
        ("32 with alpha", 32, (0xFF0000, 0xFF00, 0xFF, 0xFF000000)),
    ):
        fields = (
            masks
            or {16: (0x7C00, 0x03E0, 0x1F), 24: (0xFF0000, 0xFF00, 0xFF), 32: (0xFF0000, 0xFF00, 0xFF)}[bits]
        )
        rows = [
            [(b << 16 | a,) if bits == 32 else ((b << 16 | a) & ((1 << bits) - 1),) for a, b in row]
            for row in rows_of(16, 2)
        ]

        def look(pixel: Sequence[int], fields: Sequence[int] = fields) -> list[int]:
            widths = [(mask & -mask).bit_length() - 1 for mask in fields if mask]
            masks_of = [mask for mask in fields if mask]
            return [
                nearest((pixel[0] & mask) >> shift, (mask >> shift).bit_length())
                for mask, shift in zip(masks_of, widths, strict=True)
            ]

        yield Case(f"BMP {name}", bmp(rows, bits, masks=masks), shown(rows, look), 1)


def seen(data: bytes, engine: Engine = PILLOW) -> tuple[Pixel, ...]:
    image = opened(make(data, rendition(form=Format.PNG), engine=engine)["out"]).convert("RGBA")
    raw = image.tobytes()
    return tuple((raw[at], raw[at + 1], raw[at + 2], raw[at + 3]) for at in range(0, len(raw), 4))


def differs(found: Sequence[Pixel], case: Case) -> bool:
    """Whether a picture looks different; what is clear has no colour, and what is nearly clear hardly one."""
    return any(
        one[3] != other[3]
        or any(abs(a - b) * one[3] > 255 * case.tolerance for a, b in zip(one[:3], other[:3], strict=True))
        for one, other in zip(found, case.right, strict=True)
    )


def wrong(cases: Iterator[Case], *, refusals: bool = False) -> Iterator[str]:
    """The names of the files that come out wrong; files may be refused by name if `refusals`."""
    for case in cases:
        try:
            if differs(seen(case.data), case):
                yield case.name
        except ItemFailure as failure:
            named = failure.code is ItemCode.UNSUPPORTED_FORMAT and failure.message.startswith("TIFF with ")
            if not (refusals and named):
                yield f"{case.name}: {failure.message}"


def test_png_of_every_depth_and_transparency():
    assert list(wrong(png_cases())) == []


def test_bmp_of_every_depth():
    assert list(wrong(bmp_cases())) == []


def test_tiff_is_right_or_refused_by_name():
    assert list(wrong(tiff_cases(), refusals=True)) == []


def test_tiff_layouts_that_are_usual_are_not_refused():
    names = [f"TIFF photometric {p}, {bits} bits, extra {extra}, " for p, bits, extra in SUPPORTED]
    usual = [
        case for case in tiff_cases() if case.name.startswith(tuple(names)) and "planes" not in case.name
    ]
    assert len(usual) == 4 * len(SUPPORTED)
    assert list(wrong(iter(usual))) == []


def test_frames_of_16_bits_have_their_transparent_colour():
    rows = rows_of(16, 3)
    key = chunk(b"tRNS", struct.pack(">3H", *rows[0][2]))
    still = png(rows, 16, RGB, chunk(b"acTL", struct.pack(">II", 2, 0)), control(0), key)
    other = png(rows[::-1], 16, RGB)
    second = control(1) + chunk(b"fdAT", struct.pack(">I", 2) + other[other.index(b"IDAT") + 4 : -16])
    animated = still[:-12] + second + still[-12:]
    way = Rendition(name="out", output=Output(format=Format.PNG, animation=Animation.ALL), steps=())
    image = opened(make(animated, way)["out"])
    for number, shown_rows in enumerate((rows, rows[::-1])):
        image.seek(number)
        right = transparent_case("", shown_rows, 16, RGB, rows[0][2]).right
        assert image.convert("RGBA").getchannel("A").tobytes() == bytes(pixel[3] for pixel in right)


def control(number: int) -> bytes:
    return chunk(b"fcTL", struct.pack(">IIIIIHHBB", number, WIDTH, HEIGHT, 0, 0, 1, 10, number, 0))


def flat_cases() -> Iterator[Case]:
    """One colour all over, so that resizing does not change it."""
    for colour, depths in PNG_LAYOUTS.items():
        for bits in depths:
            pixel = rows_of(bits, COUNTS[colour])[0][2]
            rows = [[pixel] * 40] * 30
            if colour == INDEXED:
                continue
            right = shown([[pixel]], lambda pixel, bits=bits: [nearest(sample, bits) for sample in pixel])
            yield Case(f"PNG colour type {colour}, {bits} bits", png(rows, bits, colour), right, 1)
            if colour in (GREY, RGB):
                key = chunk(b"tRNS", struct.pack(f">{len(pixel)}H", *pixel))
                yield Case(
                    f"clear colour type {colour}, {bits} bits",
                    png(rows, bits, colour, key),
                    ((0, 0, 0, 0),),
                    1,
                )
    for photometric, bits, extra in SUPPORTED:
        if photometric in (TIFF_PALETTE, YCBCR):
            continue
        pixel = premultiplied((*rows_of(bits, 4)[0][2], 9, 9), 5)[: TIFF_COUNTS[photometric] + len(extra)]
        if PREMULTIPLIED in extra:
            pixel = premultiplied(pixel, TIFF_COUNTS[photometric])
        data = tiff_of([[pixel] * 40] * 30, bits, photometric, tags={338: extra} if extra else {})
        yield Case(
            f"TIFF photometric {photometric}, {bits} bits, extra {extra}",
            data,
            shown([[pixel]], tiff_look(photometric, bits, extra)),
            2,
        )


@pytest.mark.parametrize("engine", [PILLOW, Simd()], ids=["Pillow", "Simd"])
def test_resized_pictures_of_one_colour_keep_it(engine):
    """Both engines; a mistake of one sample in 16 bits is not seen here, one of the depth is."""
    found = []
    for case in flat_cases():
        image = opened(make(case.data, rendition(resized(7, 7)), engine=engine)["out"]).convert("RGBA")
        pixels = tuple(image.get_flattened_data())
        if differs(pixels, dataclasses.replace(case, right=case.right * len(pixels))):
            found.append((case.name, pixels[0], case.right[0]))
    assert found == []


# --- planted bugs: each is one that was, or that could come back ---


def planted(monkeypatch: pytest.MonkeyPatch, bug: str) -> None:
    if bug == "the upper byte instead of the nearest value":
        monkeypatch.setattr(sample_depth, "_nearest", lambda upper, lower: upper)
    elif bug == "the key of a 16-bit colour compared by its upper bytes":
        own = sample_depth._differs
        monkeypatch.setattr(
            sample_depth, "_differs", lambda u, _, c: own(u, u, tuple(v >> 8 << 8 | v >> 8 for v in c))
        )
    elif bug == "the key of few bits not scaled":
        monkeypatch.setattr(
            png_chunks, "_clear_colour", lambda c, *_: struct.unpack(f">{len(c.content) // 2}H", c.content)
        )
    elif bug == "white is black":
        monkeypatch.setattr(tiff_tags, "Samples", lambda *_: Samples())
    elif bug == "planes read as pixels":
        monkeypatch.setattr(tiff_tags, "_planes_are_right", lambda *_, **__: True)
    elif bug == "extra samples of every kind accepted":
        monkeypatch.setattr(tiff_tags, "_extra_is_right", lambda *_: True)


@pytest.mark.parametrize(
    ("bug", "cases"),
    [
        ("the upper byte instead of the nearest value", png_cases),
        ("the upper byte instead of the nearest value", tiff_cases),
        ("the key of a 16-bit colour compared by its upper bytes", png_cases),
        ("the key of few bits not scaled", png_cases),
        ("white is black", tiff_cases),
        ("planes read as pixels", tiff_cases),
        ("extra samples of every kind accepted", tiff_cases),
    ],
)
def test_planted_bugs_are_found(monkeypatch, bug, cases):
    planted(monkeypatch, bug)
    assert next(wrong(cases(), refusals=True), None)
