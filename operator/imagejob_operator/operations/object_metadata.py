"""Headers and metadata of outputs: what the user sets, and what the operator needs to recognise them."""

from __future__ import annotations

import re

from imagejob_operator.api.imagejob import ImageJob
from imagejob_operator.api.output_headers import OWN_METADATA, Headers
from imagejob_operator.documents.report import ReportOutput
from imagejob_operator.ports.object_store import ObjectHeaders, StoredObject

CONTENT = f"{OWN_METADATA}content"
"""Metadata with the content key of an object."""
FACTS = f"{OWN_METADATA}image"
"""Metadata with the facts that a report needs: `<width>x<height>/<bytes>/<sha256>`."""
RUN = f"{OWN_METADATA}run"
"""Metadata with the uid of the run that wrote an object. Objects may be public, so it names no ImageJob."""


def writer_of(job: ImageJob) -> str:
    """The value of the RUN metadata of objects that the job's current run writes."""
    return job.status.run.uid if job.status.run else ""


def read_output(key: str, stored: StoredObject) -> ReportOutput | None:
    """The output that an object is by its metadata, if that is complete and about the object's size."""
    facts, content = stored.metadata.get(FACTS, ""), stored.metadata.get(CONTENT, "")
    found = re.fullmatch(r"([0-9]{1,5})x([0-9]{1,5})/([0-9]{1,20})/([0-9a-f]{64})", facts)
    if not found or not content or int(found[3]) != stored.size:
        return None
    width, height = int(found[1]), int(found[2])
    return ReportOutput("", key, "", stored.size, width, height, found[4], stored.etag, content)


def final_headers(job: ImageJob, wanted: Headers, output: ReportOutput) -> ObjectHeaders:
    """The headers of one output."""
    facts = f"{output.width}x{output.height}/{output.bytes}/{output.sha256}"
    return ObjectHeaders(
        content_type=output.type,
        cache_control=wanted.cache_control or "",
        content_disposition=wanted.content_disposition or "",
        storage_class=wanted.storage_class or "",
        metadata={**wanted.metadata, RUN: writer_of(job), CONTENT: output.content, FACTS: facts},
        tags=wanted.tags,
    )
