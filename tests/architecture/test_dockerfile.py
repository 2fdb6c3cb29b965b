"""Each image carries the packages that its program imports, and no other of ours."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from localcluster.images import TARGETS

ROOT = Path(__file__).parents[2]
OURS = "operator/imagejob_operator", "processor/imagejob_processor", "processor/imagejob_contract"
START = {"operator": "imagejob_operator.main", "processor": "imagejob_processor.main"}


def carried(image: str) -> set[str]:
    """The packages that a target of the Dockerfile copies from this tree."""
    stage = re.search(
        rf"^FROM base AS {image}-code\n(.*?)^FROM ", (ROOT / "Dockerfile").read_text(), re.M | re.S
    )
    assert stage
    return set(re.findall(r"^COPY (\w+/imagejob_\w+) ", stage[1], re.M))


def start(folder: Path, image: str, packages: set[str]) -> subprocess.CompletedProcess[str]:
    """Import an image's program with these packages alone, and print which of ours it imported."""
    for package in packages:
        shutil.copytree(ROOT / package, folder / Path(package).name)
    program = (
        f"import sys, {START[image]}; "
        "print(*sorted({name.partition('.')[0] for name in sys.modules if name.startswith('imagejob_')}))"
    )
    # As in the image, without the hook by which an editable install finds other packages.
    path = os.pathsep.join((str(folder), sysconfig.get_path("purelib")))
    return subprocess.run(
        [sys.executable, "-S", "-c", program],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("image", START)
@pytest.mark.timeout(30)
def test_an_image_carries_what_its_program_imports(tmp_path: Path, image: str) -> None:
    started = start(tmp_path, image, carried(image))
    assert started.returncode == 0, started.stderr
    assert set(started.stdout.split()) == {Path(package).name for package in carried(image)}


@pytest.mark.parametrize("image", START)
@pytest.mark.timeout(30)
def test_a_missing_package_is_found(tmp_path: Path, image: str) -> None:
    started = start(tmp_path, image, carried(image) - {"processor/imagejob_contract"})
    assert "No module named 'imagejob_contract'" in started.stderr


@pytest.mark.parametrize("image", START)
def test_the_local_build_takes_the_same_packages(image: str) -> None:
    assert {source for source in TARGETS[image].sources if source in OURS} == carried(image)
