"""Keys in the store: what users may name, where the outputs go, where a run's staging lies.

Every key of a user is *relative*: it is resolved below the part of the bucket that belongs to the job's
namespace, and nothing in it can climb out of there.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from imagejob_operator.core.api import REPORT_ROOT, RESERVED_ROOTS, STAGING_ROOT
from imagejob_processor.contract import EXTENSIONS, Rendition
from imagejob_processor.same import UnknownEnding, for_source

MAX_KEY_CHARACTERS = 512
MAX_OUTPUT_KEY_BYTES = 1024
"""S3's own limit on a key."""

TEMPLATE_VARIABLES = ("dir", "stem", "name", "index", "rendition", "ext")


_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_CLIMBS = re.compile(r"(?:^|/)\.{0,2}(?:/|\Z)")


class InvalidKey(ValueError):
    """A key that users may not use; the message names the field, the key and the rule."""


class KeyCollision(ValueError):
    """Two outputs would have the same key; the message names both."""


def common_prefix(keys: Iterable[str]) -> str:
    """The longest beginning that all keys share; empty if there are none."""
    sorted_keys = sorted(keys)
    if not sorted_keys:
        return ""
    first, last = sorted_keys[0], sorted_keys[-1]
    length = next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    return first[:length]


def check_relative_key(key: str, field: str) -> None:
    """Hold a user's key in its jail.

    Raises:
        InvalidKey: for an absolute key, an empty, `.` or `..` segment, a control character, or a name
            that the operator keeps for itself.
    """
    if not key or len(key) > MAX_KEY_CHARACTERS:
        raise InvalidKey(
            f"{field}: {key[:60]!r} has {len(key)} characters; 1 to {MAX_KEY_CHARACTERS} are allowed"
        )
    check_jail(key, field)


def check_jail(key: str, field: str) -> None:
    """Hold a key of any length in its jail.

    Raises:
        InvalidKey: as `check_relative_key`.
    """
    if key.startswith("/"):
        raise InvalidKey(
            f"{field}: {key!r} must not start with '/'; keys are relative to the namespace's part"
        )
    if _CONTROL.search(key):
        raise InvalidKey(f"{field}: {key!r} must not contain control characters")
    if _CLIMBS.search(key):
        raise InvalidKey(f"{field}: {key!r} must not have an empty, '.' or '..' segment")
    check_reserved(key, field)


def check_reserved(key: str, field: str) -> None:
    """Keep users out of the operator's own folders.

    Raises:
        InvalidKey: for a key whose first segment is one of them.
    """
    root = key.partition("/")[0]
    if root in RESERVED_ROOTS:
        raise InvalidKey(f"{field}: {key!r} starts with {root!r}, which the operator keeps for itself")


def check_prefix(prefix: str, field: str) -> None:
    """Hold a user's prefix in its jail; a prefix may end with one '/'.

    Raises:
        InvalidKey: as `check_relative_key`.
    """
    check_relative_key(prefix.removesuffix("/") if len(prefix) <= MAX_KEY_CHARACTERS else prefix, field)


def check_template(template: str, field: str) -> None:
    """Check that a key template names only known variables and cannot leave the jail.

    Raises:
        InvalidKey: for an unknown variable, a stray brace, or a template that breaks the rules of keys.
    """
    if not re.fullmatch(f"([^{{}}]|[{{]({'|'.join(TEMPLATE_VARIABLES)})[}}])*", template):
        known = ", ".join("{" + variable + "}" for variable in TEMPLATE_VARIABLES)
        raise InvalidKey(f"{field}: {template!r} may use the variables {known} and no other braces")
    sample = template.format(dir="d/", stem="s", name="n", index="0", rendition="r", ext="e")
    check_relative_key(sample, field)


def namespace_prefix(namespace: str) -> str:
    """The part of the default store's bucket that belongs to a namespace."""
    return f"{namespace}/"


def staging_folder(installation: str, cluster: str) -> str:
    """The name of the folder with the staging of one installation in one cluster.

    Every cluster has its own, since the jobs of another cluster look like deleted ones here. All uids have
    the same length, so no two installations share a folder.

    Args:
        installation: the name of the installation.
        cluster: the uid of the cluster.
    """
    return f"{installation}-{cluster}"


def own_staging_prefix(folder: str) -> str:
    """Where all staging of one installation in one cluster lies; ends with '/'."""
    return f"{STAGING_ROOT}/{folder}/"


