"""The final keys of what was staged."""

from __future__ import annotations

from collections.abc import Sequence

from imagejob_operator.core.keys import FinalKey, output_keys
from imagejob_operator.core.spec import Spec
from imagejob_operator.core.staging import ManifestItem


def final_keys(spec: Spec, items: Sequence[ManifestItem], base: str) -> list[FinalKey]:
    """The keys of all outputs of staged items; the index of each is the position of its item in `items`.

    Raises:
        KeyCollision, InvalidKey: if the items were staged for another spec.
    """
    where = spec.destination
    return output_keys(
        [item.source for item in items],
        spec.renditions,
        where.prefix,
        where.key_template,
        base,
        [item.place for item in items],
    )
