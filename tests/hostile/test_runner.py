"""`make fuzz` counts examples, finds a planted bug and keeps to its budget."""

from __future__ import annotations

import random
from pathlib import Path

from hostile.__main__ import Fuzzer, fuzz

PROPERTY = """
from hypothesis import given, strategies as st
@given(st.integers(0, 100000))
def test_numbers(number):
    assert number < {bound}
"""


def planted(folder: Path, name: str, bound: int) -> Fuzzer:
    path = folder / f"test_fuzz_{name}.py"
    path.write_text(PROPERTY.format(bound=bound))
    (folder / "conftest.py").write_text((Path(__file__).parent / "conftest.py").read_text())
    return Fuzzer(path)


def test_a_planted_bug_is_found_and_every_fuzzer_runs_at_least_once(tmp_path: Path) -> None:
    sound, broken = planted(tmp_path, "sound", 100_001), planted(tmp_path, "broken", 90_000)
    fuzz([sound, broken], 0.0, random.Random(1))
    assert "number=90000" in broken.findings
    assert not sound.findings
    assert sound.examples >= 1000
    assert sound.seconds > 0