def job_staging_prefix(folder: str, namespace: str, uid: str) -> str:
    """Where all staging of one ImageJob lies; ends with '/'."""
    return f"{own_staging_prefix(folder)}{namespace}/{uid}/"


def staging_prefix(folder: str, namespace: str, uid: str, number: int, epoch: int) -> str:
    """Where everything of one epoch of one run lies; ends with '/'. Never written again once deleted."""
    return f"{job_staging_prefix(folder, namespace, uid)}{number}-{epoch}/"


def reports_prefix(namespace: str, name: str) -> str:
    """Where the reports of all ImageJobs of one name lie; ends with '/'."""
    return f"{REPORT_ROOT}/{namespace}/{name}/"


def report_key(namespace: str, name: str, uid: str, number: int) -> str:
    """Where the report of a run is written: the commit mark of the run."""
    return f"{reports_prefix(namespace, name)}{uid[:8]}/{number}.json"


@dataclass(frozen=True, slots=True)
class FinalKey:
    """One output that the run will publish: key below the namespace's part."""

    index: int
    rendition: str
    key: str


def output_keys(
    sources: Sequence[str],
    renditions: Iterable[Rendition],
    prefix: str,
    template: str,
    base: str = "",
    places: Sequence[int] | None = None,
) -> list[FinalKey]:
    """Every final key of a run, in the order of items and renditions.

    Args:
        sources: relative keys of the items; their position is the index.
        renditions: what every item gives.
        prefix: `destination.prefix`.
        template: `destination.keyTemplate`.
        base: folder that `{dir}` is relative to (the folder of `source.match.prefix`).
        places: where each item stands in the whole source, for `{index}`; their position, if not said.

    Raises:
        KeyCollision: when two outputs would have one key.
        InvalidKey: when a key would be longer than the store takes, or a source's name does not say
            the format that a rendition takes over from it.
    """
    taken: dict[str, int] = {}
    keys: list[FinalKey] = []
    wanted = list(renditions)
    for index, source in enumerate(sources):
        folder, _, name = source.removeprefix(base).rpartition("/")
        stem = name.rpartition(".")[0] or name
        for rendition in wanted:
            key = prefix + template.format(
                dir=f"{folder}/" if folder else "",
                stem=stem,
                name=name,
                index=f"{places[index] if places else index:06d}",
                rendition=rendition.name,
                ext=_extension(rendition, source),
            )
            if len(key.encode()) > MAX_OUTPUT_KEY_BYTES:
                raise InvalidKey(
                    f"spec.destination.keyTemplate: the output key {key[:80]!r}... of {source!r} is "
                    f"longer than {MAX_OUTPUT_KEY_BYTES} bytes"
                )
            check_jail(key, "spec.destination.keyTemplate")
            if key in taken:
                other = keys[taken[key]]
                raise KeyCollision(
                    f"spec.destination.keyTemplate: {source!r} ({rendition.name}) and "
                    f"{sources[other.index]!r} ({other.rendition}) would both be written to {key!r}; use "
                    "{dir}, {name}, {rendition} or {index}"
                )
            taken[key] = len(keys)
            keys.append(FinalKey(index, rendition.name, key))
    return keys


def _extension(rendition: Rendition, source: str) -> str:
    try:
        return EXTENSIONS[for_source(rendition, source).output.format]
    except UnknownEnding as error:
        raise InvalidKey(f"spec.renditions: {error}") from None


def matches(key: str, include: Sequence[str], exclude: Sequence[str]) -> bool:
    """Whether a key passes the globs: `*` within a segment, `**` across; no include means all."""
    if include and not any(glob_matches(glob, key) for glob in include):
        return False
    return not any(glob_matches(glob, key) for glob in exclude)


def glob_matches(glob: str, key: str) -> bool:
    """Whether the whole key matches a glob with `*`, `?` (one segment) and `**/` (any folders)."""
    return _glob_segments(glob.split("/"), key.split("/"))


def _glob_segments(globs: list[str], segments: list[str]) -> bool:
    reachable = {0}
    for glob in globs:
        if glob == "**":
            reachable = {end for start in reachable for end in range(start, len(segments) + 1)}
        else:
            reachable = {
                start + 1
                for start in reachable
                if start < len(segments) and fnmatch.fnmatchcase(segments[start], glob)
            }
    return len(segments) in reachable
