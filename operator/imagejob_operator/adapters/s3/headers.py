"""Headers, tags and metadata of objects, as the minio client sends them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from minio.commonconfig import Tags
from minio.datatypes import PostPolicy

from imagejob_operator.ports.object_store import ObjectHeaders

PREFIX = "x-amz-meta-"


def header_lines(headers: ObjectHeaders) -> dict[str, str | list[str] | tuple[str]]:
    """The headers of a request that writes an object."""
    lines: dict[str, str | list[str] | tuple[str]] = {
        "Content-Type": headers.content_type,
        "Cache-Control": headers.cache_control,
        "Content-Disposition": headers.content_disposition,
        "x-amz-storage-class": headers.storage_class,
    }
    lines |= {f"{PREFIX}{name}": value for name, value in headers.metadata.items()}
    return {name: value for name, value in lines.items() if value}


def object_tags(headers: ObjectHeaders) -> Tags:
    """The tags of an object."""
    tags = Tags.new_object_tags()
    tags.update(headers.tags)
    return tags


def user_metadata(lines: Mapping[str, str]) -> dict[str, str]:
    """The user's metadata in the headers of a response."""
    lower = {name.lower(): value for name, value in lines.items()}
    return {name.removeprefix(PREFIX): value for name, value in lower.items() if name.startswith(PREFIX)}


def post_policy(bucket: str, prefix: str, max_bytes: int, until: datetime) -> PostPolicy:
    """The policy of a form: images below a prefix, of at most so many bytes."""
    policy = PostPolicy(bucket, until)
    policy.add_starts_with_condition("key", prefix)
    policy.add_starts_with_condition("Content-Type", "image/")
    policy.add_content_length_range_condition(1, max_bytes)
    return policy
