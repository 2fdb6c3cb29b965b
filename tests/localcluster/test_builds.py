import hashlib
import io
import json
import re
import tarfile
from pathlib import Path

import pytest

from localcluster import baseimage, binaries, cli, images, wheels
from localcluster.errors import ClusterError
from localcluster.fingerprints import of_tree
from localcluster.golang import go_environment, parse_version
from localcluster.paths import repository
from localcluster.program_images import PAUSE, of_program, write_archive


def _module(folder: Path, monkeypatch: pytest.MonkeyPatch) -> binaries.Module:
    monkeypatch.setattr(binaries, "MODULES", folder)
    (folder / "thing").mkdir(parents=True)
    (folder / "thing" / "go.mod").write_text("module thing\n")
    return binaries.Module("thing", (("thing", "."),))


def test_a_module_is_built_again_only_when_something_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = _module(tmp_path, monkeypatch)
    first = module.fingerprint()
    assert module.fingerprint() == first
    (module.sources / "notes.txt").write_text("not an input")
    assert module.fingerprint() == first
    (module.sources / "go.sum").write_text("other versions")
    second = module.fingerprint()
    assert second != first
    other_flags = binaries.Module("thing", module.programs, linker_flags="-X other")
    assert other_flags.fingerprint() != second


def test_the_same_text_in_another_file_is_a_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = _module(tmp_path, monkeypatch)
    (module.sources / "a.go").write_text("text")
    first = module.fingerprint()
    (module.sources / "a.go").rename(module.sources / "b.go")
    assert module.fingerprint() != first


def test_programs_get_their_names_whatever_go_calls_them() -> None:
    named = {name: binaries.executable(binaries.KUBERNETES, of) for name, of in binaries.KUBERNETES.programs}
    assert named.pop("etcd") == "server"
    assert all(name == built for name, built in named.items())
    assert binaries.executable(binaries.COREDNS, ".") == "coredns"


@pytest.mark.timeout(120)
def test_the_programs_of_a_module_are_built_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGEJOB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(binaries, "MODULES", tmp_path)
    (tmp_path / "thing" / "cmd" / "v2").mkdir(parents=True)
    (tmp_path / "thing" / "go.mod").write_text("module thing\n\ngo 1.26\n")
    for place in ("main.go", "cmd/v2/main.go"):
        (tmp_path / "thing" / place).write_text("package main\n\nfunc main() {}\n")
    module = binaries.Module("thing", (("thing", "."), ("other", "thing/cmd/v2")))
    folder = binaries.ensure(module)
    assert sorted(path.name for path in folder.iterdir()) == ["other", "thing"]
    assert binaries.is_built(module)


def test_every_module_has_a_folder_with_pinned_versions() -> None:
    for module in (*binaries.ALL_MODULES, *binaries.ON_REQUEST):
        text = (module.sources / "go.mod").read_text()
        assert "@latest" not in text
        assert text.startswith(f"module imagejob.dev/localcluster/{module.name}\n")


def test_what_no_test_needs_is_built_only_when_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[str] = []

    def note(module: binaries.Module) -> Path:
        built.append(module.name)
        return Path(module.name)

    monkeypatch.setattr(binaries, "ensure", note)
    assert cli.main(["build"]) == 0
    assert built == [module.name for module in binaries.ALL_MODULES]
    assert "kwok" not in built
    built.clear()
    assert cli.main(["build", "kwok"]) == 0
    assert built == ["kwok"]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("go version go1.26.6 linux/amd64", (1, 26)),
        ("go version go1.9 linux/amd64", (1, 9)),
        ("go version devel +abc", (0, 0)),
        ("", (0, 0)),
    ],
)
def test_parse_version(answer: str, expected: tuple[int, int]) -> None:
    assert parse_version(answer) == expected


def test_a_bare_environment_keeps_go_within_our_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMAGEJOB_CACHE", str(tmp_path))
    monkeypatch.setenv("HOME", "")
    bare = go_environment()
    assert all(bare[name].startswith(str(tmp_path)) for name in ("GOPATH", "GOMODCACHE", "GOCACHE"))
    monkeypatch.setenv("HOME", "/home/someone")
    assert "GOCACHE" not in go_environment()


