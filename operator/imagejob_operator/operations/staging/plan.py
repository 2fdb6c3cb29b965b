"""Which items a run has, and which of them it must process."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.api.imagejob import ImageJob
from imagejob_operator.api.sources import MatchSource
from imagejob_operator.api.spec import Spec, prefix_notes
from imagejob_operator.documents.outputs import check_outputs
from imagejob_operator.documents.report import ReportItem
from imagejob_operator.documents.watermark_images import identified
from imagejob_operator.operations.concurrency import compute
from imagejob_operator.operations.failed import OperationFailed
from imagejob_operator.operations.reports import unpublished_before
from imagejob_operator.operations.staging.existing_outputs import Candidate, skip_unchanged
from imagejob_operator.operations.staging.finding import MATCHED_AT_ONCE, find_sources
from imagejob_operator.operations.staging.sources import FoundSource
from imagejob_operator.operations.staging.watermark_images import find_watermark_images
from imagejob_operator.ports.object_store import ObjectStore, StoredObject
from imagejob_operator.validation.globs import matcher
from imagejob_operator.validation.keys import InvalidKey, KeyCollision

SHOWN_GLOBS = 3
"""Globs of at most 256 characters: a message has 1,024."""
MAX_OUTPUTS = 320_000
"""Of one run: 10,000 items in 32 renditions, or 100,000 in 3; its report names each of them."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The items of a run: those to process, and those whose outputs exist already."""

    items: list[Candidate]
    skipped: list[ReportItem]
    watermark_images: dict[str, StoredObject]
    """By key, as they were found."""
    note: str = ""
    """What is surprising about the spec, though valid."""


Matches = Callable[[str], bool]
"""Whether a key matches a glob."""


async def plan_items(store: ObjectStore, job: ImageJob, spec: Spec, prefix: str = "") -> Plan:
    """Find the items of a run, and check that their outputs can be published.

    Fails with JOB_001, JOB_002 or JOB_007/OverwriteRefused. Writes nothing if there is no staging `prefix`.
    """
    sources = await find_sources(store, job, spec, prefix)
    watermark_images = await find_watermark_images(store, job, spec)
    spec = identified(spec, {key: image.etag for key, image in watermark_images.items()})
    # All items are checked, even if the run takes only some: their outputs must not collide either.
    items = await compute(_candidates, spec, sources)
    if spec.run.items == "Failed":
        items = await _only_unpublished(store, job, items)
    items, skipped = await skip_unchanged(store, job, spec, items)
    note = "; ".join(filter(None, [prefix_notes(spec), await _useless_globs(spec.source.match, sources)]))
    return Plan(items, skipped, watermark_images, note)


async def _useless_globs(match: MatchSource | None, sources: Sequence[FoundSource]) -> str:
    """Which of several include globs select no source; empty if there are none."""
    if match is None or len(match.include) < 2:
        return ""
    useless: Mapping[str, Matches] = await compute(_by_glob, match.include)
    for start in range(0, len(sources), MATCHED_AT_ONCE):
        useless = await compute(_unmatched, useless, sources[start : start + MATCHED_AT_ONCE])
    if not useless:
        return ""
    more = f" and {len(useless) - SHOWN_GLOBS} more" if len(useless) > SHOWN_GLOBS else ""
    return (
        "spec.source.match.include: globs match the whole key, not only the name, and exclude removes keys; "
        f"no source is left for {', '.join(map(repr, [*useless][:SHOWN_GLOBS]))}{more}"
    )


def _by_glob(globs: Sequence[str]) -> Mapping[str, Matches]:
    return {glob: matcher((glob,), ()) for glob in globs}


def _unmatched(globs: Mapping[str, Matches], sources: Sequence[FoundSource]) -> Mapping[str, Matches]:
    return {
        glob: matches
        for glob, matches in globs.items()
        if not any(matches(source.name) for source in sources)
    }


def _candidates(spec: Spec, sources: Sequence[FoundSource]) -> list[Candidate]:
    if (count := len(sources) * len(spec.renditions)) > MAX_OUTPUTS:
        text = (
            f"spec.source: {len(sources)} items with {len(spec.renditions)} renditions each would create "
            f"{count} outputs, but a run may have at most {MAX_OUTPUTS}; split it into several jobs"
        )
        raise OperationFailed(Failure(Code.STAGING, Reason.TOO_MANY_ITEMS, text))
    try:
        check_outputs(spec, [source.name for source in sources])
    except KeyCollision as error:
        raise OperationFailed(Failure(Code.CREATION, Reason.KEY_COLLISION, str(error))) from None
    except InvalidKey as error:
        raise OperationFailed(Failure(Code.CREATION, Reason.INVALID_SPEC, str(error))) from None
    return [Candidate(place, source) for place, source in enumerate(sources)]


async def _only_unpublished(store: ObjectStore, job: ImageJob, items: list[Candidate]) -> list[Candidate]:
    unpublished = await unpublished_before(store, job)
    left = [item for item in items if item.source.name in unpublished]
    if not left:
        text = "spec.run.items is Failed, but the previous run published all items; set spec.run.items to All"
        raise OperationFailed(Failure(Code.STAGING, Reason.SOURCE_EMPTY, text))
    return left
