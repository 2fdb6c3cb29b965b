"""The plan: sizes, branches and drafts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagejob_contract.output import Format
from imagejob_contract.recipe import Crop, Fit, Resample, Resize, Rotate, Step, Watermark
from imagejob_contract.result import ItemCode
from imagejob_processor.errors import ItemFailure
from imagejob_processor.rendering.plan import make_plan
from imagejob_processor.steps.resize import place
from unit.processor.images import rendition, resized

MOST = 50_000_000
FAST = Resample.FAST
sides = st.integers(1, 16384)
sizes = st.tuples(st.integers(1, 65535), st.integers(1, 65535))
targets = st.tuples(sides, sides)


def shape(size):
    return size[0] / size[1]


@given(size=sizes, target=targets)
def test_inside_never_enlarges_nor_leaves_the_box(size, target):
    width, height = place(Resize(width=target[0], height=target[1], fit=Fit.INSIDE), size).canvas
    assert 1 <= width <= min(size[0], target[0])
    assert 1 <= height <= min(size[1], target[1])
    assert size == (width, height) or width == target[0] or height == target[1]


@given(size=sizes, target=targets)
def test_outside_covers_the_box_and_touches_it(size, target):
    width, height = place(Resize(width=target[0], height=target[1], fit=Fit.OUTSIDE), size).canvas
    assert width >= target[0]
    assert height >= target[1]
    assert width == target[0] or height == target[1]


@given(size=sizes, target=targets, fit=st.sampled_from([Fit.INSIDE, Fit.OUTSIDE, Fit.CONTAIN]))
def test_proportions_are_kept_to_the_pixel(size, target, fit):
    width, height = place(Resize(width=target[0], height=target[1], fit=fit), size).size
    # Each side is within one pixel of exact, seen from the other one.
    assert abs(width - height * shape(size)) <= 0.5 * shape(size) + 1 or min(width, height) == 1


@given(size=sizes, target=targets, fit=st.sampled_from([Fit.COVER, Fit.FILL, Fit.CONTAIN]))
def test_the_box_is_met_exactly(size, target, fit):
    placement = place(Resize(width=target[0], height=target[1], fit=fit), size)
    assert placement.canvas == target
    left, top, right, bottom = placement.box
    assert 0 <= left < right <= size[0]
    assert 0 <= top < bottom <= size[1]


@given(size=sizes, target=targets)
def test_cover_takes_the_centre(size, target):
    left, top, right, bottom = place(Resize(width=target[0], height=target[1], fit=Fit.COVER), size).box
    assert left + right == pytest.approx(size[0])
    assert top + bottom == pytest.approx(size[1])


@pytest.mark.parametrize(
    ("size", "step", "expected"),
    [
        pytest.param((4000, 3000), resized(1600, 1600), (1600, 1200), id="inside"),
        pytest.param((4000, 3000), resized(1600, None), (1600, 1200), id="width only"),
        pytest.param((4000, 3000), resized(None, 600), (800, 600), id="height only"),
        pytest.param((100, 80), resized(1600, 1600), (100, 80), id="inside does not enlarge"),
        pytest.param((100, 80), resized(1600, None), (100, 80), id="nor by width only"),
        pytest.param((100, 80), resized(200, 200, Fit.OUTSIDE), (250, 200), id="outside enlarges"),
        pytest.param((100, 80), resized(200, None, Fit.OUTSIDE), (200, 160), id="outside by width only"),
        pytest.param((100, 80), resized(200, 200, Fit.CONTAIN), (200, 200), id="contain"),
        pytest.param((65535, 1), resized(200, 200), (200, 1), id="a line stays a line"),
    ],
)
def test_sizes(size, step, expected):
    assert make_plan(size, 1, (rendition(step),), MOST).branches[0].size == expected


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_swaps_the_planned_size(orientation):
    plan = make_plan((400, 300), orientation, (rendition(resized(200, None)),), MOST)
    assert plan.branches[0].size == ((200, 150) if orientation <= 4 else (200, 267))


@pytest.mark.parametrize(
    ("steps", "where"),
    [
        pytest.param([Step(crop=Crop(x=90, y=0, width=20, height=20))], "steps[0] (crop)", id="crop right"),
        pytest.param([Step(crop=Crop(x=0, y=70, width=20, height=20))], "steps[0] (crop)", id="crop below"),
        pytest.param(
            [resized(50, 50), Step(crop=Crop(x=0, y=0, width=50, height=50))],
            "steps[1] (crop)",
            id="after resize",
        ),
        pytest.param([Step()], "steps[0] (none)", id="empty step"),
        pytest.param(
            [Step(rotate=Rotate(degrees=90), resize=Resize(width=1, height=1))],
            "steps[0] (resize, rotate)",
            id="two operations",
        ),
        pytest.param([resized(None, None)], "steps[0] (resize)", id="no side"),
        pytest.param([resized(10, None, Fit.COVER)], "steps[0] (resize)", id="cover without height"),
        pytest.param([resized(None, 10, Fit.CONTAIN)], "steps[0] (resize)", id="contain without width"),
        pytest.param([resized(9, None, Fit.FILL)], "steps[0] (resize)", id="fill without height"),
        pytest.param([Step(watermark=Watermark(text="漢"))], "steps[0] (watermark)", id="no such glyph"),
        pytest.param([Step(watermark=Watermark(text="w" * 256))], "steps[0] (watermark)", id="text too long"),
    ],
)
def test_an_impossible_step_is_named(steps, where):
    with pytest.raises(ItemFailure) as caught:
        make_plan((100, 80), 1, (rendition(resized(1, 1), name="good"), rendition(*steps, name="bad")), MOST)
    assert caught.value.code is ItemCode.STEP_FAILED
    assert caught.value.message.startswith(f"rendition 'bad', {where}: ")


def test_outside_may_not_explode():
    with pytest.raises(ItemFailure, match=r"200x13107000 = 2621400000 pixels, over the limit of 50000000"):
        make_plan((1, 65535), 1, (rendition(resized(200, 200, Fit.OUTSIDE)),), MOST)


@pytest.mark.parametrize(
    ("form", "limit"), [(Format.JPEG, 65500), (Format.PNG, 65535), (Format.WEBP, 16383), (Format.AVIF, 16384)]
)
def test_the_format_limits_the_side(form, limit):
    assert make_plan((limit, 1), 1, (rendition(form=form),), MOST).branches[0].size == (limit, 1)
    with pytest.raises(ItemFailure, match=f"the {form} limit of {limit} pixels per side") as caught:
        make_plan((1, limit + 1), 1, (rendition(form=form),), MOST)
    assert caught.value.code is ItemCode.OUTPUT_TOO_LARGE


def drafted(*steps, size=(4000, 3000), orientation=1):
    renditions = tuple(rendition(*each, name=f"r{number}") for number, each in enumerate(steps))
    return make_plan(size, orientation, renditions, MOST).draft


def test_the_largest_need_decides_the_draft():
    assert drafted([resized(1600, 1600, how=FAST)], [resized(200, 200, how=FAST)]) == (2000, 1500)


@pytest.mark.parametrize(
    ("how", "draft"), [(FAST, (1000, 750)), (Resample.BALANCED, (2400, 1800)), (Resample.BEST, None)]
)
def test_the_more_careful_the_more_is_decoded(how, draft):
    assert drafted([resized(800, 800, how=how)]) == draft


def test_the_most_careful_decides():
    assert drafted([resized(1600, 1600, how=FAST)], [resized(10, 10, how=Resample.BEST)]) is None
    assert drafted([resized(400, 400, how=FAST)], [resized(300, 300)]) == (900, 675)


def test_cover_needs_more_than_its_box_across():
    assert drafted([resized(300, 300, Fit.COVER, FAST)]) == (500, 375)


def test_a_draft_is_in_stored_coordinates():
    assert drafted([resized(600, 1000, Fit.FILL, FAST)], orientation=6) == (1250, 750)
    assert drafted([resized(600, 1000, Fit.FILL, FAST)], orientation=3) == (750, 1250)


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param([], id="no resize"),
        pytest.param([Step(crop=Crop(x=0, y=0, width=9, height=9)), resized(3, 3)], id="crop first"),
        pytest.param([Step(rotate=Rotate(degrees=90)), resized(9, 9)], id="rotate first"),
        pytest.param([resized(5000, 3750, Fit.OUTSIDE)], id="enlarged"),
        pytest.param([resized(5000, 5000)], id="as large as it is"),
        pytest.param([resized(3300, 3300)], id="nearly as large as it is"),
    ],
)
def test_one_rendition_may_need_the_full_image(steps):
    assert drafted([resized(100, 100)], steps) is None


def test_an_exact_half_is_not_spoiled_by_rounding():
    assert drafted([resized(256, None, how=FAST)], size=(641, 427))[0] == 320


def parents(*steps, size=(4000, 3000)):
    renditions = tuple(rendition(*each, name=f"r{number}") for number, each in enumerate(steps))
    branches = make_plan(size, 1, renditions, MOST).branches
    names = [branch.rendition.name for branch in branches]
    return {
        branch.rendition.name: None if branch.parent is None else names[branch.parent] for branch in branches
    }


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        pytest.param(
            [[resized(200, 200)], [resized(1600, 1600)], [resized(800, 800)]],
            {"r1": None, "r2": "r1", "r0": "r2"},
            id="chain, largest first",
        ),
        pytest.param(
            [[resized(1600, 1600)], [resized(1000, 1000)]],
            {"r0": None, "r1": None},
            id="less than twice: not",
        ),
        pytest.param(
            [[resized(1600, 1600)], [resized(1600, 1600)]], {"r0": None, "r1": "r0"}, id="the same: shared"
        ),
        pytest.param(
            [[resized(1600, 1600)], [resized(200, 200, Fit.COVER)]],
            {"r0": None, "r1": "r0"},
            id="cover from whole",
        ),
        pytest.param(
            [[resized(1600, 1600, Fit.COVER)], [resized(200, 200)]],
            {"r0": None, "r1": None},
            id="whole from cover: not",
        ),
        pytest.param(
            [
                [resized(1600, 1600)],
                [Step(crop=Crop(x=0, y=0, width=1000, height=1000)), resized(400, 400)],
                [Step(crop=Crop(x=0, y=0, width=1000, height=1000)), resized(100, 100)],
            ],
            {"r0": None, "r1": None, "r2": "r1"},
            id="another crop, another chain",
        ),
        pytest.param(
            [[resized(1600, 1600)], [resized(200, 200, how=Resample.BEST)], [resized(100, 100)]],
            {"r0": None, "r1": None, "r2": "r1"},
            id="the best one from the source",
        ),
        pytest.param(
            [[resized(9, 9)], [resized(9, 9, how=FAST)], [resized(9, 9, how=Resample.BEST)]],
            {"r0": None, "r1": "r0", "r2": None},
            id="the same, but the best one",
        ),
        pytest.param([[], [resized(200, 200)]], {"r0": None, "r1": None}, id="no resize is no parent"),
    ],
)
def test_parents(steps, expected):
    assert parents(*steps) == expected


def test_a_watermark_ahead_of_a_resize_is_not_shared_with_others():
    marked = [Step(watermark=Watermark(text="x")), resized(200, 200)]
    assert parents([resized(1600, 1600)], marked) == {"r0": None, "r1": None}
