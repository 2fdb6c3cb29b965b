"""Builds our images from the Dockerfile.

The archive in the cache is named after a hash of all inputs, so that an
unchanged image is not built again.
"""

import json
import shutil
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from localcluster import baseimage, binaries, buildah, machine
from localcluster.commands import run
from localcluster.errors import ClusterError
from localcluster.fingerprints import of_tree
from localcluster.locking import locked
from localcluster.paths import cache_root, repository
from localcluster.program_images import of_program, write_archive
from localcluster.progress import say, step
from localcluster.wheels import wheelhouse

KEPT_ARCHIVES = 6
BUILD_FILES = ("Dockerfile", ".dockerignore", "tools/imagebuild")


@dataclass(frozen=True)
class Target:
    """One target of the Dockerfile and its inputs."""

    name: str
    tag: str
    sources: tuple[str, ...]
    lock: str


_CONTRACT = "processor/imagejob_contract"
TARGETS = {
    "operator": Target(
        "operator",
        "localhost/imagejob-operator:dev",
        ("operator/imagejob_operator", _CONTRACT),
        "locks/operator.txt",
    ),
    "processor": Target(
        "processor",
        "localhost/imagejob-processor:dev",
        ("processor/imagejob_processor", _CONTRACT),
        "locks/processor.txt",
    ),
}

STORE = "store"
STORE_TAG = "localhost/versitygw:dev"
"""The S3 server of the demo: no target of the Dockerfile, but published, or built with Go."""
TEST_STORE = "minio"
TEST_STORE_TAG = "localhost/minio:dev"
"""The S3 server of the end-to-end tests."""
STORE_PUBLISHED = (
    "docker.io/versity/versitygw:v1.8.0"
    "@sha256:30292fc2eeacc67a36993b01f7a7a5e3361a19cced0e80c1d71cfa2a4b0a2499"
)

NAMES = (*TARGETS, STORE)
TEST_NAMES = (*TARGETS, TEST_STORE)


@dataclass(frozen=True)
class BuiltImage:
    """An image in an archive."""

    tag: str
    archive: Path


def build_all(names: Sequence[str], engine: str = "") -> Iterator[BuiltImage]:
    """Build the named images lazily."""
    engine = engine or default_engine()
    for name in names:
        if name not in (*NAMES, TEST_STORE):
            raise ClusterError(f"unknown image {name}; use one of {', '.join((*NAMES, TEST_STORE))}")
    for name in names:
        with locked(cache_root() / "images" / f"{name}.lock", f"the build of image {name}"):
            if name == STORE and engine == "docker" and (pulled := _pulled_store()):
                yield pulled
            elif name == STORE:
                yield _program_image(STORE_TAG, binaries.VERSITYGW)
            elif name == TEST_STORE:
                yield _program_image(TEST_STORE_TAG, binaries.MINIO)
            else:
                yield _build(TARGETS[name], engine)


def default_engine() -> str:
    """Return docker if its engine responds, else buildah."""
    return "docker" if machine.docker_answers() else "buildah"


def _build(target: Target, engine: str) -> BuiltImage:
    folder = cache_root() / "images"
    with tempfile.TemporaryDirectory(dir=folder, prefix="context-") as name:
        # Hash the copy: the tree may change during the build.
        context = Path(name)
        _copy_sources(context, target)
        archive = folder / f"{target.name}-{_fingerprint(context, engine)}.tar"
        if archive.exists():
            say(f"image {target.tag} is unchanged")
            return BuiltImage(target.tag, archive)
        with step(f"building image {target.tag}"):
            unfinished = archive.with_suffix(".unfinished")
            (_with_docker if engine == "docker" else _with_buildah)(context, target, unfinished)
            unfinished.rename(archive)
    _forget_older(target.name)
    return BuiltImage(target.tag, archive)


def _program_image(tag: str, module: binaries.Module) -> BuiltImage:
    """Pack a program that is built with Go."""
    archive = cache_root() / "images" / f"{module.name}-{module.fingerprint()}.tar"
    if not archive.exists():
        ((name, _),) = module.programs
        unfinished = archive.with_suffix(".unfinished")
        program = binaries.ensure(module) / name
        write_archive([of_program(tag, program, "65532:65532")], unfinished)
        unfinished.rename(archive)
        _forget_older(module.name)
    return BuiltImage(tag, archive)


