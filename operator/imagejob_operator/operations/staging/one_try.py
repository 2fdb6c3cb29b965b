"""One try at the sources of a run: it does not wait for each of many web servers that do not respond.

A try holds one of the slots that stagings from web servers share. So a server that did not respond is not
asked again in the same try, and soon after the first transient error no further download is begun. What is
staged stays staged: the next try continues with the rest.
"""

from __future__ import annotations

import asyncio

from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.operations.failed import OperationFailed
from imagejob_operator.operations.staging.sources import FoundSource, WebSource
from imagejob_operator.validation.urls import parse_url, shown

PATIENCE = 10.0
"""Seconds from the first transient error to the last download that a try begins."""
LAST_PATIENCE = 60.0
"""The same for the last try before the sources that are not staged are failed items."""

Origin = tuple[str, str, int]
"""Scheme, host and port."""


class OneTry:
    """What has failed in a try so far."""

    def __init__(self, last: bool) -> None:
        self._patience = LAST_PATIENCE if last else PATIENCE
        self._until = 0.0
        self._silent: set[Origin] = set()
        self.first_error: OperationFailed | None = None

    def check(self, source: FoundSource) -> None:
        """Raise OperationFailed if a source is not to be downloaded in this try any more."""
        if self.first_error is None or not isinstance(source, WebSource):
            return
        url = shown(source.declared.url)
        if _origin(source) in self._silent:
            raise _not_tried(f"{url} was not tried again: its server did not respond for another URL")
        if _seconds() >= self._until:
            raise _not_tried(f"{url} was not tried again: other downloads failed or took too long")

    def failed(self, source: FoundSource, error: OperationFailed) -> None:
        """Note a transient error."""
        if self.first_error is None:
            self.first_error, self._until = error, _seconds() + self._patience
        if error.silent and isinstance(source, WebSource):
            self._silent.add(_origin(source))


def _origin(source: WebSource) -> Origin:
    return parse_url(source.declared.url).origin


def _not_tried(text: str) -> OperationFailed:
    return OperationFailed(
        Failure(Code.STAGING, Reason.SOURCE_UNREACHABLE, f"spec.source.urls: {text}"), True
    )


def _seconds() -> float:
    return asyncio.get_running_loop().time()
