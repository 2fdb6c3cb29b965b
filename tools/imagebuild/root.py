"""`python3 -m imagebuild.root FOLDER`: copy Python and what it needs from this Debian into a folder.

No shell, no package manager and no compiler: what is not there has no vulnerabilities, and images are half
as large.
"""

import compileall
import py_compile
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path

UNUSED = (
    *("test", "idlelib", "tkinter", "turtledemo", "turtle.py", "ensurepip", "lib2to3", "pydoc_data"),
    *("site-packages", "dist-packages", "config-*", "sitecustomize.py", "__pycache__"),
)
"""Of Python's library: what no server uses, what is installed elsewhere, files for compiling extensions."""

LOADED_BY_WHEELS = (
    *("libc.so.6", "libdl.so.2", "libm.so.6", "libpthread.so.0", "librt.so.1", "libutil.so.1"),
    *("libgcc_s.so.1", "libstdc++.so.6"),
)
"""Libraries that a wheel may take from the system (PEP 513)."""

FILES = (
    *("etc/passwd", "etc/group", "etc/nsswitch.conf", "etc/os-release", "usr/lib/os-release"),
    *("etc/ssl/certs", "etc/ssl/openssl.cnf", "usr/lib/ssl", "usr/share/ca-certificates"),
)
"""Users, name services, the release, and certificate authorities with OpenSSL's links to them."""


def main(target: Path) -> None:
    """Make the folder."""
    target.mkdir()
    for link in ("bin", "lib", "lib64", "sbin"):
        # On Debian these are links into /usr; the loader of every program is in /lib or /lib64.
        if Path("/", link).is_symlink():
            (target / link).symlink_to(Path("/", link).readlink())
    for folder, mode in (
        ("tmp", 0o1777),
        ("var/tmp", 0o1777),
        ("proc", 0o555),
        ("sys", 0o555),
        ("dev", 0o755),
    ):
        (target / folder).mkdir(parents=True)
        (target / folder).chmod(mode)
    library = Path(sysconfig.get_path("stdlib"))
    shutil.copytree(
        library,
        _inside(target, library),
        symlinks=True,
        ignore=shutil.ignore_patterns(*UNUSED),
        dirs_exist_ok=True,
    )
    compileall.compile_dir(
        _inside(target, library),
        ddir=library,
        quiet=1,
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )
    libraries = set(linked([Path(sys.executable), *library.glob("lib-dynload/*.so")]))
    libraries |= {path for name in LOADED_BY_WHEELS for path in installed(name)}
    libraries |= set(linked(libraries))
    for path in (Path(sys.executable), *sorted(libraries), *(Path("/", name) for name in FILES)):
        copy(path, target)
    describe([*libraries, Path(sys.executable), library / "os.py"], target)


def _inside(target: Path, path: Path) -> Path:
    return target / path.relative_to("/")


def copy(path: Path, target: Path) -> None:
    """Copy a file or folder to the same place, and the file that a link leads to."""
    place = _inside(target, path.parent.resolve()) / path.name
    place.parent.mkdir(parents=True, exist_ok=True)
    if path.is_symlink():
        place.unlink(missing_ok=True)
        place.symlink_to(path.readlink())
        if path.is_file():
            copy(path.parent.resolve() / path.readlink(), target)
    elif path.is_dir():
        shutil.copytree(path, place, symlinks=True, dirs_exist_ok=True)
    elif path.is_file():
        shutil.copy2(path, place)


def linked(programs: Iterable[Path]) -> Iterator[Path]:
    """Return the libraries that the loader finds for programs and libraries."""
    for program in programs:
        shown = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=False).stdout
        if "not found" in shown:
            raise SystemExit(
                f"imagebuild: a library that {program} links is missing in the base image:\n{shown}"
            )
        yield from (
            Path(word) for line in shown.splitlines() for word in line.split() if word.startswith("/")
        )


def installed(library: str) -> list[Path]:
    """Return where the base image has a library.

    Raises:
        SystemExit: It has not.
    """
    found = [path for folder in ("/usr/lib", "/usr/local/lib") for path in Path(folder).rglob(library)]
    if not found:
        raise SystemExit(f"imagebuild: the base image has no {library}; use a Debian image with Python")
    return found


def describe(copied: Iterable[Path], target: Path) -> None:
    """Write which Debian packages the files are of, as scanners read it, and their licences."""
    paths = {str(path.resolve()) for path in copied}
    # Packages of Debian 12 name some of their files by the links into /usr.
    paths |= {path.removeprefix("/usr") for path in paths}
    owners = subprocess.run(["dpkg", "-S", *paths], capture_output=True, text=True, check=False).stdout
    for package in sorted(set(re.findall(r"^([a-z0-9.+-]+)(?::\w+)?: /", owners, re.MULTILINE))):
        status = subprocess.run(["dpkg", "-s", package], capture_output=True, text=True, check=False).stdout
        record = target / "var" / "lib" / "dpkg" / "status.d" / package
        record.parent.mkdir(parents=True, exist_ok=True)
        record.write_text(status)
        copy(Path("/usr/share/doc", package, "copyright"), target)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
