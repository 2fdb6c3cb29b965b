"""What the images get of their base: without a build, on small folders."""

from pathlib import Path

import pytest

from imagebuild import root


@pytest.fixture
def ldd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An `ldd` that prints the file `answer`."""
    (tmp_path / "ldd").write_text(f"#!/bin/sh\nread -r all < {tmp_path}/answer\nprintf '%b' \"$all\"\n")
    (tmp_path / "ldd").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path / "answer"


def test_a_link_is_copied_with_the_file_that_it_leads_to(tmp_path: Path) -> None:
    base, target = tmp_path / "base", tmp_path / "image"
    (base / "usr" / "lib").mkdir(parents=True)
    (base / "lib").symlink_to("usr/lib")
    (base / "usr" / "lib" / "libx.so.1.2").write_text("library")
    (base / "usr" / "lib" / "libx.so.1").symlink_to("libx.so.1.2")
    root.copy(base / "lib" / "libx.so.1", target)
    copied = target / base.relative_to("/") / "usr" / "lib"
    assert (copied / "libx.so.1").is_symlink()
    assert (copied / "libx.so.1").read_text() == "library"


def test_what_the_base_does_not_have_is_not_copied(tmp_path: Path) -> None:
    root.copy(tmp_path / "nosuch", tmp_path / "image")
    assert not list((tmp_path / "image").rglob("nosuch"))


def test_the_loader_and_the_libraries_of_a_program_are_found(ldd: Path) -> None:
    ldd.write_text(
        r"\tlinux-vdso.so.1 (0x1)\n\tlibx.so.1 => /lib/libx.so.1 (0x2)\n\t/lib64/ld-linux.so.2 (0x3)\n"
    )
    assert list(root.linked([Path("/program")])) == [Path("/lib/libx.so.1"), Path("/lib64/ld-linux.so.2")]


def test_a_library_that_is_missing_ends_the_build(ldd: Path) -> None:
    ldd.write_text(r"\tlibx.so.1 => not found\n")
    with pytest.raises(SystemExit, match="a library that /program links is missing in the base image"):
        list(root.linked([Path("/program")]))
    with pytest.raises(SystemExit, match=r"the base image has no libnosuch\.so"):
        root.installed("libnosuch.so")
