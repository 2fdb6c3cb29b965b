"""Properties of both engines: the output is upright and of the planned size."""

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image

from imagejob_contract.order import EngineName
from imagejob_contract.output import FORMATS, Format, Metadata, Output
from imagejob_contract.recipe import Fit, Rendition, Resample
from imagejob_contract.result import ItemCode
from imagejob_processor.errors import ItemFailure
from imagejob_processor.limits import MAX_SIDES
from imagejob_processor.pixels.resampling import Engine, load_engine
from imagejob_processor.steps import resize
from unit.processor.images import difference, file, make, opened, photo, resized
from unit.processor.test_pipeline import STORED, oriented

ENGINES = [load_engine(name) for name in EngineName]
LIKELY = [Format.JPEG, Format.PNG, Format.WEBP]
sides = st.integers(1, 90)
GPS = ExifTags.IFD.GPSInfo


@pytest.fixture(params=ENGINES, ids=lambda engine: engine.name)
def engine(request: pytest.FixtureRequest) -> Engine:
    found: Engine = request.param
    return found


def way(form: Format, *steps: object, **output: object) -> Rendition:
    return Rendition("out", Output(form, **output), tuple(steps))


def test_both_engines_are_here():
    assert [engine.name for engine in ENGINES] == list(EngineName)


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("form", [Format.JPEG, Format.PNG])
@pytest.mark.parametrize("origin", ["JPEG", "PNG"])
@pytest.mark.parametrize("step", [resized(100, 100), resized(63, 41, Fit.COVER)], ids=["inside", "cover"])
def test_all_orientations_are_equal(engine, orientation, form, origin, step):
    options = {"quality": 97} if origin == "JPEG" else {}
    upright, turned = (
        opened(
            make(data, way(form, step, quality=97 if form is not Format.PNG else None), engine=engine)["out"]
        )
        for data in (file(photo(), "PNG"), oriented(orientation, origin, photo(), **options))
    )
    assert difference(turned, upright) < 3


@settings(max_examples=60)
@given(
    number=st.sampled_from(range(len(ENGINES))),
    origin=st.sampled_from(["JPEG", "PNG"]),
    form=st.sampled_from(LIKELY),
    size=st.tuples(sides, sides),
    box=st.tuples(sides, sides),
    fit=st.sampled_from(Fit),
    how=st.sampled_from(Resample),
)
def test_sizes_are_the_planned_ones(number, origin, form, size, box, fit, how):
    step = resized(*box, fit, how)
    assert step.resize is not None
    made = make(file(photo(*size), origin), way(form, step), engine=ENGINES[number])["out"]
    assert opened(made).size == resize.size_after(step.resize, size)


@settings(max_examples=40)
@given(
    number=st.sampled_from(range(len(ENGINES))),
    form=st.sampled_from(LIKELY),
    size=st.tuples(sides, sides),
    box=st.tuples(sides, sides),
)
def test_what_is_small_enough_stays_as_it_is(number, form, size, box):
    """Idempotence: the steps of a rendition do not change the rendition, except for lossy encoding."""
    engine, best = ENGINES[number], None if form is Format.PNG else 97
    once = make(file(photo(*size)), way(form, resized(*box), quality=best), engine=engine)["out"]
    twice = make(once.data, way(form, resized(*box), quality=best), engine=engine)["out"]
    assert (twice.width, twice.height) == (once.width, once.height)
    pair = opened(twice).convert("L"), opened(once).convert("L")
    assert difference(*pair) <= (0 if form is Format.PNG else 5)


@settings(max_examples=60)
@given(
    number=st.sampled_from(range(len(ENGINES))),
    tags=st.sets(st.sampled_from([1, 3, 29])),
    origin=st.sampled_from(["JPEG", "WEBP", "PNG"]),
    form=st.sampled_from(LIKELY),
    metadata=st.sampled_from([Metadata.STRIP, Metadata.KEEP_COPYRIGHT]),
)
def test_no_place_is_in_any_output(number, tags, origin, form, metadata):
    exif = Image.Exif()
    exif[ExifTags.Base.Copyright] = "c"
    exif.get_ifd(GPS).update(dict.fromkeys({*tags, 29}, "SECRETPLACE"))
    data = file(photo(40, 30), origin, exif=exif)
    assert b"SECRETPLACE" in data
    made = make(data, way(form, resized(20, 20), metadata=metadata), engine=ENGINES[number])["out"]
    assert b"SECRETPLACE" not in made.data
    assert GPS not in Image.open(io.BytesIO(made.data)).getexif()


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("origin", ["JPEG", "PNG"])
@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1)], ids=str)
def test_the_least_and_the_thinnest(engine, form, origin, size):
    data = file(Image.new("RGB", size, "#806020"), origin)
    for step, expected in (
        (resized(100, 100), (min(size[0], 100), min(size[1], 100))),
        (resized(10, 10, Fit.COVER), (10, 10)),
        (resized(1, 1, Fit.FILL), (1, 1)),
    ):
        made = make(data, way(form, step), engine=engine)["out"]
        assert (made.width, made.height) == expected
        assert difference(opened(made), Image.new("RGB", expected, "#806020")) < 8


@pytest.mark.parametrize("form", [Format.JPEG, Format.WEBP, Format.AVIF])
def test_the_largest_side_that_a_format_holds(engine, form):
    most = MAX_SIDES[form]
    data = file(Image.new("RGB", (most + 1, 2)))
    edge = make(data, way(form, resized(most, 2, Fit.FILL)), engine=engine)["out"]
    assert (edge.width, edge.height) == (most, 2)
    with pytest.raises(ItemFailure) as refused:
        make(data, way(form), engine=engine)
    assert refused.value.code is ItemCode.OUTPUT_TOO_LARGE
    if form is Format.JPEG:
        same = make(edge.data, way(form, resized(most, 2, Fit.FILL)), engine=engine)["out"]
        assert opened(same).size == (most, 2)


def test_planted_a_sideways_picture_is_seen(engine):
    sideways = file(photo(200, 200).transpose(STORED[6]), "JPEG", quality=97)
    upright = file(photo(200, 200), "JPEG", quality=97)
    one, other = (
        make(data, way(Format.JPEG, resized(90, 90)), engine=engine) for data in (sideways, upright)
    )
    assert difference(opened(one["out"]), opened(other["out"])) > 20
