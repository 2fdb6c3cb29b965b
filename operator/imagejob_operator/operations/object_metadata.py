"""Headers and metadata of outputs: what the user sets, and what the operator needs to recognise them."""

from __future__ import annotations

import hashlib
import re

from imagejob_operator.api.imagejob import ImageJob, Key
from imagejob_operator.api.output_headers import OWN_METADATA, Headers
from imagejob_operator.documents.report import ReportOutput
from imagejob_operator.ports.object_store import ObjectHeaders, StoredObject

CONTENT = f"{OWN_METADATA}content"
"""Metadata with the content key of an object."""
FACTS = f"{OWN_METADATA}image"
"""Metadata with the facts that a report needs: `<width>x<height>/<bytes>/<sha256>`."""
RUN = f"{OWN_METADATA}run"
"""Metadata with the uid of the run that wrote an object. Objects may be public, so it names no ImageJob."""

JOB = f"{OWN_METADATA}job"
"""Metadata with a hash of the namespace and name of the ImageJob that wrote an object."""
REPLACED = f"{OWN_METADATA}replaced"
"""Metadata with the JOB of the object that this one replaced, if that was another one."""


def job_hash(key: Key) -> str:
    """The value of the JOB metadata of the outputs of a job, and of later jobs with its name."""
    return hashlib.sha256(str(key).encode()).hexdigest()[:16]


def other_job(job: ImageJob, there: StoredObject) -> str:
    """The JOB metadata of the other job whose object is, or was, at a key; empty if there is none."""
    own = there.metadata.get(JOB, "") == job_hash(job.key)
    if own and there.metadata.get(RUN) == writer_of(job):
        return there.metadata.get(REPLACED, "")
    return "" if own else there.metadata.get(JOB, "")


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


def final_headers(job: ImageJob, wanted: Headers, output: ReportOutput, replaced: str = "") -> ObjectHeaders:
    """The headers of one output; `replaced` is the JOB metadata of the object that it replaces."""
    own = {RUN: writer_of(job), JOB: job_hash(job.key), CONTENT: output.content}
    facts = f"{output.width}x{output.height}/{output.bytes}/{output.sha256}"
    return ObjectHeaders(
        content_type=output.type,
        cache_control=wanted.cache_control or "",
        content_disposition=wanted.content_disposition or "",
        storage_class=wanted.storage_class or "",
        metadata={**wanted.metadata, **own, FACTS: facts, **({REPLACED: replaced} if replaced else {})},
        tags=wanted.tags,
    )
