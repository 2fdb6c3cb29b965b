"""The spec of an ImageJob as a value, with the rules that a schema cannot express.

A spec may be as large as the API server admits, so only the head of a large one is cached. The limits of the
CRD are repeated for objects that bypassed its schema (older CRD, restored backup).
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from datetime import timedelta
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from imagejob_contract.order import ItemLimits
from imagejob_contract.output import ByteQuantity, quantity_bytes
from imagejob_contract.recipe import Rendition
from imagejob_contract.recipe_rules import violations
from imagejob_contract.wire import Wire
from imagejob_operator.api.destination import Destination, StoreRef
from imagejob_operator.api.errors import bounded
from imagejob_operator.api.output_headers import InvalidHeaders
from imagejob_operator.api.sources import InvalidSource, Source
from imagejob_operator.validation.complexity import TooComplex, check_complexity
from imagejob_operator.validation.keys import InvalidKey, check_key
from imagejob_operator.validation.pod_resources import TooSmall, check_capacity
from imagejob_operator.validation.pod_template import InvalidPodTemplate, check_pod_template
from imagejob_operator.validation.schema_errors import explain

Seconds = Annotated[int, Meta(ge=1, le=86400)]
LONGEST_DEADLINE = timedelta(days=7)
"""The maximum of `activeDeadlineSeconds`."""
DNS_LABEL = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?\Z"
RUN_ID = r"^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?\Z"
RunID = Annotated[str, Meta(min_length=1, max_length=63, pattern=RUN_ID)]
Label = Annotated[str, Meta(min_length=1, max_length=63, pattern=DNS_LABEL)]
Deadline = Annotated[int, Meta(ge=1, le=int(LONGEST_DEADLINE.total_seconds()))]


class InvalidSpec(ValueError):
    """The spec is invalid; the message names the field, the value, the rule and what to do."""


class Run(Wire, frozen=True):
    """The desired run; a new id starts a new run."""

    id: RunID = "1"
    mode: Literal["Run", "Validate"] = "Run"
    items: Literal["All", "Failed"] = "All"


class ExecutionHead(Wire, frozen=True):
    """How many Pods a run has, and its deadlines in seconds."""

    parallelism: Annotated[int, Meta(ge=1, le=100)] = 4
    items_per_pod: Annotated[int, Meta(ge=1, le=1000)] | None = None
    retries_per_shard: Annotated[int, Meta(ge=0, le=10)] = 2
    staging_deadline_seconds: Seconds = 600
    queue_name: Label | None = None
    queue_deadline_seconds: Deadline = 86400
    start_deadline_seconds: Seconds = 300
    active_deadline_seconds: Deadline = 3600


class Execution(ExecutionHead, frozen=True):
    """The whole configuration of the Pods."""

    pod_template: dict[str, Any] = msgspec.field(default_factory=dict)


class Limits(Wire, frozen=True):
    """Limits per item."""

    item_size: ByteQuantity = "64Mi"
    pixels: Annotated[int, Meta(ge=1, le=1_000_000_000)] = 50_000_000
    frames: Annotated[int, Meta(ge=1, le=10000)] = 100
    item_timeout_seconds: Annotated[int, Meta(ge=1, le=3600)] = 30


class StagingMode(enum.StrEnum):
    """What Pods read: a copy of each source in the run's staging, or the source itself, by its ETag."""

    COPY = "Copy"
    REFERENCE = "Reference"


class Staging(Wire, frozen=True):
    """How the operator makes sure that the sources do not change during the run."""

    mode: StagingMode = StagingMode.COPY


class FailurePolicy(Wire, frozen=True):
    """The number or percentage of items that may fail before the run fails."""

    max_failed_items: Annotated[int, Meta(ge=0)] | Annotated[str, Meta(pattern=r"^(100|[0-9]{1,2})%\Z")] = 0


class Compaction(enum.StrEnum):
    """What happens to the ImageJob after its retention."""

    COMPACT = "Compact"
    DELETE = "Delete"


class KeepPods(enum.StrEnum):
    """Which finished Pods are kept until the end of the retention."""

    ON_FAILURE = "OnFailure"
    ALWAYS = "Always"
    NEVER = "Never"


class Retention(Wire, frozen=True):
    """What is kept after the run has finished, and for how long."""

    ttl_seconds_after_finished: Annotated[int, Meta(ge=0, le=31_536_000)] = 86400
    policy: Compaction = Compaction.COMPACT
    pods: KeepPods = KeepPods.ON_FAILURE


