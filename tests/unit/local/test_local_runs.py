"""Whole runs with real child processes: every kind of source, failures, and their ends."""

from __future__ import annotations

import base64
import contextlib
import errno
import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from demo.photos import path_of
from imagejob_contract.order import EngineName
from imagejob_local.command import run
from imagejob_local.folder import explained
from imagejob_local.object_files import NewObject
from imagejob_operator.api.spec import item_limits, parse_spec
from imagejob_operator.ports.object_store import ObjectHeaders, StoredObject
from imagejob_processor.pixels.resampling import load_engine
from imagejob_processor.rendering import pipeline
from imagejob_processor.rendering.encoded import EncodedRendition

PHOTOS = {"photos/china.jpg": "china.jpg", "photos/2026/rocket.jpg": "rocket.jpg"}
WEB: dict[str, Any] = {
    "name": "web",
    "steps": [{"resize": {"width": 320}}, {"watermark": {"text": "© shop"}}],
    "output": {"format": "WebP"},
}
THUMB: dict[str, Any] = {
    "name": "thumb",
    "steps": [{"resize": {"width": 64, "height": 64, "fit": "Cover"}}],
    "output": {"format": "JPEG"},
}


@pytest.fixture
def store(tmp_path: Path) -> Path:
    root = tmp_path / "store"
    for key, name in PHOTOS.items():
        (root / key).parent.mkdir(parents=True, exist_ok=True)
        (root / key).write_bytes(path_of(name).read_bytes())
    return root


def manifest(tmp_path: Path, source: Mapping[str, Any], **spec: Any) -> Path:
    body = {
        "apiVersion": "imagejob.dev/v1alpha1",
        "kind": "ImageJob",
        "metadata": {"name": "spring"},
        "spec": {"source": source, "renditions": [WEB, THUMB], "destination": {"prefix": "out/"}, **spec},
    }
    path = tmp_path / "job.yaml"
    path.write_text(yaml.safe_dump(body))
    return path


def outputs(store: Path) -> set[str]:
    return {str(path.relative_to(store / "out")) for path in (store / "out").rglob("*") if path.is_file()}


def written(store: Path) -> dict[Path, tuple[int, int]]:
    """The outputs, and what changes when they are written."""
    files = {path: path.stat() for path in (store / "out").rglob("*") if path.is_file()}
    return {path: (found.st_ino, found.st_mtime_ns) for path, found in files.items()}


def report(store: Path) -> Any:
    (path,) = (store / ".imagejob").glob("*/*/*/*.json")
    return json.loads(path.read_text())


def staging(store: Path) -> list[Path]:
    return list(store.glob(".imagejob-staging*"))


# --- sources -----------------------------------------------------------------------------------------------


