"""Any key that S3 takes: from a listing to staging, order, output key and report, and back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import quote_plus, unquote, urlsplit
from xml.sax.saxutils import escape

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fakes.world import World
from imagejob_operator.adapters.s3.listing import read_page
from imagejob_operator.adapters.s3.store import S3Store
from imagejob_operator.api.store_location import StoreLocation
from imagejob_operator.ports.credentials import Credentials
from imagejob_operator.validation.keys import check_name

FOLDER = "shop/in/"
MOST = 1024 - len("shop/out/000000-.webp") - 2


def is_taken(name: str) -> bool:
    """Whether S3 takes the key, and no HTTP client resolves it."""
    fits = 1 <= len(name.encode()) <= MOST - len(FOLDER)
    return fits and not name.endswith("/") and not {".", ".."} & {*name.split("/")}


pieces = st.one_of(
    st.sampled_from(
        ["/", "//", " ", "+", "%", "%20", "%2F", "?", "#", "&", "<", "]]>", "\\", "{stem}", "{0}", "*"]
    ),
    st.sampled_from(
        ["\n", "\t", "\x01", "\x1b[2J", "\x7f", "\u2028", "\u202e", "é", "e\u0301", "\ufffe", "🖼", "..."]
    ),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8),
)
names = st.lists(pieces, min_size=1, max_size=12).map("".join).filter(is_taken)
SIMPLE = "a.jpg"


def listed(keys: list[str]) -> list[str]:
    """The keys as they come out of a listing, whose names are encoded as AWS and MinIO encode them."""
    entries = "".join(
        f"<Contents><Key>{escape(quote_plus(key, safe='/'))}</Key><Size>1</Size><ETag>e</ETag>"
        "<LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>"
        for key in sorted(keys)
    )
    page = f"<ListBucketResult><EncodingType>url</EncodingType>{entries}</ListBucketResult>"
    return [stored.key for stored in read_page(page.encode(), FOLDER, "").objects]


async def round_trip(name: str) -> None:
    """Run a job over the key; everything that names it afterwards must name it."""
    keys = [f"{FOLDER}{name}", *([f"{FOLDER}{SIMPLE}"] if name != SIMPLE else [])]
    assert listed(keys) == sorted(keys)
    for key in keys:
        assert unquote(urlsplit(STORE.sign_get(key, timedelta(hours=1))).path) == f"/bucket/{key}"
    world = World(sources={key.removeprefix("shop/"): key.encode() for key in keys})
    world.create(
        source={"match": {"prefix": "in/"}},
        destination={"prefix": "out/", "keyTemplate": "{dir}{name}.{ext}"},
    )
    await world.run()
    assert world.job.status.phase == "Succeeded", (world.error(), world.job.status.error)
    report = json.loads(world.store.objects[world.job.status.report].data)
    assert sorted(f"shop/{item['source']}" for item in report["items"]) == sorted(keys)
    for item in report["items"]:
        [output] = item["outputs"]
        assert output["key"] == f"out/{item['source'].removeprefix('in/')}.webp"
        made = world.store.objects[f"shop/{output['key']}"].data
        assert made.startswith(f"shop/{item['source']}".encode())


STORE = S3Store(StoreLocation("store.example", "bucket"), lambda: Credentials("a", "b"))


@settings(max_examples=25, deadline=None, report_multiple_bugs=False)
@given(names)
@example("/leading")
@example("a//b")
@example("line\nbreak")
@example("a b+c%20.jpg")
def test_any_key(name: str) -> None:
    asyncio.run(round_trip(name))


def _plus_kept(text: str) -> bytes:
    return unquote(text.replace(" ", "+")).encode()


@pytest.mark.parametrize(
    ("place", "bug"),
    [
        ("imagejob_operator.adapters.s3.listing.unquote_to_bytes", _plus_kept),
        ("imagejob_operator.documents.outputs.check_key", check_name),
    ],
    ids=["a plus in a listing is no space", "control characters are refused"],
)
def test_a_planted_bug_is_found(monkeypatch: pytest.MonkeyPatch, place: str, bug: Callable[..., Any]) -> None:
    monkeypatch.setattr(place, bug)
    with pytest.raises(AssertionError):
        test_any_key()
