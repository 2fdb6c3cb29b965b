"""`imagejob upload` and `imagejob download`."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from imagejob.bucket import Objects, StoredObject
from imagejob.errors import Invalid
from imagejob.operator_settings import NAMESPACE
from imagejob.transfers import download_all, plan_uploads, upload_all
from imagejob_cli import options, terminal
from imagejob_cli.session import connect
from imagejob_cli.transferring import transfer


def upload(
    paths: Annotated[list[Path], typer.Argument(metavar="DIR|FILE...", help="Folders and files to upload.")],
    prefix: Annotated[
        str, typer.Option("--prefix", metavar="PREFIX", help="Folder of the bucket, such as uploads/new.")
    ] = "uploads/",
    overwrite: options.Overwrite = False,
    store: options.Store = "",
    bucket: options.Bucket = "",
    namespace: options.Namespace = None,
    operator_namespace: options.OperatorNamespace = NAMESPACE,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
) -> int:
    """Upload images into the namespace's folder of the bucket, with your own credentials.

    The key of a file is the prefix and its path below DIR, or its name. In DIR, hidden files, links and what
    is no regular file are left out. A link that is named itself is followed.
    """
    uploads, left_out = plan_uploads(paths, prefix)
    if left_out:
        names = terminal.named(sorted(map(str, left_out)), sys.stderr)
        terminal.warn(f"left out: {names}; only regular files that are not hidden are uploaded")
    if not uploads:
        raise Invalid(f"there is no file to upload in {', '.join(map(str, paths))}")
    client = connect(namespace, context, kubeconfig).client
    target = client.bucket(store=store, bucket_url=bucket, operator_namespace=operator_namespace)
    size = sum(one.size for one in uploads)
    return transfer(
        "uploaded",
        len(uploads),
        size,
        lambda report, advance: upload_all(target, uploads, overwrite, report, advance),
    )


def download(
    keys: Annotated[
        list[str], typer.Argument(metavar="KEY...", help="Keys of objects, or prefixes, which end with '/'.")
    ],
    to: Annotated[
        Path, typer.Option("--to", metavar="DIR", help="Folder for the files; it is created.")
    ] = Path(),
    overwrite: options.Overwrite = False,
    store: options.Store = "",
    bucket: options.Bucket = "",
    namespace: options.Namespace = None,
    operator_namespace: options.OperatorNamespace = NAMESPACE,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
) -> int:
    """Download objects of the namespace's folder of the bucket, with your own credentials.

    An object becomes the file with its key as the path below DIR. Exit code 1 if one cannot be downloaded.
    """
    check_folder(to, "--to")
    client = connect(namespace, context, kubeconfig).client
    source = client.bucket(store=store, bucket_url=bucket, operator_namespace=operator_namespace)
    return download_into(source, _named(source, keys), to, overwrite)


def check_folder(folder: Path, option: str) -> None:
    """Check that objects can be downloaded into a folder, which need not exist; raises Invalid."""
    for path in (folder, *folder.parents):
        if path.exists() or path.is_symlink():
            if not path.is_dir():
                raise Invalid(
                    f"{option}: {path} is not a folder; name a folder, which is created if it is new"
                )
            return


def download_into(source: Objects, wanted: list[StoredObject], to: Path, overwrite: bool) -> int:
    """Download objects into a folder and show them; returns the exit code."""
    from imagejob.download_folder import DownloadFolder

    size = sum(one.size for one in wanted)
    with closing(DownloadFolder(to)) as folder:
        return transfer(
            "downloaded",
            len(wanted),
            size,
            lambda report, advance: download_all(source, wanted, folder, overwrite, report, advance),
        )


def _named(source: Objects, keys: list[str]) -> list[StoredObject]:
    found: dict[str, StoredObject] = {}
    for key in keys:
        below = list(source.list(key if key != "/" else "")) if key.endswith("/") else [source.find(key)]
        if not below or below[0] is None:
            raise Invalid(
                f"{key!r} does not exist in {source.name}; a prefix ends with '/', and '/' alone means all"
            )
        found |= {one.key: one for one in below if one}
    return list(found.values())