def _pulled_store() -> BuiltImage | None:
    """Return the published image of the demo's store; None if no registry has it."""
    digest = STORE_PUBLISHED.rpartition(":")[2]
    archive = cache_root() / "images" / f"{STORE}-{digest[:16]}.tar"
    if not archive.exists():
        try:
            with step(f"pulling {STORE_PUBLISHED.partition('@')[0]}"):
                run(["docker", "pull", "--quiet", STORE_PUBLISHED], timeout=600)
        except ClusterError as error:
            say(f"    it will be built with Go instead: {error}")
            return None
        run(["docker", "tag", STORE_PUBLISHED, STORE_TAG])
        unfinished = archive.with_suffix(".unfinished")
        run(["docker", "save", "--output", str(unfinished), STORE_TAG], timeout=600)
        unfinished.rename(archive)
        _forget_older(STORE)
    return BuiltImage(STORE_TAG, archive)


def build_uncached(name: str, archive: Path) -> None:
    """Build a target of the Dockerfile from the source tree, without the layers of earlier builds."""
    with tempfile.TemporaryDirectory(dir=cache_root(), prefix="context-") as folder:
        context = Path(folder)
        target = TARGETS[name]
        _copy_sources(context, target)
        uncached = replace(target, tag=f"{target.tag}-uncached")
        with step(f"building image {target.tag} without a cache"):
            _with_buildah(context, uncached, archive, cached=False)
            buildah.buildah("rmi", uncached.tag)


def _with_buildah(context: Path, target: Target, archive: Path, *, cached: bool = True) -> None:
    """Build without a registry and without a network: on our own base, with the wheels of the cache."""
    machine.require_root()
    machine.install(machine.IMAGE_PACKAGES)
    wheels = wheelhouse(context / target.lock)
    buildah.build(context, target.name, baseimage.ensure(), wheels, target.tag, cached=cached)
    buildah.save(target.tag, archive)


def _with_docker(context: Path, target: Target, archive: Path) -> None:
    """Build as everybody does. Docker 20.10 needs to be told to use BuildKit."""
    command = ["docker", "build", "--target", target.name, "--tag", target.tag, str(context)]
    run(command, env={"DOCKER_BUILDKIT": "1"}, timeout=1800)
    run(["docker", "save", "--output", str(archive), target.tag], timeout=600)


def _fingerprint(context: Path, engine: str) -> str:
    return of_tree(context, [context], salt=f"{engine} {baseimage.tag()}")[:16]


def _forget_older(name: str) -> None:
    archives = (cache_root() / "images").glob(f"{name}-*.tar")
    newest_first = sorted(archives, key=lambda path: path.stat().st_mtime, reverse=True)
    for old in newest_first[KEPT_ARCHIVES:]:
        old.unlink()


def wheels_of(name: str) -> Path:
    """Return the folder of wheels of an image, for builds without a network."""
    if name not in TARGETS:
        raise ClusterError(f"image {name} has no wheels; use one of {', '.join(TARGETS)}")
    return wheelhouse(repository() / TARGETS[name].lock)


def _copy_sources(context: Path, target: Target) -> None:
    """Copy the inputs from the source tree."""
    root = repository()
    names = [*BUILD_FILES, *target.sources, target.lock]
    missing = [name for name in names if not (root / name).exists()]
    if missing:
        raise ClusterError(f"image {target.name} requires missing files: {', '.join(missing)}")
    for name in names:
        _copy(root / name, context / name)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(source, target, dirs_exist_ok=True, ignore=ignored)
    else:
        shutil.copy2(source, target)


def tags_in(archive: Path) -> list[str]:
    """Return the image names that a docker-archive holds."""
    try:
        with tarfile.open(archive) as file:
            manifest = file.extractfile("manifest.json")
            entries = json.load(manifest) if manifest else []
    except (tarfile.TarError, KeyError, ValueError) as error:
        raise ClusterError(f"{archive} is not a docker-archive: {error}") from error
    return [str(tag) for entry in entries for tag in entry.get("RepoTags") or []]
