"""`imagejob submit`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from imagejob.client import HOUR
from imagejob.errors import Invalid
from imagejob.manifest import Manifest, build, check, parse, rendition, to_yaml
from imagejob_cli import options, terminal
from imagejob_cli.session import Session, connect
from imagejob_cli.watching import Follow, follow

FIT, FORMAT, RENDITION = "Inside", "Same", "out"
File = Annotated[
    str | None, typer.Argument(metavar="FILE", help="A manifest in YAML or JSON; - for standard input.")
]


def submit(
    file: File = None,
    name: Annotated[str, typer.Option(help="Without FILE: name of the job.", metavar="NAME")] = "",
    keys: Annotated[
        list[str] | None, typer.Option(help="Without FILE: key of a source; can be repeated.", metavar="KEY")
    ] = None,
    match_prefix: Annotated[
        str, typer.Option(help="Without FILE: all objects below this prefix are sources.", metavar="PREFIX")
    ] = "",
    include: Annotated[
        list[str] | None,
        typer.Option(
            help="With --match-prefix: glob of keys, such as '**/*.jpg'; can be repeated.", metavar="GLOB"
        ),
    ] = None,
    width: Annotated[int | None, typer.Option(help="Width of the outputs in pixels.")] = None,
    height: Annotated[int | None, typer.Option(help="Height of the outputs in pixels.")] = None,
    fit: Annotated[str, typer.Option(help="Inside, Outside, Cover, Contain or Fill.")] = FIT,
    format: Annotated[  # noqa: A002  (the name of the field)
        str, typer.Option(help="JPEG, PNG, WebP, AVIF, GIF, TIFF, or Same as the source.")
    ] = FORMAT,
    quality: Annotated[int | None, typer.Option(help="Quality of JPEG, WebP and AVIF, 1 to 100.")] = None,
    rendition_name: Annotated[
        str,
        typer.Option(
            "--rendition", help="Name of the rendition, part of the keys of outputs.", metavar="NAME"
        ),
    ] = RENDITION,
    prefix: Annotated[str, typer.Option(help="Prefix of the keys of outputs.", metavar="PREFIX")] = "",
    generate: Annotated[
        bool, typer.Option("--generate", help="Print the manifest for Git, and create nothing.")
    ] = False,
    wait: options.Wait = False,
    watch: options.Watch = False,
    timeout: options.Timeout = HOUR,
    form: options.Form = options.Output.TABLE,
    namespace: options.Namespace = None,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
) -> int:
    """Create ImageJobs from a manifest, or a simple one from options.

    imagejob submit job.yaml --watch

    imagejob submit --name thumbs --match-prefix photos/ --width 200
    """
    if file:
        given = {
            "--name": name,
            "--keys": keys,
            "--match-prefix": match_prefix,
            "--include": include,
            "--width": width,
            "--height": height,
            "--fit": fit != FIT,
            "--format": format != FORMAT,
            "--quality": quality,
            "--rendition": rendition_name != RENDITION,
            "--prefix": prefix,
        }
        if wrong := [option for option, value in given.items() if value]:
            raise Invalid(f"FILE cannot be combined with {', '.join(wrong)}; change the file instead")
        manifests = read(file)
    else:
        if fit != FIT and width is None and height is None:
            raise Invalid("--fit needs --width or --height")
        made = rendition(rendition_name, format, width=width, height=height, fit=fit, quality=quality)
        manifests = [_simple(name, _source(keys, match_prefix, include), made, prefix, namespace)]
    if generate:
        for manifest in manifests:
            check(manifest)
        terminal.write_block("---\n".join(map(to_yaml, manifests)).rstrip())
        return 0
    session = connect(namespace, context, kubeconfig)
    created = _create(session, manifests, namespace, form)
    if not (wait or watch):
        return 0
    how = Follow.LIVE if watch else Follow.QUIET
    return max(follow(session.within(where), one, timeout, how) for where, one in created)


def read(file: str) -> list[Manifest]:
    """The ImageJobs in a file, or in standard input for `-`; raises Invalid."""
    if file == "-":
        return parse(sys.stdin.buffer.read(), "standard input")
    try:
        return parse(Path(file).read_bytes(), file)
    except OSError as error:
        raise Invalid(f"cannot read {file}: {error.strerror or error}") from None


def _source(keys: list[str] | None, prefix: str, include: list[str] | None) -> dict[str, Any]:
    if include and not prefix:
        raise Invalid("--include needs --match-prefix: it selects among the objects below that prefix")
    if bool(keys) == bool(prefix):
        raise Invalid("a job needs a FILE, or --name with either --keys or --match-prefix")
    if keys:
        return {"keys": keys}
    return {"match": {"prefix": prefix, **({"include": include} if include else {})}}


def _simple(
    name: str, source: dict[str, Any], made: Manifest, prefix: str, namespace: str | None
) -> Manifest:
    if not name:
        raise Invalid("--name is missing: set a name for the job")
    more = {"destination": {"prefix": prefix}} if prefix else {}
    return build(name, source=source, renditions=[made], namespace=namespace, **more)


def _create(
    session: Session, manifests: list[Manifest], namespace: str | None, form: options.Output
) -> list[tuple[str, str]]:
    created = []
    for manifest in manifests:
        job = session.client.submit(manifest, namespace)
        created.append(job)
        if form is options.Output.TABLE:
            # At once: the next one may be refused.
            terminal.write(f"imagejob.imagejob.dev/{job.name} created in namespace {job.namespace}")
    if form is not options.Output.TABLE:
        terminal.show_documents([job.body for job in created], form, as_list=len(created) > 1)
    return [(job.namespace, job.name) for job in created]
