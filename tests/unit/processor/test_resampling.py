"""Resampling engines: the same pixels, and the fallback to Pillow."""

import resource
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from imagejob_contract.order import EngineName
from imagejob_contract.recipe import Resample
from imagejob_processor.pixels import resampling as engines
from imagejob_processor.pixels.resampling import PILLOW, load_engine
from unit.processor.images import photo

SIMD = load_engine(EngineName.SIMD)
MODES = ("L", "LA", "RGB", "RGBA", "CMYK", "LAB")
edges = st.floats(0, 0.4)


def picture(mode: str) -> Image.Image:
    if mode == "LAB":
        return Image.merge("LAB", photo(90, 70).split())
    image = photo(90, 70).convert(mode)
    if mode in ("LA", "RGBA"):
        image.putalpha(photo(90, 70).getchannel(0))
    return image


def test_the_simd_engine_is_here_and_works():
    assert SIMD.name is EngineName.SIMD


@given(
    mode=st.sampled_from(MODES),
    size=st.tuples(st.integers(1, 200), st.integers(1, 200)),
    corner=st.tuples(edges, edges, edges, edges),
)
def test_both_engines_make_the_same_pixels(mode, size, corner):
    image = picture(mode)
    left, top, right, bottom = corner
    box = (left * 90, top * 70, 90 - right * 90, 70 - bottom * 70)
    one, other = (engine.resample(image, box, size, Resample.BEST) for engine in (SIMD, PILLOW))
    assert one.size == other.size == size
    assert one.mode == other.mode == mode
    # With opacity, colours are rounded once more before and once after.
    assert np.abs(seen(one) - seen(other)).max() <= (5 if mode == "RGBA" else 2)


def seen(image: Image.Image) -> np.ndarray:
    """The samples with premultiplied alpha."""
    samples = np.asarray(image, dtype=float)
    if image.mode == "RGBA":
        samples = np.dstack([samples[..., :3] * samples[..., 3:] / 255, samples[..., 3]])
    return samples


@pytest.mark.parametrize("engine", [PILLOW, SIMD], ids=lambda engine: engine.name)
@pytest.mark.parametrize("mode", MODES)
def test_the_source_stays_as_it_is(engine, mode):
    image = picture(mode)
    before = image.tobytes()
    engine.resample(image, (0, 0, 90, 70), (20, 20), Resample.BALANCED)
    assert (image.mode, image.tobytes()) == (mode, before)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "CMYK"])
@pytest.mark.parametrize(
    ("size", "target"),
    [
        ((1, 1), (1, 1)),
        ((1, 1), (500, 3)),
        ((65535, 1), (200, 1)),
        ((1, 65535), (1, 7)),
        ((300_000, 2), (90, 1)),
        ((2, 300_000), (1, 90)),
    ],
)
def test_the_ends_of_what_can_be(mode, size, target):
    made = SIMD.resample(Image.new(mode, size, "white"), (0.0, 0.0, *size), target, Resample.BALANCED)
    white = Image.new(mode, (1, 1), "white").getpixel((0, 0))
    assert made.getpixel((target[0] - 1, target[1] - 1)) == white


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda self, image, box, size, how: image.resize(size, 0, box), id="another filter"),
        pytest.param(lambda self, image, box, size, how: 1 / 0, id="an error of its own"),
    ],
)
def test_an_engine_that_does_not_work_here_is_not_used(monkeypatch, spoil):
    def raising(*arguments):
        try:
            return spoil(*arguments)
        except ZeroDivisionError:
            raise RuntimeError("no such layout") from None

    monkeypatch.setattr(engines.Simd, "resample", raising)
    engines._simd.cache_clear()
    try:
        assert load_engine(EngineName.SIMD) is PILLOW
    finally:
        engines._simd.cache_clear()


def test_without_its_library_pillow_does_the_work(monkeypatch):
    monkeypatch.setitem(sys.modules, "cykooz_resizer", None)
    engines._simd.cache_clear()
    try:
        assert load_engine(EngineName.SIMD) is PILLOW
    finally:
        engines._simd.cache_clear()


def test_too_little_memory_is_an_error_and_not_the_end():
    code = """
import resource
from PIL import Image
from imagejob_contract.order import EngineName
from imagejob_contract.recipe import Resample
from imagejob_processor.pixels.resampling import load_engine
engine, image = load_engine(EngineName.SIMD), Image.new("RGB", (16, 8000))
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (64 << 20),) * 2)
try:
    engine.resample(image, (0, 0, 16, 8000), (3000, 8000), Resample.BEST)
except MemoryError:
    print("caught")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "caught"), done.stderr
    assert resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY
