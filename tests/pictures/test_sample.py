"""A sample of what `make pictures` does, and that it finds what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from imagejob_contract.order import EngineName
from pictures import check, reference
from pictures.__main__ import EXACT, WrongSize, compare, run
from pictures.collect import collect_scikit_image
from pictures.reference import Samples

FILES = {name: data for name, data in collect_scikit_image() if len(data) < 1_000_000}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("engine", EngineName)
def test_files_that_come_with_scikit_image(engine: EngineName) -> None:
    results = run(FILES.items(), engine)
    assert results.faults == []
    assert results.refusals == {}
    assert set(results.tallies) >= {"PNG", "JPEG"}


def darker(samples: Samples) -> Samples:
    """As after a gamma that is applied once too often."""
    changed = samples.copy()
    changed[..., :3] = (255 * (samples[..., :3] / 255) ** 1.2).round()
    return changed


BUGS: dict[str, Callable[[Samples], Samples]] = {
    "upside down": lambda samples: samples[::-1],
    "red and blue are swapped": lambda samples: samples[..., [2, 1, 0, 3]],
    "a gamma": darker,
    "a negative": lambda samples: np.concatenate([255 - samples[..., :3], samples[..., 3:]], axis=2),
    "no opacity": lambda samples: np.concatenate([samples[..., :3], 255 - samples[..., 3:]], axis=2),
}


@pytest.mark.parametrize("bug", BUGS)
@pytest.mark.parametrize("rendition", [EXACT, "png", "jpeg", "webp"])
def test_planted_bugs_are_found(bug: str, rendition: str) -> None:
    right = reference.read(FILES["scikit-image/astronaut.png"])
    wrong = BUGS[bug](right)
    if rendition != EXACT:
        wrong = BUGS[bug](reference.shrink(right, check.fitting((right.shape[1], right.shape[0]))))
    assert compare(rendition, as_png(wrong), right)[0]


def test_a_wrong_size_is_found() -> None:
    right = reference.read(FILES["scikit-image/astronaut.png"])
    with pytest.raises(WrongSize, match="511x512 pixels instead of 512x512"):
        compare(EXACT, as_png(right[:, 1:]), right)


def test_the_right_picture_is_not_taken_for_a_wrong_one() -> None:
    right = reference.read(FILES["scikit-image/astronaut.png"])
    assert compare(EXACT, as_png(right), right) == ("", 0.0)


def as_png(samples: Samples) -> bytes:
    file = BytesIO()
    Image.fromarray(np.ascontiguousarray(samples)).save(file, "PNG")
    return file.getvalue()