class SpecHead(Wire, frozen=True):
    """The part of a spec that decisions need: a few KiB, however large the spec is."""

    run: Run = Run()
    cancel_run_id: RunID | None = msgspec.field(default=None, name="cancelRunID")
    suspend: bool = False
    class_: Label | None = msgspec.field(default=None, name="class")
    destination: Destination = Destination()
    staging: Staging = Staging()
    store_ref: StoreRef | None = None
    execution: ExecutionHead = ExecutionHead()
    limits: Limits = Limits()
    failure_policy: FailurePolicy = FailurePolicy()
    retention: Retention = Retention()


class Spec(SpecHead, frozen=True, kw_only=True):
    """The whole spec, as described by the CRD."""

    source: Source
    renditions: Annotated[tuple[Rendition, ...], Meta(min_length=1, max_length=32)]
    execution: Execution = Execution()

    @property
    def head(self) -> SpecHead:
        """A copy without source, renditions and podTemplate."""
        return msgspec.convert(self, SpecHead, from_attributes=True)


def parse_spec(raw: object) -> Spec:
    """Parse and validate a spec; raises InvalidSpec."""
    try:
        check_complexity(raw, "spec")
        spec = msgspec.convert(raw, Spec)
        template = spec.execution.pod_template
        spec.source.check()
        spec.destination.check()
        _check_together(spec)
        _check_renditions(spec.renditions)
        check_pod_template(template)
        check_capacity(spec.renditions, item_limits(spec.limits), template.get("resources", {}))
    except msgspec.ValidationError as error:
        raise InvalidSpec(explain(error, raw, "spec", Spec)) from None
    except (InvalidSource, InvalidKey, InvalidHeaders, InvalidPodTemplate, TooSmall, TooComplex) as error:
        raise InvalidSpec(str(error)) from None
    return spec


def as_invalid(error: Exception) -> InvalidSpec:
    """Any error of `parse_spec` as an InvalidSpec, without its traceback, which refers to the whole body."""
    if isinstance(error, InvalidSpec):
        return InvalidSpec(bounded(str(error)))
    return InvalidSpec(f"spec: it cannot be parsed ({type(error).__name__}: {error!s:.200}); simplify it")


def _check_together(spec: Spec) -> None:
    if spec.staging.mode is StagingMode.REFERENCE and not spec.source.in_store:
        raise InvalidSpec(
            "spec.staging.mode: Reference requires sources in the store (keys, match or list); use Copy"
        )
    match, template = spec.source.match, spec.destination.template
    if match and template.startswith(match.prefix):
        raise InvalidSpec(
            f"spec.destination.prefix: {template!r} is under spec.source.match.prefix {match.prefix!r}, so "
            "the outputs would become sources; choose another prefix"
        )


def prefix_notes(spec: Spec) -> str:
    """What is surprising about prefixes that do not end with '/'; empty if there are none."""
    found = []
    match, prefix = spec.source.match, spec.destination.prefix
    if match and not match.prefix.endswith("/"):
        found.append(
            f"spec.source.match.prefix {match.prefix!r} does not end with '/': every key that begins with it "
            f"matches, and {{dir}} is relative to {spec.source.folder!r}"
        )
    if prefix and not prefix.endswith("/"):
        found.append(
            f"spec.destination.prefix {prefix!r} does not end with '/': output keys go on in its last segment"
        )
    return "; ".join(found)


def _check_renditions(renditions: tuple[Rendition, ...]) -> None:
    names = [rendition.name for rendition in renditions]
    for name in names:
        if names.count(name) > 1:
            raise InvalidSpec(f"spec.renditions: duplicate name {name!r}; names must be unique")
    for key in watermark_image_keys(renditions):
        check_key(key, "spec.renditions: watermark.image")
    for number, rendition in enumerate(renditions):
        for where, text in violations(rendition):
            raise InvalidSpec(f"spec.renditions[{number}]{where}: {text}")


def watermark_image_keys(renditions: Iterable[Rendition]) -> list[str]:
    """The keys of all images that the watermarks of some renditions use, each once."""
    watermarks = (step.watermark for rendition in renditions for step in rendition.steps)
    return list(dict.fromkeys(watermark.image for watermark in watermarks if watermark and watermark.image))


def item_limits(limits: Limits) -> ItemLimits:
    """The limits in the units of the processor."""
    return ItemLimits(
        item_bytes=quantity_bytes(limits.item_size),
        pixels=limits.pixels,
        frames=limits.frames,
        item_timeout_seconds=limits.item_timeout_seconds,
    )


def tolerated_failures(policy: FailurePolicy, total: int) -> int:
    """The number of `total` items that may fail; percentages are rounded down."""
    allowed = policy.max_failed_items
    return allowed if isinstance(allowed, int) else total * int(allowed.rstrip("%")) // 100
