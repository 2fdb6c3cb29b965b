"""Run an example as a user does: upload sources, apply the file, then each step."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from demo import photos
from e2e.examples.header import SETTLED, UNSEEN, BadHeader, End, objections, read_header
from e2e.faults.pictures import PLACE, placed
from e2e.world import Job, Shop, World, image_job, phase
from imagejob_operator.api.phase import Phase

PHOTOS = {".jpg": "china.jpg", ".jpeg": "flower.jpg", ".png": "chelsea.png"}
"""The photo that a source has, by the ending of its key."""

STEP_SECONDS = 120
"""The longest a step may take: all examples run beside each other on a small node."""


def documents(path: Path) -> list[dict[str, Any]]:
    """All documents of an example."""
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


def play(world: World, path: Path) -> list[str]:
    """Run an example in a new namespace; returns the differences to its header.

    Raises:
        BadHeader: if the header cannot be read.
    """
    header = read_header(path.read_text())
    names = [d["metadata"]["name"] for d in documents(path) if d["kind"] == "ImageJob"]
    shop = Shop(world, f"example-{uuid.uuid4().hex[:8]}")
    found: list[str] = []
    try:
        for key, text in header.needs.items():
            shop.upload(key, _photo(key) if text is None else text.encode())
        there = set(shop.outputs(""))
        for number, step in enumerate(header.steps, 1):
            if step.does:
                world.kubectl(*step.does, "-n", shop.name)
            else:
                _apply(world, path, shop.name)
                generations = {name: shop.get(name)["metadata"]["generation"] for name in names}
            unseen = UNSEEN in {end.phase for end in step.ends.values()}
            ended = _look_for_unseen(shop, names) if unseen else {n: _await_rest(shop, n) for n in names}
            now = set(shop.outputs(""))
            objected = objections(step, ended, sorted(now - there), sorted(there - now))
            found += [f"{path.name}, step {number}: {objection}" for objection in objected]
            there = now
            if not step.does:
                found += _applied_again(world, path, shop, generations)
        _forget_secrets(path, shop)
        if found:
            found.append(shop.diagnosis())
        return found
    except AssertionError as error:
        error.add_note(shop.diagnosis())
        raise
    finally:
        shop.close()


def _apply(world: World, path: Path, namespace: str) -> None:
    """The file, with the addresses of the tests' web server and the prefix of the namespace."""
    text = path.read_text()
    if PLACE not in text and "kind: ImageStore" not in text:
        world.kubectl("apply", "-f", str(path), "-n", namespace)
        return
    for document in placed(documents(path), world.pictures):
        if document["kind"] == "ImageStore":
            # Where the example has the folder of its user's namespace, the test has that of its own.
            spec = document["spec"]
            spec["prefix"] = spec["prefix"].replace("shop/", f"{namespace}/")
        world.kubectl.apply(document, "-n", namespace)


def _applied_again(world: World, path: Path, shop: Shop, generations: Mapping[str, int]) -> list[str]:
    """The jobs that change when the file is applied again after their run, as GitOps does."""
    _apply(world, path, shop.name)
    now = {name: shop.get(name)["metadata"]["generation"] for name in generations}
    return [f"{path.name}: {n} changed when it was applied again" for n in now if now[n] != generations[n]]


def _forget_secrets(path: Path, shop: Shop) -> None:
    """Secrets of the file itself are none that a job left behind."""
    for document in documents(path):
        if document["kind"] == "Secret":
            shop.world.core.delete_namespaced_secret(document["metadata"]["name"], shop.name)


def _look_for_unseen(shop: Shop, names: list[str]) -> dict[str, End]:
    """The state of jobs once the operator has certainly seen them: it has seen one that came later."""
    later = image_job({"keys": ["none.jpg"]}, name="seen-later", suspend=True)
    shop.apply(later)
    shop.await_phase("seen-later", Phase.SUSPENDED)
    shop.delete("seen-later")
    jobs = {name: shop.get(name) for name in names}
    return {n: end_of(job) if phase(job) else End(UNSEEN) for n, job in jobs.items()}


def _photo(key: str) -> bytes:
    ending = Path(key).suffix.lower()
    if ending not in PHOTOS:
        raise BadHeader(f"Needs: {key!r}: its ending is none of {', '.join(PHOTOS)}; write '{key} = TEXT'")
    return photos.photo(PHOTOS[ending])


def _await_rest(shop: Shop, name: str) -> End:
    return end_of(shop.await_job(name, at_rest, f"one of {', '.join(sorted(SETTLED))}", STEP_SECONDS))


def at_rest(job: Job) -> bool:
    """Whether the run that is wanted is at an end, or rests: nothing goes on by itself."""
    status = job.get("status", {})
    seen = status.get("observedGeneration") == job["metadata"]["generation"]
    if not seen or phase(job) not in SETTLED:
        return False
    return phase(job) == Phase.SUSPENDED or bool(status["run"]["id"] == job["spec"]["run"]["id"])


def end_of(job: Job) -> End:
    """How a job that rests has ended."""
    error: Mapping[str, str] = job["status"].get("error", {})
    if error:
        return End(phase(job), error["code"], error["reason"])
    ready = next(c for c in job["status"]["conditions"] if c["type"] == "Ready")
    return End(phase(job), "", ready["reason"])
