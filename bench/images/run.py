"""`make bench-images`: the cost of resizing 12 megapixels, compared with other libraries.

CPU is user and system time of whole processes: the difference between one that processes many images and one
that processes few, per image. The order of the contenders is shuffled in every round, and medians are given.
Times depend on the machine, ratios hardly. Our own code is compiled first, as in the image.
"""

from __future__ import annotations

import compileall
import json
import os
import platform
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from PIL import Image
from skimage.metrics import structural_similarity
from sources import write_sources
from with_imagejob import SIDES, Spent, run

from imagejob_contract.order import EngineName
from imagejob_contract.recipe import Resample

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BUILD = ROOT / "build" / "bench"
MEASURED = ROOT / "docs" / "evidence" / "measured" / "bench-images.json"
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
COUNTS = {"JPEG": (2, 8), "WebP": (1, 3), "AVIF": (1, 2)}
"""Numbers of images in the two runs of a round, by output format."""
SINGLE = {"VIPS_CONCURRENCY": "1", "UV_THREADPOOL_SIZE": "1", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}

Runner = Callable[[str, list[Path], Path | None], Spent]


@dataclass(frozen=True)
class Contender:
    """One way to do the work; `run` takes format, sources and a folder for the first outputs."""

    name: str
    run: Runner
    forms: tuple[str, ...] = tuple(COUNTS)
    compares: bool = True
    """Whether its outputs are compared with the reference; the floor has no resize."""


