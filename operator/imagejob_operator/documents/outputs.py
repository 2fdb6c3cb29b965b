"""The outputs that a run will publish: their keys, formats and content keys."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import msgspec

from imagejob_contract.output import CONTENT_TYPES, EXTENSIONS
from imagejob_contract.recipe import PIXELS_VERSION, Rendition
from imagejob_contract.source_format import UnknownExtension, for_source
from imagejob_operator.api.output_headers import Headers
from imagejob_operator.api.sources import Source
from imagejob_operator.api.spec import Spec
from imagejob_operator.validation.keys import InvalidKey, KeyCollision, check_key


@dataclass(frozen=True, slots=True)
class PlannedItem:
    """What the outputs of an item follow from."""

    source: str
    place: int
    """Its position among all sources, for `{index}`."""
    identity: str = ""
    """Identifies its bytes: an ETag or a hash; empty if it is not known yet."""


@dataclass(frozen=True, slots=True)
class PlannedOutput:
    """One output: an item in a rendition, at a key below the namespace's part of the store."""

    item: PlannedItem
    rendition: Rendition
    """With the format of the source in place of Same."""
    key: str
    headers: Headers

    @property
    def content_type(self) -> str:
        """Its Content-Type."""
        return CONTENT_TYPES[self.rendition.output.format]

    @property
    def content_key(self) -> str:
        """A hash of all that the object depends on, in hex: equal outputs have equal content keys.

        Names do not count: the key of the source, that of the output, the rendition's name. Fields with
        their default value are left out, so that a new field with a default does not change it.
        """
        recipe = self.rendition
        parts = (PIXELS_VERSION, self.item.identity, recipe.steps, recipe.output, self.headers)
        return hashlib.sha256(msgspec.json.encode(parts, order="deterministic")).hexdigest()


def planned_outputs(spec: Spec, items: Iterable[PlannedItem]) -> list[list[PlannedOutput]]:
    """All outputs of a run: for each item one per rendition, in the order of the spec.

    Raises KeyCollision for equal keys, and InvalidKey for a key or a source's extension that is not allowed.
    """
    planned = [list(outputs_of(spec, item)) for item in items]
    taken: dict[str, PlannedOutput] = {}
    for output in (output for outputs in planned for output in outputs):
        if other := taken.get(output.key):
            raise KeyCollision(
                f"spec.destination.keyTemplate: {output.item.source!r} ({output.rendition.name}) and "
                f"{other.item.source!r} ({other.rendition.name}) have the same output key {output.key!r}; "
                "use {dir}, {name}, {rendition} or {index}"
            )
        taken[output.key] = output
    return planned


def check_outputs(spec: Spec, names: Sequence[str]) -> None:
    """Check the outputs of all sources of a run, by the names of the sources.

    Raises:
        KeyCollision: Two outputs have the same key, or one overwrites a source, or would be a source of the
            next run.
        InvalidKey: A key or the extension of a source is not allowed.
    """
    keys = (output.key for item in _planned(names) for output in outputs_of(spec, item))
    # A run may have 320,000 outputs: hashes of their keys need a tenth of the memory of the keys.
    hashes = array("q", map(hash, staying(keys, names, spec.source)))
    if len(set(hashes)) < len(hashes):
        planned_outputs(spec, _planned(names))


def _planned(names: Sequence[str]) -> Iterator[PlannedItem]:
    return (PlannedItem(name, place) for place, name in enumerate(names))


def outputs_of(spec: Spec, item: PlannedItem) -> Iterator[PlannedOutput]:
    """The outputs of an item, one for each rendition."""
    relative = item.source.removeprefix(spec.source.folder)
    folder = relative[: relative.rfind("/") + 1]
    name = relative.removeprefix(folder)
    stem = name.rpartition(".")[0] or name
    for declared in spec.renditions:
        try:
            rendition = for_source(declared, item.source)
        except UnknownExtension as error:
            raise InvalidKey(f"spec.renditions: {error}") from None
        key = spec.destination.prefix + spec.destination.key_template.format(
            dir=folder,
            stem=stem,
            name=name,
            index=f"{item.place:06d}",
            rendition=rendition.name,
            ext=EXTENSIONS[rendition.output.format],
        )
        check_key(key, f"spec.destination.keyTemplate: the output key of {item.source[:80]!r}")
        yield PlannedOutput(item, rendition, key, spec.destination.headers)


def staying(outputs: Iterable[str], names: Sequence[str], source: Source) -> Iterator[str]:
    """The keys of outputs; raises KeyCollision at one that is a source, or would be one in the next run."""
    read = set(source.keys_read(names))
    selects = source.match.selector() if source.match else None
    for key in outputs:
        if key in read:
            raise KeyCollision(
                f"spec.destination: the output {key!r} would overwrite a source; set a prefix, or use "
                "{rendition} in keyTemplate"
            )
        if source.match and selects and selects(key):
            raise KeyCollision(
                f"spec.destination: the output {key!r} would be a source of the next run, because it "
                f"matches spec.source.match under {source.match.prefix!r}; choose another prefix"
            )
        yield key
