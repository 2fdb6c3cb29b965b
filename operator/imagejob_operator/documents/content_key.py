"""Hashes of outputs: equal where equal outputs would come out, which need not be made again."""

from __future__ import annotations

import hashlib

import msgspec

from imagejob_contract.recipe import PIXELS_VERSION, Rendition
from imagejob_operator.api.output_headers import Headers


def content_key(identity: str, rendition: Rendition, headers: Headers) -> str:
    """The content key of one output, in hex.

    It does not depend on names: not on the key of the source, not on that of the output, not on the name of
    the rendition. What has its default value is left out, so that a new field with a default keeps old keys.

    Args:
        identity: what the source's bytes are known by: its ETag, or a hash of them.
        rendition: what is made of it, `identified` by the images of its watermarks.
        headers: what the output is stored with beside its bytes.
    """
    parts = (PIXELS_VERSION, identity, rendition.steps, rendition.output, headers)
    return hashlib.sha256(msgspec.json.encode(parts, order="deterministic")).hexdigest()