def test_keys(tmp_path: Path, store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(manifest(tmp_path, {"keys": list(PHOTOS)}), store) == 0
    assert outputs(store) == {
        *("photos/china-web.webp", "photos/china-thumb.jpg"),
        *("photos/2026/rocket-web.webp", "photos/2026/rocket-thumb.jpg"),
    }
    assert staging(store) == []
    shown = capsys.readouterr().out
    written = sum(path.stat().st_size for path in (store / "out").rglob("*") if path.is_file())
    read = sum((store / key).stat().st_size for key in PHOTOS)
    for text in (
        "Staging",
        "Succeeded",
        "items        2 (2 published",
        "outputs      4",
        str(written),
        str(read),
    ):
        assert text in shown
    (path,) = (store / ".imagejob").glob("*/*/*/*.json")
    assert f"report       {path}" in shown


def test_outputs_are_those_of_the_processor(tmp_path: Path, store: Path) -> None:
    job = manifest(tmp_path, {"keys": list(PHOTOS)})
    assert run(job, store) == 0
    spec = parse_spec(yaml.safe_load(job.read_text())["spec"])
    engine = load_engine(EngineName.SIMD)
    for key in PHOTOS:
        made = pipeline.render((store / key).read_bytes(), spec.renditions, item_limits(spec.limits), engine)
        rendered = {one.rendition: one.data for one in made if isinstance(one, EncodedRendition)}
        assert len(rendered) == 2
        for rendition, data in rendered.items():
            (written,) = (store / "out").rglob(f"{Path(key).stem}-{rendition}.*")
            assert hashlib.sha256(written.read_bytes()).digest() == hashlib.sha256(data).digest()


def test_match_and_if_different(tmp_path: Path, store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    destination = {"prefix": "out/", "overwrite": "IfDifferent"}
    job = manifest(
        tmp_path, {"match": {"prefix": "photos/", "include": ["**/*.jpg"]}}, destination=destination
    )
    assert run(job, store) == 0
    assert outputs(store) == {
        *("china-web.webp", "china-thumb.jpg", "2026/rocket-web.webp", "2026/rocket-thumb.jpg")
    }
    # Also in a copy of the folder, as a CI system restores it from its cache.
    copied = tmp_path / "copy"
    shutil.copytree(store, copied)
    before = written(copied)
    assert run(job, copied) == 0
    assert written(copied) == before
    assert "items        2 (0 published, 0 failed, 2 up to date)" in capsys.readouterr().out


def test_a_list(tmp_path: Path, store: Path) -> None:
    (store / "list.txt").write_text("photos/china.jpg\n")
    assert run(manifest(tmp_path, {"list": {"key": "list.txt"}}, staging={"mode": "Reference"}), store) == 0
    assert outputs(store) == {"photos/china-web.webp", "photos/china-thumb.jpg"}


def test_inline(tmp_path: Path, store: Path) -> None:
    from PIL import Image

    small = tmp_path / "small.png"
    Image.new("RGB", (30, 20), "red").save(small)
    data = base64.b64encode(small.read_bytes()).decode()
    assert run(manifest(tmp_path, {"inline": [{"name": "small.png", "data": data}]}), store) == 0
    assert outputs(store) == {"small-web.webp", "small-thumb.jpg"}


@pytest.fixture
def web() -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = path_of("china.jpg").read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_urls_follow_the_rules_for_addresses(
    tmp_path: Path, store: Path, web: str, capsys: pytest.CaptureFixture[str]
) -> None:
    job = manifest(tmp_path, {"urls": [{"url": f"{web}/china.jpg"}]})
    assert run(job, store) == 1
    assert "loopback address" in capsys.readouterr().out
    assert run(job, store, ["127.0.0.0/8"]) == 0
    assert outputs(store) == {"china-web.webp", "china-thumb.jpg"}
    assert run(job, store, ["nonsense"]) == 2


def test_a_validation(tmp_path: Path, store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(manifest(tmp_path, {"keys": list(PHOTOS)}, run={"mode": "Validate"}), store) == 0
    shown = capsys.readouterr().out
    assert "items        ok: found 2 items" in shown
    assert "staging      ok: the store supports all calls; Pods upload outputs by POST Object" in shown
    assert f"outputs can be written under '{store}/out/'" in shown
    assert not (store / "out").exists()


# --- failures ----------------------------------------------------------------------------------------------


def test_items_may_fail(tmp_path: Path, store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (store / "photos/broken.jpg").write_bytes(b"no image")
    keys = [*PHOTOS, "photos/broken.jpg", "photos/missing.jpg"]
    job = manifest(tmp_path, {"keys": keys}, failurePolicy={"maxFailedItems": 2})
    assert run(job, store) == 0
    assert len(outputs(store)) == 4
    shown = capsys.readouterr().out
    assert "failed: photos/broken.jpg  IMG_001" in shown
    assert "failed: photos/missing.jpg  IMG_010" in shown
    assert "items        4 (2 published, 2 failed" in shown
    codes = {item["source"]: item["error"]["code"] for item in report(store)["items"] if item.get("error")}
    assert codes == {"photos/broken.jpg": "IMG_001", "photos/missing.jpg": "IMG_010"}


def test_too_many_failed_items_fail_the_run(
    tmp_path: Path, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (store / "photos/broken.jpg").write_bytes(b"no image")
    assert run(manifest(tmp_path, {"keys": [*PHOTOS, "photos/broken.jpg"]}), store) == 1
    assert not (store / "out").exists()
    assert staging(store) == []
    shown = capsys.readouterr().out
    assert shown.count("JOB_005 ItemsFailed: 1 of 3 items failed") == 1
    assert "error        JOB_005 ItemsFailed\nmeaning      More items failed than failurePolicy" in shown
    assert "remedy       Replace the images, then retry; or raise limits" in shown
    assert report(store)["outcome"] == "Failed"


def test_a_full_disk_is_no_denied_access(
    tmp_path: Path, store: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    assert run(manifest(tmp_path, {"keys": [*PHOTOS]}), store) == 1
    shown = capsys.readouterr().out
    assert "JOB_002 StoreUnavailable: " in shown
    assert "No space left on device; free space on the disk with the folder of --store" in shown
    assert "AccessDenied" not in shown


def test_a_disk_that_is_full_when_outputs_are_made_is_no_fault_of_the_images(
    tmp_path: Path, store: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = NewObject.commit

    def full(new: NewObject, headers: ObjectHeaders, if_absent: bool = False) -> StoredObject | None:
        if headers.content_type.startswith("image/webp"):
            raise explained(OSError(errno.ENOSPC, "No space left on device"), "out/a.webp", writing=True)
        return commit(new, headers, if_absent)

    monkeypatch.setattr(NewObject, "commit", full)
    job = manifest(tmp_path, {"keys": [*PHOTOS]}, execution={"retriesPerShard": 0})
    assert run(job, store) == 1
    shown = capsys.readouterr().out
    assert "JOB_005 StoreUnreachable: " in shown
    assert "HTTP 507 InsufficientStorage" in shown
    assert "No space left on device; free space on the disk with the folder of --store" in shown
    assert "remedy       Allow Pods to connect to the store, repair it, or free space in it" in shown
    assert "Replace the images" not in shown


def test_the_cause_is_shown_also_for_a_long_key(
    tmp_path: Path, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(manifest(tmp_path, {"keys": ["photos/" + "k" * 500, "photos/none.jpg"]}), store) == 1
    shown = capsys.readouterr().out
    assert "has 500 bytes, and a file name at most 255; choose a shorter key" in shown
    assert "allow access" not in shown


def test_a_manifest_of_standard_input(
    tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = manifest(tmp_path, {"keys": ["none.jpg"]}).read_bytes()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text)))
    assert run(Path("-"), store) == 1
    assert "there is no object 'none.jpg'" in capsys.readouterr().out
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"kind: Pod")))
    assert run(Path("-"), store) == 2
    assert "standard input must have exactly one ImageJob; it has Pod" in capsys.readouterr().err


def test_a_missing_source_is_named_with_the_folder(
    tmp_path: Path, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(manifest(tmp_path, {"keys": ["none.jpg"]}), store) == 1
    assert f"there is no object 'none.jpg' under '{store}/'" in capsys.readouterr().out


def test_what_is_outside_is_neither_read_nor_written(
    tmp_path: Path, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "china.jpg").write_bytes(path_of("china.jpg").read_bytes())
    (store / "photos/link.jpg").symlink_to(outside / "china.jpg")
    assert run(manifest(tmp_path, {"match": {"prefix": "photos/"}}), store) == 1
    assert "'photos/link.jpg'" in (shown := capsys.readouterr().out)
    assert "is a symbolic link, which is not followed" in shown
    (store / "photos/link.jpg").unlink()
    (store / "out").symlink_to(outside)
    assert run(manifest(tmp_path, {"keys": list(PHOTOS)}), store) == 1
    assert "is a symbolic link, which is not followed" in capsys.readouterr().out
    assert [path.name for path in outside.iterdir()] == ["china.jpg"]


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({"source": {"keys": ["../outside.jpg"]}}, "spec.source.keys[0]"),
        ({"renditions": []}, "spec.renditions"),
    ],
)
def test_an_invalid_manifest(
    tmp_path: Path, store: Path, spec: dict[str, Any], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    job = manifest(tmp_path, {"keys": list(PHOTOS)})
    body = yaml.safe_load(job.read_text())
    body["spec"] |= spec
    job.write_text(yaml.safe_dump(body))
    assert run(job, store) == 2
    assert capsys.readouterr().err.startswith(f"imagejob: {text}")
    assert run(job, store / "none") == 2


# --- interruptions -----------------------------------------------------------------------------------------


class Started:
    """A run in a process of its own, with an item that takes long."""

    def __init__(self, tmp_path: Path, store: Path) -> None:
        steps = [
            {"resize": {"width": 5000, "height": 5000, "fit": "Outside"}},
            {"blur": {"radiusPixels": 250}},
        ]
        renditions = [{"name": "slow", "steps": steps, "output": {"format": "AVIF", "speed": 0}}]
        job = manifest(tmp_path, {"keys": list(PHOTOS)}, renditions=renditions)
        # A shell that starts the tests in the background has them ignore SIGINT, which processes inherit.
        interruptible = ["env", "--default-signal=INT"]
        run = [sys.executable, "-m", "imagejob_cli", "run", str(job), "--store", str(store)]
        command = [*interruptible, *run]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if "Running" in line:
                break
        # The Pod and its decoders.
        wanted = 1 + min(len(PHOTOS), len(os.sched_getaffinity(0)))
        wait_for(lambda: len(descendants(self.process.pid)) >= wanted)
        self.children = descendants(self.process.pid)

    def __enter__(self) -> Started:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def end(self) -> tuple[int, str]:
        shown, errors = self.process.communicate(timeout=30)
        assert errors == ""
        return self.process.returncode, shown


def descendants(pid: int) -> set[int]:
    """The processes that a process has started, and that these have started."""
    found: set[int] = set()
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in map(int, (task / "children").read_text().split()):
                found |= {child} | descendants(child)
    return found


def alive(pids: set[int]) -> set[int]:
    def runs(pid: int) -> bool:
        try:
            return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
        except OSError:
            return False

    return {pid for pid in pids if runs(pid)}


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait on a condition that other processes bring about."""
    done = threading.Event()
    for _ in range(1000):
        if condition():
            return
        done.wait(0.02)
    pytest.fail("the condition did not become true")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_cancels_the_run(tmp_path: Path, store: Path, number: signal.Signals) -> None:
    with Started(tmp_path, store) as started:
        started.process.send_signal(number)
        code, shown = started.end()
        assert code == 1, shown
        assert "Cancelled" in shown
        assert "items        2 (0 published" in shown
        assert report(store)["outcome"] == "Cancelled"
        assert staging(store) == []
        assert not (store / "out").exists()
        wait_for(lambda: not alive(started.children))


def test_a_second_interrupt_does_not_wait_for_the_first(tmp_path: Path, store: Path) -> None:
    with Started(tmp_path, store) as started:
        assert alive(started.children) == started.children
        started.process.send_signal(signal.SIGINT)
        assert started.process.stdout is not None
        assert "interrupted" in started.process.stdout.readline()
        started.process.send_signal(signal.SIGINT)
        _, errors = started.process.communicate(timeout=30)
        assert started.process.returncode == 1, errors
        assert staging(store) == []
        wait_for(lambda: not alive(started.children))


def test_a_killed_run_leaves_no_process_and_the_next_one_cleans_up(tmp_path: Path, store: Path) -> None:
    with Started(tmp_path, store) as started:
        started.process.kill()
        assert started.process.wait() == -signal.SIGKILL
        wait_for(lambda: not alive(started.children))
    assert staging(store) != []
    assert run(manifest(tmp_path, {"keys": list(PHOTOS)}), store) == 0
    assert staging(store) == []


def test_a_pod_that_is_killed_is_launched_again(tmp_path: Path, store: Path) -> None:
    with Started(tmp_path, store) as started:
        (pod,) = (pid for pid in started.children if os.getpgid(pid) == pid)
        os.kill(pod, signal.SIGKILL)
        wait_for(lambda: bool(descendants(started.process.pid) - started.children))
        wait_for(lambda: not alive(started.children))
        started.process.send_signal(signal.SIGINT)
        assert started.end()[0] == 1


# --- what is installed -------------------------------------------------------------------------------------


def test_no_package_of_the_cluster_is_imported() -> None:
    program = (
        "import sys, imagejob_cli.main, imagejob_local.session; "
        "print(*sorted({'kubernetes', 'kopf', 'minio', 'prometheus_client', 'PIL'} & {*sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_a_package_that_is_not_installed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("imagejob_local.command.NEEDED", ("json", "no_such_module"))
    assert run(tmp_path / "job.yaml", tmp_path) == 2
    assert "needs the Python package no_such_module; run: pip install" in capsys.readouterr().err


@pytest.mark.parametrize("where", [">/dev/full", ">&-"])
def test_a_run_ends_also_if_its_output_cannot_be_written(where: str, store: Path, tmp_path: Path) -> None:
    path = manifest(tmp_path, {"keys": ["photos/china.jpg"]})
    program = Path(sys.executable).parent / "imagejob"
    command = f"exec {program} run {path} --store {store} {where}"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert not (store / ".imagejob-staging").exists() or not list((store / ".imagejob-staging").rglob("*.*"))
