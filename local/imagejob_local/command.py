"""`imagejob run`: checks that all packages are installed before it loads any of them."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

SUCCEEDED, FAILED, INVALID = 0, 1, 2
NEEDED = ("aiohttp", "msgspec", "PIL", "pillow_heif", "pillow_jxl", "pythonjsonlogger", "urllib3", "yaml")
"""Modules of the packages in the extra `local`."""


def run(
    manifest: Path, store: Path, allowed_networks: Sequence[str] = (), gallery: Path | None = None
) -> int:
    """Run an ImageJob on this machine, with a folder as its store.

    Args:
        manifest: The file with the ImageJob.
        store: The folder with the sources, into which outputs and the report are written.
        allowed_networks: From which sources may be downloaded, besides public addresses, in CIDR notation.
        gallery: The HTML file to write, which shows the result of the run.

    Returns:
        0 if the run succeeded, 1 if it failed or was cancelled or its gallery cannot be written, 2 if an
        argument or the manifest is invalid.

    Raises:
        KeyboardInterrupt: Before the run has begun; later, an interrupt cancels the run.
    """
    if os.name != "posix":
        sys.stderr.write("imagejob: imagejob run works on Linux and macOS only\n")
        return INVALID
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        text = f"imagejob run needs the Python package {missing[0]}; run: pip install 'imagejob[local]'"
        sys.stderr.write(f"imagejob: {text}\n")
        return INVALID
    from imagejob.errors import Invalid
    from imagejob.printable import visible
    from imagejob_local.folder import FolderUnusable
    from imagejob_local.manifest import InvalidManifest
    from imagejob_local.session import execute

    try:
        return SUCCEEDED if execute(manifest, store, allowed_networks, gallery) else FAILED
    except (InvalidManifest, FolderUnusable, Invalid) as error:
        sys.stderr.write(f"imagejob: {visible(str(error))}\n")
        return INVALID
