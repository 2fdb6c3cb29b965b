"""The outputs that a run will publish: their keys."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from imagejob_contract.output import EXTENSIONS
from imagejob_contract.recipe import Rendition
from imagejob_contract.source_format import UnknownExtension, for_source
from imagejob_operator.api.locations import Match
from imagejob_operator.validation.globs import matches
from imagejob_operator.validation.keys import InvalidKey, KeyCollision, check_segments

MAX_OUTPUT_KEY_BYTES = 1024
"""S3's own limit on a key."""


def common_prefix(keys: Iterable[str]) -> str:
    """The longest beginning that all keys share; empty if there are none."""
    sorted_keys = sorted(keys)
    if not sorted_keys:
        return ""
    first, last = sorted_keys[0], sorted_keys[-1]
    length = next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    return first[:length]


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
            check_segments(key, "spec.destination.keyTemplate")
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
    except UnknownExtension as error:
        raise InvalidKey(f"spec.renditions: {error}") from None


def check_sources_stay(outputs: Sequence[str], sources: Sequence[str], match: Match | None) -> None:
    """No output may overwrite a source, or lie where the next run would take it for one.

    Raises:
        KeyCollision: naming the output, and what to do.
    """
    taken = set(sources)
    for key in outputs:
        if key in taken:
            raise KeyCollision(
                f"spec.destination: the output {key!r} would overwrite a source; set a prefix, or use "
                "{rendition} in keyTemplate"
            )
        if match and key.startswith(match.prefix) and matches(key, match.include, match.exclude):
            raise KeyCollision(
                f"spec.destination: the output {key!r} lies below spec.source.match.prefix "
                f"{match.prefix!r}, so the next run would take it for a source; choose another prefix"
            )
