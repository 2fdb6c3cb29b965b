"""The sources of a run, of whatever kind. Nothing of them is staged yet.

Every kind has a `name`, which outputs are named after; a `size` and the `identity` of its bytes, an ETag or a
hash, both empty if they are not known before a download; how many are staged `at_once`; and a method `stage`,
which copies it to a key, where an object may be `present` from an earlier try.
"""

from __future__ import annotations

from collections.abc import Sequence

from imagejob_operator.api.imagejob import ImageJob
from imagejob_operator.api.spec import Spec
from imagejob_operator.naming.prefixes import namespace_prefix
from imagejob_operator.operations.staging.inline_sources import InlineSource, find_inline
from imagejob_operator.operations.staging.stored_sources import (
    StoredSource,
    find_keys,
    find_listed,
    find_matching,
)
from imagejob_operator.operations.staging.url_sources import WebSource, find_urls
from imagejob_operator.ports.object_store import ObjectStore

FoundSource = StoredSource | WebSource | InlineSource


async def find_sources(store: ObjectStore, job: ImageJob, spec: Spec, prefix: str) -> Sequence[FoundSource]:
    """All sources of a run, in their order."""
    source, root = spec.source, namespace_prefix(job.key.namespace)
    if source.urls:
        return find_urls(source.urls)
    if source.inline:
        return find_inline(source.inline)
    if source.match:
        return await find_matching(store, root, source.match)
    if source.list:
        return await find_listed(store, root, source.list.key, prefix)
    return await find_keys(store, root, source.keys or ())
