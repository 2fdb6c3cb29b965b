"""A cluster and one machine make the same bytes of the same manifest and sources."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from e2e.world import Shop, verdict
from localcluster.images import TARGETS

EXAMPLES = Path(__file__).parents[2] / "examples"
MANIFEST, PICTURES = EXAMPLES / "first-job.yaml", EXAMPLES / "pictures"
KEYS = ("uploads/a.jpg", "uploads/b.png")
PREFIX = "catalog/first/"
VERSIONS = """
OTHER = ("fribidi", "tkinter", "xcb", "zlib")
import ctypes, json
from importlib.metadata import version
from PIL import features
ctypes.CDLL("libturbojpeg.so.0")
found = {name: features.version(name) for name in features.get_supported() if name not in OTHER}
found |= {name: version(name) for name in ("cykooz-resizer", "pillow", "pillow-heif", "pillow-jxl-plugin")}
print(json.dumps(found))
"""
"""Prints the versions of what makes pixels and bytes; fails without the library that resizes JPEGs.

Those of fribidi, libturbojpeg and zlib may differ, because they are of the system. The functions of the first
two that are used have not changed, and zlib compresses only texts and profiles of PNGs; here are none.
"""


def test_one_machine_makes_the_bytes_of_a_cluster(shop: Shop, tmp_path: Path) -> None:
    assert versions_here() == versions_of_the_image(shop), "both are installed from the same lock"
    for key in KEYS:
        shop.upload(key, (PICTURES / key).read_bytes())
    name = shop.apply(yaml.safe_load(MANIFEST.read_text()))
    assert verdict(shop.await_end(name)) == ("Succeeded", "", "")
    there = {key: shop.read(f"{shop.name}/{key}") for key in shop.outputs(PREFIX)}
    here = made_here(tmp_path)
    assert sorted(here) == sorted(there)
    assert len(here) == 4
    assert [key for key in here if here[key] != there[key]] == []


def made_here(tmp_path: Path) -> dict[str, bytes]:
    """The outputs of `imagejob run`, by key."""
    store = tmp_path / "store"
    shutil.copytree(PICTURES, store)
    command = [sys.executable, "-m", "imagejob_cli", "run", str(MANIFEST), "--store", str(store)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    files = [path for path in (store / PREFIX).rglob("*") if path.is_file()]
    return {path.relative_to(store).as_posix(): path.read_bytes() for path in files}


def versions_here() -> dict[str, str]:
    """The versions in the environment of the tests, in which `imagejob run` runs."""
    done = subprocess.run([sys.executable, "-c", VERSIONS], capture_output=True, text=True, check=True)
    found: dict[str, str] = json.loads(done.stdout)
    return found


def versions_of_the_image(shop: Shop) -> dict[str, str]:
    """The versions in the image of the processor, in a Pod as the operator makes them."""
    container = {
        "name": "versions",
        "image": TARGETS["processor"].tag,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", "-c", VERSIONS],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    spec = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
    }
    kubectl, within = shop.world.kubectl, ("-n", shop.name)
    kubectl.apply(
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "versions"}, "spec": spec}, *within
    )
    try:
        ended = "--for=jsonpath={.status.phase}=Succeeded"
        kubectl("wait", "pod/versions", ended, "--timeout=60s", *within)
        found: dict[str, str] = json.loads(kubectl("logs", "versions", *within))
    finally:
        kubectl("delete", "pod", "versions", "--now", *within)
    return found
