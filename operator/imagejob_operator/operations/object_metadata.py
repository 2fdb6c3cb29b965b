"""What an output is stored with: its type, what the user wants, and whose it is."""

from __future__ import annotations

import re

from imagejob_contract.output import CONTENT_TYPES
from imagejob_contract.recipe import Rendition
from imagejob_contract.result import OutputRecord
from imagejob_operator.api.imagejob import ImageJob
from imagejob_operator.api.output_headers import OWN_METADATA, Headers
from imagejob_operator.ports.object_store import ObjectHeaders, StoredObject

CONTENT = f"{OWN_METADATA}content"
"""Metadata with the content key of an object."""
FACTS = f"{OWN_METADATA}image"
"""Metadata with what a report says of an object: `<width>x<height>/<bytes>/<sha256>`."""
RUN = f"{OWN_METADATA}run"
"""Metadata that says which run wrote an object: `<uid>/<number>`."""


def writer_of(job: ImageJob) -> str:
    """What an object of the job's current run says of whose it is."""
    return f"{job.uid}/{job.status.run.number if job.status.run else 0}"


def read_facts(stored: StoredObject) -> tuple[int, int, str] | None:
    """Width, height and sha256 of an object by its own metadata, if they are there and of its size."""
    text = stored.metadata.get(FACTS, "")
    found = re.fullmatch(r"([0-9]{1,5})x([0-9]{1,5})/([0-9]{1,20})/([0-9a-f]{64})", text)
    return (int(found[1]), int(found[2]), found[4]) if found and int(found[3]) == stored.size else None


def final_headers(
    job: ImageJob, wanted: Headers, rendition: Rendition, record: OutputRecord, content: str
) -> ObjectHeaders:
    """The headers of one output."""
    facts = f"{record.width}x{record.height}/{record.bytes}/{record.sha256}"
    return ObjectHeaders(
        content_type=CONTENT_TYPES[rendition.output.format],
        cache_control=wanted.cache_control or "",
        content_disposition=wanted.content_disposition or "",
        storage_class=wanted.storage_class or "",
        metadata={**wanted.metadata, RUN: writer_of(job), CONTENT: content, FACTS: facts},
        tags=wanted.tags,
    )
