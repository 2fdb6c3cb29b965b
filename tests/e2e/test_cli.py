"""Every command of the command line, and the Python client, on a real cluster."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from demo import photos
from e2e.world import Shop
from imagejob import Client, Forbidden, Invalid, StoreFailed, build, rendition
from imagejob_cli.main import main


class Ran(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Ran]
SIMPLE = ("--width", "20", "--format", "WebP", "--prefix", "out/")
SLOW = {"name": "big", "steps": [{"resize": {"width": 1200}}], "output": {"format": "AVIF", "speed": 2}}


@pytest.fixture
def run(shop: Shop, capsys: pytest.CaptureFixture[str]) -> Run:
    def call(command: str, *words: str) -> Ran:
        code = main([command, *words, "-n", shop.name, "--kubeconfig", str(shop.world.kubectl.kubeconfig)])
        printed = capsys.readouterr()
        assert "Traceback" not in printed.out + printed.err
        return Ran(code, printed.out, printed.err)

    return call


@pytest.fixture
def client(shop: Shop) -> Client:
    return Client.connect(kubeconfig_file=str(shop.world.kubectl.kubeconfig), namespace=shop.name)


def test_a_job_from_its_submission_to_its_status(shop: Shop, run: Run, tmp_path: Path) -> None:
    keys = shop.upload_photos("china.jpg", "coffee.png")
    made = run("submit", "--name", "a", "--match-prefix", "photos/", *SIMPLE, "--watch")
    assert made.code == 0, made
    assert re.search(r"^ *\d+\.\ds  Succeeded  2/2 items$", made.out, re.MULTILINE)
    assert len(shop.outputs()) == len(keys)
    listed = run("list")
    assert re.search(r"^a +Succeeded +2/2 ", listed.out, re.MULTILINE), listed
    shown = run("status", "a")
    assert shown.code == 0
    assert re.search(r"✓  Publishing .* 2 objects, ", shown.out), shown
    assert json.loads(run("status", "a", "-o", "json").out)["status"]["phase"] == "Succeeded"
    assert run("watch", "a").code == 0
    assert run("submit", "--name", "a", "--keys", keys[0], *SIMPLE).code == 2
    manifest = tmp_path / "b.yaml"
    manifest.write_text(run("submit", "--name", "b", "--keys", keys[0], *SIMPLE, "--generate").out)
    assert run("validate", str(manifest), "--run").out.count("Validated") == 1
    assert [job["metadata"]["name"] for job in yaml.safe_load(run("list", "-o", "yaml").out)["items"]] == [
        "a"
    ]


def test_pictures_get_into_the_bucket_and_results_out(
    shop: Shop, run: Run, client: Client, tmp_path: Path
) -> None:
    """The store has no address outside of the cluster, and nothing is configured."""
    sent = tmp_path / "photos"
    sent.mkdir()
    for name in ("china.jpg", "coffee.png"):
        (sent / name).write_bytes(photos.photo(name))
    assert run("upload", str(sent)).out.endswith("uploaded 2 objects\n")
    assert run("submit", "--name", "a", "--match-prefix", "uploads/", *SIMPLE, "--wait").code == 0
    page = tmp_path / "page.html"
    shown = run("results", "a", "--download", str(tmp_path / "got"), "--gallery", str(page))
    assert shown.code == 0, shown
    assert re.search(r"^✓ +out/china-out\.webp +\S+ B +20×\d+ image/webp$", shown.out, re.MULTILINE), shown
    key = run("results", "a", "-o", "name").out.splitlines()[0]
    data = shop.read(f"{shop.name}/{key}")
    assert (tmp_path / "got" / key).read_bytes() == data
    assert (tmp_path / "page_files" / "outputs" / key).read_bytes() == data
    assert run("download", "uploads/", "--to", str(tmp_path / "back")).code == 0
    assert (tmp_path / "back" / "uploads" / "china.jpg").read_bytes() == photos.photo("china.jpg")
    assert client.results("a").report.totals.outputs == 2


def test_a_failure_is_explained_and_retried(shop: Shop, run: Run) -> None:
    (key,) = shop.upload_photos("china.jpg")
    shop.upload("broken.png", b"no image")
    failed = run("submit", "--name", "a", "--keys", key, "--keys", "broken.png", *SIMPLE, "--wait")
    assert failed.code == 1
    assert "JOB_005 ItemsFailed\n  evidence  1 of 2 items failed" in failed.out
    assert "IMG_001 UNDECODABLE  broken.png" in failed.out
    assert "kubectl edit imagejob a -n" in run("status", "a").out
    shop.upload_photos("coffee.png", prefix="")
    shop.upload("broken.png", shop.read(f"{shop.name}/coffee.png"))
    assert run("retry", "a", "--failed", "--wait").code == 0
    assert run("status", "nope").code == 4


def test_a_run_is_suspended_resumed_and_cancelled(
    shop: Shop, run: Run, client: Client, large_photo: bytes
) -> None:
    keys = shop.upload_copies(large_photo, 6)
    client.submit(
        build("a", source={"keys": keys}, renditions=[SLOW], execution={"parallelism": 1, "itemsPerPod": 3})
    )
    shop.await_phase("a", "Running")
    assert re.search(r"^a-\S+  ", run("logs", "a", "--tail", "5").out, re.MULTILINE)
    assert "▸  Running" in run("status", "a").out
    assert run("suspend", "a").code == 0
    shop.await_phase("a", "Suspended")
    assert "imagejob resume a" in run("status", "a").out
    assert run("resume", "a").code == 0
    shop.await_job("a", lambda job: job["status"]["phase"] in ("Launching", "Running"), "it goes on")
    assert run("cancel", "a").code == 0
    assert run("watch", "a").code == 1
    assert client.get("a").phase == "Cancelled"


def test_what_is_wrong_is_named(run: Run, client: Client) -> None:
    done = run("doctor")
    assert done.code == 0, done
    assert done.out.count("✓") == 10
    manifest = build("a", source={"keys": ["a.jpg"]}, renditions=[rendition("out", width=20)])
    manifest["spec"]["renditons"] = []
    with pytest.raises(Invalid, match=r'unknown field "spec\.renditons"'):
        client.submit(manifest)
    del manifest["spec"]["renditons"]
    manifest["spec"]["renditions"][0]["output"]["format"] = "BMP"
    with pytest.raises(Invalid) as invalid:
        client.submit(manifest)
    assert invalid.value.fields == ("spec.renditions[0].output.format",), invalid.value


def test_a_user_without_rights_is_shown_the_missing_verb(shop: Shop, tmp_path: Path) -> None:
    config = yaml.safe_load(shop.world.kubectl.kubeconfig.read_text())
    config["users"][0]["user"]["as"] = "jane"
    path = tmp_path / "jane"
    path.write_text(yaml.safe_dump(config))
    jane = Client.connect(kubeconfig_file=str(path), namespace=shop.name)
    with pytest.raises(
        StoreFailed, match="its settings cannot be read: user 'jane' may not list deployments"
    ):
        jane.bucket()
    with pytest.raises(Forbidden, match="user 'jane' may not list imagejobs in namespace") as forbidden:
        jane.list()
    assert forbidden.value.verb == "list"


def test_a_job_of_flux_is_left_alone(run: Run, client: Client) -> None:
    label = {"kustomize.toolkit.fluxcd.io/name": "apps"}
    manifest = build(
        "a", source={"keys": ["a.jpg"]}, renditions=[rendition("out")], labels=label, suspend=True
    )
    client.submit(manifest)
    refused = run("resume", "a")
    assert refused.code == 2
    assert yaml.safe_load(refused.out) == {"spec": {"suspend": False}}
    assert client.get("a").spec["suspend"] is True
    assert run("resume", "a", "--force").code == 0
