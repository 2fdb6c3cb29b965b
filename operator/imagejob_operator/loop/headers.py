"""What an output is stored with: its type, what the user wants, and whose it is."""

from __future__ import annotations

from imagejob_operator.core.headers import OWN_METADATA, Headers
from imagejob_operator.core.job import ImageJob
from imagejob_operator.ports.object_store import ObjectHeaders
from imagejob_processor.contract import CONTENT_TYPES, Rendition

RUN = f"{OWN_METADATA}run"
"""Metadata that says which run wrote an object: `<uid>/<number>`."""


def run_mark(job: ImageJob) -> str:
    """What an object of the job's current run says of whose it is."""
    return f"{job.uid}/{job.status.run.number if job.status.run else 0}"


def final_headers(job: ImageJob, wanted: Headers, rendition: Rendition) -> ObjectHeaders:
    """The headers of every output of a rendition."""
    return ObjectHeaders(
        content_type=CONTENT_TYPES[rendition.output.format],
        cache_control=wanted.cache_control or "",
        content_disposition=wanted.content_disposition or "",
        storage_class=wanted.storage_class or "",
        metadata={**wanted.metadata, RUN: run_mark(job)},
        tags=wanted.tags,
    )
