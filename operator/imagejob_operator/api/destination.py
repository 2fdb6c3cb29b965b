"""`spec.destination`: where the outputs go, and what happens to objects that are already there."""

from __future__ import annotations

import enum
from typing import Annotated

from msgspec import Meta

from imagejob_contract.wire import Wire
from imagejob_operator.api.output_headers import Headers, check_headers
from imagejob_operator.validation.keys import check_chosen_prefix, check_template

ObjectName = Annotated[str, Meta(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?\Z")]
"""The name of a Kubernetes object."""


class StoreRef(Wire, frozen=True):
    """An ImageStore in the job's namespace."""

    name: ObjectName


class Overwrite(enum.StrEnum):
    """What happens to an object that is already at the key of an output."""

    ALWAYS = "Always"
    NEVER = "Never"
    IF_DIFFERENT = "IfDifferent"


class Destination(Wire, frozen=True):
    """Where the outputs go: `prefix` + `key_template` below the namespace's part of the store."""

    prefix: Annotated[str, Meta(max_length=512)] = ""
    key_template: Annotated[str, Meta(min_length=1, max_length=256)] = "{dir}{stem}-{rendition}.{ext}"
    overwrite: Overwrite = Overwrite.ALWAYS
    headers: Headers = Headers()
    store_ref: StoreRef | None = None

    @property
    def template(self) -> str:
        """The template of whole keys."""
        return self.prefix + self.key_template

    def check(self) -> None:
        """Check what the schema cannot; raises InvalidKey or InvalidHeaders."""
        if self.prefix:
            check_chosen_prefix(self.prefix, "spec.destination.prefix")
        check_template(self.key_template, "spec.destination.keyTemplate")
        check_headers(self.headers)