def program(*command: str) -> Runner:
    def started(form: str, sources: list[Path], out: Path | None) -> Spent:
        arguments = [*command, form, str(len(sources)), str(out or "-"), *map(str, sources)]
        environment = {**os.environ, **SINGLE, "PYTHONPATH": str(BUILD / "python"), "NODE_PATH": str(BUILD)}
        child = subprocess.Popen(arguments, env=environment, cwd=BUILD, stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        memory = re.search(r"VmHWM:\s+(\d+) kB", child.stdout.read())
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        child.stdout.close()
        assert child.returncode == 0, arguments
        assert memory
        return Spent(usage.ru_utime + usage.ru_stime, int(memory.group(1)) * 1024)

    return started


def own(engine: EngineName, how: Resample) -> Runner:
    def started(form: str, sources: list[Path], out: Path | None) -> Spent:
        return run(engine, how, form, [path.read_bytes() for path in sources], out)

    return started


def contenders() -> list[Contender]:
    every = [
        Contender(
            f"imagejob {engine}, {how}",
            own(engine, how),
            tuple(COUNTS) if (engine, how) == (EngineName.SIMD, Resample.BALANCED) else ("JPEG",),
        )
        for engine in EngineName
        for how in Resample
    ]
    script = str(HERE / "with_pillow.py")
    every.append(Contender("Pillow, naive", program(sys.executable, script, "naive")))
    every.append(Contender("floor", program(sys.executable, script, "floor"), ("JPEG",), compares=False))
    every.append(Contender("pyvips", program(sys.executable, str(HERE / "with_pyvips.py"))))
    sharp = str(BUILD / "with_sharp.js")
    every.append(Contender("sharp, chain", program("node", sharp, "chain")))
    every.append(Contender("sharp, clones", program("node", sharp, "clone"), ("JPEG",)))
    return every


def install() -> None:
    """Install pyvips and sharp by their lock files."""
    BUILD.mkdir(parents=True, exist_ok=True)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--upgrade"]
    if not (BUILD / "python" / "pyvips").exists():
        lock = str(ROOT / "locks" / "bench.txt")
        subprocess.run([*pip, "--target", str(BUILD / "python"), "--require-hashes", "-r", lock], check=True)
    for name in ("package.json", "package-lock.json", "with_sharp.js"):
        shutil.copy(HERE / name, BUILD / name)
    if not (BUILD / "node_modules" / "sharp").exists():
        subprocess.run(["npm", "ci", "--silent"], cwd=BUILD, check=True)


def likenesses(contender: Contender, source: Path) -> list[float]:
    """SSIM of the luma of each size compared with one Lanczos pass over the full image."""
    full = Image.open(source).convert("L")
    with tempfile.TemporaryDirectory() as folder:
        contender.run("PNG", [source], Path(folder))
        found = []
        for side in SIDES:
            made = np.asarray(Image.open(Path(folder) / f"{side}.png").convert("L"))
            wanted = full.resize((made.shape[1], made.shape[0]), Image.Resampling.LANCZOS)
            pair = (made, np.asarray(wanted))
            found.append(float(structural_similarity(*pair, data_range=255, win_size=7)))
    return found


def measure(form: str, every: list[Contender], photos: list[Path]) -> dict[str, dict[str, float]]:
    """CPU milliseconds per image, images per second and core, and peak memory in MB, by contender."""
    few, many = ([photos[number % len(photos)] for number in range(count)] for count in COUNTS[form])
    spent: dict[str, list[tuple[float, int]]] = {each.name: [] for each in every}
    for number in range(ROUNDS):
        for each in random.sample(every, len(every)):
            # The start is part of both.
            less, more = each.run(form, few, None), each.run(form, many, None)
            spent[each.name].append(((more.cpu - less.cpu) / (len(many) - len(few)), more.memory))
        print(f"{form}: round {number + 1} of {ROUNDS}", flush=True)
    rows = {}
    for name, found in spent.items():
        cpu = statistics.median(seconds for seconds, _ in found)
        rows[name] = {
            "cpuMs": round(cpu * 1000, 1),
            "imagesPerSecondPerCore": round(1 / cpu, 2),
            "peakMB": round(max(memory for _, memory in found) / 1e6, 1),
        }
    return rows


def start_ms() -> float:
    """CPU milliseconds from the start to a decoder process that waits for its first image."""
    found = []
    for _ in range(ROUNDS):
        parent = subprocess.Popen([sys.executable, "-P", "-c", "import imagejob_processor.main"])
        usage = os.wait4(parent.pid, 0)[2]
        parent.returncode = 0
        child = run(EngineName.SIMD, Resample.BALANCED, "JPEG", [])
        found.append(usage.ru_utime + usage.ru_stime + child.cpu)
    return round(statistics.median(found) * 1000, 1)


def ratios(rows: dict[str, dict[str, float]]) -> dict[str, float]:
    """The ratios of CPU that the documentation has limits for."""
    cpu = {name: row["cpuMs"] for name, row in rows.items()}
    best, sharp = cpu["imagejob Simd, Balanced"], min(cpu["sharp, chain"], cpu["sharp, clones"])
    found = {
        "Pillow, Fast / naive": cpu["imagejob Pillow, Fast"] / cpu["Pillow, naive"],
        "Pillow, Balanced / naive": cpu["imagejob Pillow, Balanced"] / cpu["Pillow, naive"],
        "Simd, Balanced / sharp": best / sharp,
        "Simd, Balanced / pyvips": best / cpu["pyvips"],
        "Simd, Balanced / floor": best / cpu["floor"],
        "Simd, Fast / sharp": cpu["imagejob Simd, Fast"] / sharp,
        "Simd, Fast / floor": cpu["imagejob Simd, Fast"] / cpu["floor"],
    }
    return {name: round(ratio, 3) for name, ratio in found.items()}


def main() -> None:
    """Measure, print, and write the figures for the documentation."""
    install()
    compileall.compile_dir(ROOT / "processor" / "imagejob_processor", quiet=1)
    photos, plate = write_sources(BUILD / "sources")
    every = contenders()
    forms = {form: measure(form, [each for each in every if form in each.forms], photos) for form in COUNTS}
    compared = [each for each in every if each.compares]
    alike = {
        each.name: {
            "photo": [round(value, 4) for value in likenesses(each, photos[0])],
            "plate": [round(value, 4) for value in likenesses(each, plate)],
        }
        for each in compared
    }
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    result = {
        "commit": commit.stdout.strip(),
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{_processor()}, {os.cpu_count()} CPUs, Python {platform.python_version()}",
        "rounds": ROUNDS,
        "startMs": start_ms(),
        "ratios": ratios(forms["JPEG"]),
        "likeness": alike,
        "forms": forms,
    }
    MEASURED.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")


if __name__ == "__main__":
    main()
