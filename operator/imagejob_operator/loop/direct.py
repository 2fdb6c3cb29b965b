"""`publish: Direct`: Pods write outputs to their final keys, and the store's listing is believed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from imagejob_operator.core.content import content_key
from imagejob_operator.core.finals import final_keys
from imagejob_operator.core.job import ImageJob
from imagejob_operator.core.marks import identified
from imagejob_operator.core.outcome import Listed
from imagejob_operator.core.spec import Spec
from imagejob_operator.core.staging import Manifest, ManifestItem
from imagejob_operator.loop.headers import CONTENT, FACTS, common_headers, form_field
from imagejob_operator.loop.standing import standing
from imagejob_operator.ports.object_store import ObjectStore
from imagejob_processor.contract import Target, Upload, output_name
from imagejob_processor.same import for_source


def direct_upload(store: ObjectStore, job: ImageJob, spec: Spec, most: int, live: timedelta) -> Upload:
    """A form for keys below the job's destination, all headers fixed but those of the single output."""
    prefix = job.outputs_prefix + spec.destination.prefix
    headers = common_headers(job, spec.destination.headers)
    form = store.sign_post(prefix, most, live, headers, free=(CONTENT, FACTS))
    return Upload(
        url=form.url,
        key_prefix=form.key_prefix,
        fields=dict(form.fields),
        max_bytes=most,
        facts_field=form_field(FACTS),
    )


def targets(
    spec: Spec, manifest: Manifest, items: Sequence[ManifestItem], key_prefix: str
) -> list[dict[str, Target]]:
    """The final keys of some items, one place for each rendition.

    Args:
        spec: what is wanted of them.
        manifest: what was staged, of a large run without its items.
        items: those that are asked for.
        key_prefix: the destination's prefix as the store that the form is for has it.
    """
    identities = {mark.key: mark.identity for mark in manifest.marks}
    renditions = {rendition.name: rendition for rendition in identified(spec.renditions, identities)}
    destination = spec.destination
    found: list[dict[str, Target]] = [{} for _ in items]
    for final in final_keys(spec, items, manifest.base):
        item = items[final.index]
        rendition = for_source(renditions[final.rendition], item.source)
        content = content_key(item.identity, rendition, destination.headers)
        found[final.index][final.rendition] = Target(
            key=key_prefix + final.key.removeprefix(destination.prefix), fields={form_field(CONTENT): content}
        )
    return found


async def written(store: ObjectStore, job: ImageJob, spec: Spec, manifest: Manifest) -> dict[str, Listed]:
    """What stands at the final keys of a run, by the names that outputs have in results.

    Raises:
        StoreError: when the store fails.
    """
    finals = final_keys(spec, manifest.items, manifest.base)
    there = await standing(store, job.outputs_prefix, [final.key for final in finals])
    return {
        output_name(final.index, final.rendition): Listed(there[final.key].size, there[final.key].etag)
        for final in finals
        if final.key in there
    }