def test_a_tree_hash_ignores_byte_code_and_place(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "src").mkdir(parents=True)
        (tmp_path / name / "src" / "a.py").write_text("a = 1\n")
    one, two = tmp_path / "one", tmp_path / "two"
    (two / "src" / "__pycache__").mkdir()
    (two / "src" / "__pycache__" / "a.pyc").write_text("byte code")
    assert of_tree(one, [one]) == of_tree(two, [two])
    assert of_tree(one, [one], salt="x") != of_tree(one, [one])
    (two / "src" / "a.py").write_text("a = 2\n")
    assert of_tree(one, [one]) != of_tree(two, [two])
    (two / "src" / "a.py").write_text("a = 1\n")
    (two / "src" / "a.py").chmod(0o755)
    assert of_tree(one, [one]) != of_tree(two, [two])


def test_wheels_are_for_the_base_image_not_for_this_python() -> None:
    arguments = wheels.platform_arguments("x86_64")
    assert arguments[arguments.index("--python-version") + 1] == "3.13"
    assert "cp313" in arguments
    assert "manylinux_2_41_x86_64" in arguments
    assert "manylinux_2_42_x86_64" not in arguments


def test_our_base_has_the_python_and_the_debian_of_the_public_one() -> None:
    public = re.search(
        r"^ARG BASE_IMAGE=\S+/python:([\d.]+)-slim-(\w+)@", (repository() / "Dockerfile").read_text(), re.M
    )
    assert public
    assert public.groups() == (wheels.PYTHON, baseimage.SUITE)


def test_the_image_of_a_program_is_a_sound_docker_archive(tmp_path: Path) -> None:
    program = tmp_path / "pause"
    program.write_bytes(b"program")
    archive = tmp_path / "pause.tar"
    write_archive([of_program(PAUSE, program)], archive)
    assert images.tags_in(archive) == [PAUSE]
    with tarfile.open(archive) as file:
        members = {member.name: file.extractfile(member) for member in file.getmembers()}
        content = {name: member.read() for name, member in members.items() if member}
    manifest = json.loads(content["manifest.json"])[0]
    assert manifest["Config"] == f"{hashlib.sha256(content[manifest['Config']]).hexdigest()}.json"
    configuration = json.loads(content[manifest["Config"]])
    (name,) = manifest["Layers"]
    assert configuration["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(content[name]).hexdigest()}"]
    assert configuration["config"] == {"Entrypoint": ["/pause"], "User": "65535:65535"}
    with tarfile.open(fileobj=io.BytesIO(content[name])) as inner:
        assert inner.getmember("pause").mode == 0o755


def test_a_file_that_is_no_archive_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    path.write_text("not a tar")
    with pytest.raises(ClusterError, match=r"x\.tar is not a docker-archive"):
        images.tags_in(path)


def test_every_image_target_is_a_stage_of_the_dockerfile() -> None:
    text = (repository() / "Dockerfile").read_text()
    for name in images.TARGETS:
        assert f" AS {name}\n" in text


def test_with_docker_the_store_is_pulled_as_it_is_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The digest is of the version that is built elsewhere; without a registry, that is done here as well."""
    monkeypatch.setenv("IMAGEJOB_CACHE", str(tmp_path))
    (tmp_path / "images").mkdir()
    asked: list[list[str]] = []

    def docker(command: list[str], **_: object) -> str:
        asked.append(command)
        if "save" in command:
            Path(command[3]).write_text("published")
        return ""

    monkeypatch.setattr(images, "run", docker)
    (built,) = images.build_all([images.STORE], "docker")
    assert built.archive.read_text() == "published"
    assert asked[0] == ["docker", "pull", "--quiet", images.STORE_PUBLISHED]
    version = re.search(r":(v[\d.]+)@sha256:[0-9a-f]{64}$", images.STORE_PUBLISHED)
    assert version
    pinned = (binaries.VERSITYGW.sources / "go.mod").read_text()
    assert f"github.com/versity/versitygw {version[1]} " in pinned


def test_without_a_registry_the_store_is_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGEJOB_CACHE", str(tmp_path))
    (tmp_path / "images").mkdir()
    (tmp_path / "versitygw").write_text("program")

    def unreachable(command: list[str], **_: object) -> str:
        raise ClusterError("no such host")

    monkeypatch.setattr(images, "run", unreachable)
    monkeypatch.setattr(binaries, "ensure", lambda module: tmp_path)
    (built,) = images.build_all([images.STORE], "docker")
    assert images.tags_in(built.archive) == [images.STORE_TAG]
