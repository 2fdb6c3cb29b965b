"""The page of a run: a template with its style, its script and the content of the report."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from importlib.resources import files

import msgspec

from imagejob_gallery.content import content_of
from imagejob_gallery.links import Link
from imagejob_operator.documents.report import Report

SCRIPTS = ("thumbhash.js", "card.js", "gallery.js")
_ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})
"""In JSON these characters are only in strings, where they may be escaped; so no text ends the script."""
_PLACES = re.compile(r"\{\{(\w+)\}\}")


def gallery_page(report: Report, source_url: Link, output_url: Link) -> str:
    """The HTML of one page that shows a report; it loads nothing but the images of its links.

    Args:
        report: The report of a run. None of its texts is trusted.
        source_url: The URL of a source by its key, or None if the page cannot show it.
        output_url: The same for an output. Sources and outputs may be in different stores.

    Returns:
        HTML. Links that are not relative, http or https are left out. It has only text that UTF-8 can hold.
    """
    content = msgspec.json.encode(content_of(report, source_url, output_url)).decode()
    parts = {**_parts(), "content": content.translate(_ESCAPES)}
    return _PLACES.sub(lambda place: parts[place[1]], _asset("page.html"))


@cache
def _parts() -> dict[str, str]:
    """What is the same in every page. The policy allows this style and this script, and no other."""
    style, script = _asset("gallery.css"), "\n".join(map(_asset, SCRIPTS))
    policy = (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "img-src file: http: https: data:; base-uri 'none'; form-action 'none'"
    )
    return {"style": style, "script": script, "policy": policy}


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _asset(name: str) -> str:
    return (files("imagejob_gallery") / "assets" / name).read_text(encoding="utf-8")
