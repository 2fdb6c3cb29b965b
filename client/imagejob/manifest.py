"""ImageJobs as manifests: built from arguments, or read from YAML."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from imagejob.errors import Invalid
from imagejob.names import check_job_name, checked_namespace
from imagejob_operator.naming.names import API_VERSION, KIND

Manifest = dict[str, Any]


def build(
    name: str,
    *,
    source: Mapping[str, Any],
    renditions: Sequence[Mapping[str, Any]],
    namespace: str | None = None,
    labels: Mapping[str, str] | None = None,
    **members: Any,
) -> Manifest:
    """Build an ImageJob. All values are those of the API, such as `failurePolicy={"maxFailedItems": 1}`.

    Args:
        name: Its name, at most 52 characters of a-z, 0-9 and `-`.
        source: Where the images come from: one of keys, match, list, urls and inline.
        renditions: What to make of each image; see `rendition`.
        namespace: Its namespace; None for the default one of the client.
        labels: Labels of the object.
        **members: Other members of the spec: destination, run, execution, limits, failurePolicy, ...

    Raises:
        Invalid: A value breaks a rule of the API; `fields` names it.
    """
    if not isinstance(source, Mapping):
        raise Invalid(
            f"source: it is a mapping, such as {{'keys': [...]}}; found {source!r:.100}", ("source",)
        )
    if not isinstance(renditions, Sequence) or not all(isinstance(one, Mapping) for one in renditions):
        raise Invalid(f"renditions: it is a list of mappings; found {renditions!r:.100}", ("renditions",))
    metadata: Manifest = {"name": name}
    if namespace:
        metadata["namespace"] = namespace
    if labels:
        metadata["labels"] = dict(labels)
    spec = {"source": dict(source), "renditions": [dict(one) for one in renditions], **members}
    manifest = {"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": spec}
    check(manifest)
    return manifest


def rendition(  # noqa: PLR0913  (one for each field)
    name: str,
    format: str = "Same",  # noqa: A002  (the name of the field)
    *,
    width: int | None = None,
    height: int | None = None,
    fit: str = "Inside",
    quality: int | None = None,
    steps: Iterable[Mapping[str, Any]] = (),
) -> Manifest:
    """Build one rendition: resized into `width` x `height` pixels if one is set, then the other `steps`.

    Args:
        name: Its name, which is part of the keys of outputs.
        format: JPEG, PNG, WebP, AVIF, GIF, TIFF, or Same for the format of the source.
        width: Of the box, in pixels.
        height: Of the box, in pixels.
        fit: Inside, Outside, Cover, Contain or Fill; the last three need both sides.
        quality: 1 to 100, for JPEG, WebP and AVIF.
        steps: Steps after the resizing, such as `{"rotate": {"degrees": 90}}`.
    """
    made: Manifest = {"name": name, "output": {"format": format}}
    sides = {side: size for side, size in (("width", width), ("height", height)) if size is not None}
    all_steps = [{"resize": {**sides, "fit": fit}}] if sides else []
    if all_steps := [*all_steps, *(dict(step) for step in steps)]:
        made["steps"] = all_steps
    if quality is not None:
        made["output"]["quality"] = quality
    return made


def parse(text: str | bytes, name: str = "the manifest") -> list[Manifest]:
    """Read ImageJobs from YAML or JSON with one or more documents. `name` names the file in errors.

    Raises:
        Invalid: It is not YAML in UTF-8, is empty, or has another object.
    """
    from imagejob.documents import load_documents

    documents = load_documents(text, name)
    if not documents:
        raise Invalid(f"{name} is empty; it must have an ImageJob")
    return [check_kind(document, name) for document in documents]


def check_kind(document: object, name: str = "the manifest") -> Manifest:
    """The document if it is an ImageJob with a name; raises Invalid if not."""
    if not isinstance(document, Mapping):
        raise Invalid(f"{name}: a manifest is a mapping, found {type(document).__name__}")
    document = dict(document)
    found = (document.get("apiVersion"), document.get("kind"))
    if found != (API_VERSION, KIND):
        raise Invalid(
            f"{name}: expected apiVersion {API_VERSION} and kind {KIND}, found {found[0]} and {found[1]}; "
            "use kubectl for other objects",
            ("apiVersion" if found[0] != API_VERSION else "kind",),
        )
    metadata = document.get("metadata")
    if not isinstance(metadata, dict) or not (metadata.get("name") or metadata.get("generateName")):
        raise Invalid(
            f"{name}: metadata.name is missing; set it, or metadata.generateName", ("metadata.name",)
        )
    return document


def check(manifest: Mapping[str, Any]) -> None:
    """Check a manifest by the rules of the API without a cluster.

    Raises:
        Invalid: A value breaks a rule; `fields` names it.
    """
    from imagejob_operator.api.spec import InvalidSpec, parse_spec

    metadata = manifest.get("metadata") or {}
    check_job_name(metadata)
    if namespace := metadata.get("namespace"):
        checked_namespace(namespace)
    try:
        parse_spec(manifest.get("spec"))
    except InvalidSpec as error:
        raise Invalid(str(error), (str(error).partition(":")[0],)) from None


def to_yaml(manifest: Mapping[str, Any]) -> str:
    """The manifest as YAML, with its members in the usual order."""
    import yaml

    def dumped(unicode: bool) -> str:
        return str(yaml.safe_dump(dict(manifest), sort_keys=False, allow_unicode=unicode, width=110))

    text = dumped(unicode=True)
    # Escapes are the only form of what a terminal does not show as itself.
    return text if text.replace("\n", "").isprintable() else dumped(unicode=False)
