"""The operator's image carries every module of the processor that it imports, and no other."""

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
CARRIED = re.findall(
    r"processor/(imagejob_processor/\w+\.py)", (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
)


def start(folder: Path, modules: list[str]) -> subprocess.CompletedProcess[str]:
    """Import the operator with these modules of the processor and tell which of them it took."""
    (folder / "imagejob_processor").mkdir()
    for module in modules:
        shutil.copy(ROOT / "processor" / module, folder / module)
    program = (
        "import sys, imagejob_operator.main; "
        "print(*sorted(name for name in sys.modules if name.startswith('imagejob_processor')))"
    )
    # As in the image, without the hook by which an editable install finds modules that are not there.
    path = os.pathsep.join((str(folder), str(ROOT / "operator"), sysconfig.get_path("purelib")))
    return subprocess.run(
        [sys.executable, "-S", "-c", program],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.timeout(30)
def test_the_operator_starts_with_what_its_image_carries(tmp_path: Path) -> None:
    started = start(tmp_path, CARRIED)
    assert started.returncode == 0, started.stderr
    names = {module.removesuffix("/__init__.py").removesuffix(".py").replace("/", ".") for module in CARRIED}
    assert set(started.stdout.split()) == names


@pytest.mark.timeout(30)
def test_a_module_that_lacks_is_found(tmp_path: Path) -> None:
    started = start(tmp_path, [module for module in CARRIED if not module.endswith("/same.py")])
    assert "No module named 'imagejob_contract.source_format'" in started.stderr


def test_the_local_build_takes_the_same_modules() -> None:
    taken = [source for source in TARGETS["operator"].sources if source.startswith("processor/")]
    assert sorted(taken) == sorted(f"processor/{module}" for module in CARRIED)
