"""Animations of every kind, frame by frame, against frames that are composed here.

`make browser` compares the same sources and outputs with the frames of a browser.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest
from PIL import Image

from golden.animations import generated, written
from golden.animations.shown import Shown, differences, plays, shown
from imagejob_contract.output import Animation, Chroma, Compression, Format, Output
from imagejob_contract.recipe import Fit, Flip, Pad, Rendition, Resize, Step
from imagejob_processor.pixels import animation_encoding
from imagejob_processor.rendering import animation, frame_canvas, stored_parts
from unit.processor.images import file, make

OUTPUTS = {
    Format.GIF: ({}, 8, 4, 0),
    Format.WEBP: ({"compression": Compression.LOSSLESS}, 8, 0.7, 2),
    Format.PNG: ({}, 8, 0.7, 2),
    Format.AVIF: ({"quality": 100, "chroma": Chroma.FULL, "speed": 10}, 1, 2, 12),
}
"""Options, the number of sources, and what a format costs: the mean difference, and the largest of alpha."""


def rendition(form: Format, *steps: Step, every: bool = True) -> Rendition:
    which = Animation.ALL if every else Animation.FIRST
    return Rendition("out", Output(form, animation=which, **OUTPUTS[form][0]), steps)


def expected_in(form: Format, frames: Sequence[written.Pixels]) -> Sequence[written.Pixels]:
    """The frames as a format can show them: GIF has no half transparent pixels."""
    if form is not Format.GIF:
        return frames
    return [np.dstack([f[..., :3], np.where(f[..., 3] < 128, 0, 255).astype(np.uint8)]) for f in frames]


def expected(made: written.Written, form: Format) -> Shown:
    """What is to be seen of a source."""
    return Shown(expected_in(form, written.seen(made)), [part.milliseconds for part in made.parts])


def faults(kind: str, form: Format) -> list[str]:
    """What is wrong with the outputs of the sources of one kind."""
    _, seeds, mean, alpha = OUTPUTS[form]
    found = []
    for seed in range(seeds):
        made, data = generated.SOURCES[kind][1](seed)
        output = make(data, rendition(form))["out"].data
        wrong = differences(shown(output), expected(made, form), mean, alpha)
        if len(shown(output).frames) > 1 and plays(output) != made.plays:
            wrong.append(f"it is played {plays(output)} times, not {made.plays}")
        found += [f"seed {seed}: {each}" for each in wrong]
    return found


@pytest.mark.parametrize("form", OUTPUTS)
@pytest.mark.parametrize("kind", generated.SOURCES)
def test_every_frame_is_what_a_browser_shows(kind, form):
    assert not faults(kind, form)


@pytest.mark.parametrize("kind", ["GIF", "GIF outgrown", "PNG palette", "PNG default image", "WebP"])
def test_the_first_frame_is_that_of_the_animation(kind):
    for seed in range(8):
        made, data = generated.SOURCES[kind][1](seed)
        still = shown(make(data, rendition(Format.PNG, every=False))["out"].data)
        first = Shown(written.seen(made)[:1], [0])
        assert not differences(still, first, 0.7, 2), seed


STEPS = (
    Step(flip=Flip(direction="Horizontal")),
    Step(resize=Resize(width=13, height=17, fit=Fit.CONTAIN, background="#ff000080")),
    Step(pad=Pad(left=3, background="#00ff00")),
)


@pytest.mark.parametrize("kind", generated.SOURCES)
def test_each_frame_goes_through_the_steps_as_a_still_image_would(kind):
    for seed in range(3):
        made, data = generated.SOURCES[kind][1](seed)
        output = shown(make(data, rendition(Format.PNG, *STEPS))["out"].data)
        stills = [
            shown(make(file(Image.fromarray(frame)), rendition(Format.PNG, *STEPS))["out"].data).frames[0]
            for frame in written.seen(made)
        ]
        wanted = Shown(stills, [part.milliseconds for part in made.parts])
        assert not differences(output, wanted, 1.5, 3), seed


CLEAR, RESTORE = frame_canvas.Disposal.CLEAR, frame_canvas.Disposal.RESTORE


def turned_over(compose):
    """Blend what replaces, and replace where pixels are blended."""

    def composed(parts, size, decode):
        turned = (dataclasses.replace(part, blended=not part.blended) for part in parts)
        return compose(turned, size, decode)

    return composed


def frozen(write):
    """Write the first frame again and again."""
    return lambda images, durations, output: write(images[:1] * len(images), durations, output)


def cut(durations, form):
    return [duration // 3 for duration in durations]


PLANTED = {
    "a cleared part of a GIF stays": ("GIF", Format.PNG, stored_parts, "_GIF_DISPOSALS", {3: RESTORE}),
    "a part of a GIF is not restored": ("GIF", Format.PNG, stored_parts, "_GIF_DISPOSALS", {2: CLEAR}),
    "a part of a PNG is not restored": ("PNG", Format.PNG, stored_parts, "_PNG_DISPOSALS", {1: CLEAR}),
    "blending": ("PNG", Format.PNG, animation, "compose", turned_over(animation.compose)),
    "frames": ("GIF", Format.GIF, animation_encoding, "_gif_images", frozen(animation_encoding._gif_images)),
    "durations": ("WebP", Format.GIF, animation_encoding, "rounded_durations", cut),
    "plays": ("GIF opaque", Format.WEBP, animation, "_plays", lambda source: 7),
}


@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_is_found(monkeypatch, fault):
    kind, form, *patch = PLANTED[fault]
    monkeypatch.setattr(*patch)
    assert faults(kind, form)
