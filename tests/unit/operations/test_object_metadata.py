"""What the metadata of an output says: who wrote it, whose object it replaced, and what it is."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from fakes.build import KEY, RUN_UID, job, status
from imagejob_operator.api.imagejob import Key
from imagejob_operator.api.output_headers import Headers
from imagejob_operator.api.phase import Phase
from imagejob_operator.documents.report import ReportOutput
from imagejob_operator.operations.object_metadata import (
    CONTENT,
    FACTS,
    JOB,
    REPLACED,
    RUN,
    final_headers,
    job_hash,
    other_job,
    read_output,
    writer_of,
)
from imagejob_operator.ports.object_store import ObjectHeaders, StoredObject

OWN, OTHER = job_hash(KEY), job_hash(Key("shop", "summer"))
OF = job(status(Phase.PUBLISHING))
DIGEST = "a" * 64


def stored(metadata: dict[str, str], size: int = 5) -> StoredObject:
    return StoredObject("k", size, "etag", metadata=metadata)


def test_the_hash_of_a_job_is_short_and_its_own() -> None:
    assert len(OWN) == 16
    assert len({OWN, OTHER, job_hash(Key("other", "spring"))}) == 3


@pytest.mark.parametrize(
    ("metadata", "other"),
    [
        ({}, ""),
        ({JOB: OTHER}, OTHER),
        ({JOB: OTHER, RUN: RUN_UID, REPLACED: "x"}, OTHER),
        ({JOB: OWN, RUN: RUN_UID}, ""),
        ({JOB: OWN, RUN: RUN_UID, REPLACED: OTHER}, OTHER),
        ({JOB: OWN, RUN: "an earlier run", REPLACED: OTHER}, ""),
        ({RUN: RUN_UID, REPLACED: OTHER}, ""),
    ],
)
def test_the_other_job_whose_object_is_or_was_there(metadata: dict[str, str], other: str) -> None:
    assert other_job(OF, stored(metadata)) == other


def test_the_writer_is_the_run() -> None:
    assert (writer_of(OF), writer_of(job())) == (RUN_UID, "")


FACT = f"30x20/5/{DIGEST}"
OUTPUT = ReportOutput("", "a.webp", "", 5, 30, 20, DIGEST, "etag", "content")


@pytest.mark.parametrize(
    ("one", "output"),
    [
        (stored({FACTS: FACT, CONTENT: "content"}), OUTPUT),
        (stored({FACTS: FACT, CONTENT: "content"}, 6), None),
        (stored({FACTS: FACT}), None),
        (stored({CONTENT: "content"}), None),
        (stored({FACTS: f"{FACT}0", CONTENT: "content"}), None),
        (stored({}), None),
    ],
    ids=["complete", "other-size", "no-content", "no-facts", "other-facts", "nothing"],
)
def test_an_output_is_read_from_complete_metadata(one: StoredObject, output: ReportOutput | None) -> None:
    assert read_output("a.webp", one) == output


WANTED: dict[str, Any] = {
    "cacheControl": "no-cache",
    "contentDisposition": "inline",
    "storageClass": "STANDARD_IA",
    "metadata": {"owner": "me"},
    "tags": {"team": "a"},
}
OWN_METADATA = {RUN: RUN_UID, JOB: OWN, CONTENT: "content", FACTS: FACT}
WEBP = msgspec.structs.replace(OUTPUT, type="image/webp")


def test_an_output_has_the_wanted_headers_and_its_own() -> None:
    wanted = msgspec.convert(WANTED, Headers)
    assert final_headers(OF, wanted, WEBP, OTHER) == ObjectHeaders(
        content_type="image/webp",
        cache_control="no-cache",
        content_disposition="inline",
        storage_class="STANDARD_IA",
        metadata={"owner": "me", **OWN_METADATA, REPLACED: OTHER},
        tags={"team": "a"},
    )


def test_headers_that_are_not_wanted_are_empty() -> None:
    found = final_headers(OF, Headers(), WEBP)
    assert found == ObjectHeaders("image/webp", "", "", "", OWN_METADATA, {})
