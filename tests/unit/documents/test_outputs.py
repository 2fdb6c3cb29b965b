"""Planned outputs: keys follow the template, collisions are found, content keys depend on what matters."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagejob_contract.output import Format, Output
from imagejob_contract.recipe import Rendition
from imagejob_operator.api.destination import Destination
from imagejob_operator.api.output_headers import Headers
from imagejob_operator.api.sources import MatchSource, Source
from imagejob_operator.api.spec import Spec
from imagejob_operator.documents.outputs import PlannedItem, PlannedOutput, planned_outputs
from imagejob_operator.validation.keys import InvalidKey, KeyCollision

WEB = Rendition("web", Output(Format.WEBP))
THUMB = Rendition("thumb", Output(Format.JPEG))
PLAIN = Headers()
segments = st.text(st.characters(codec="utf-8", exclude_characters="/"), min_size=1, max_size=8)


def planned(
    sources: list[str], renditions: list[Rendition], template: str, base: str = "", place: int = 0
) -> list[PlannedOutput]:
    source = Source(match=MatchSource(base)) if base else Source(keys=tuple(sources))
    spec = Spec(source=source, renditions=tuple(renditions), destination=Destination(key_template=template))
    items = [PlannedItem(name, position) for position, name in enumerate(sources, place)]
    return [output for outputs in planned_outputs(spec, items) for output in outputs]


@pytest.mark.parametrize(
    ("source", "template", "more", "wanted"),
    [
        ("uploads/x/a.jpg", "{dir}{stem}-{rendition}.{ext}", {}, "o/uploads/x/a-web.webp"),
        ("uploads/x/a.jpg", "{dir}{stem}.{ext}", {"base": "uploads/"}, "o/x/a.webp"),
        ("a.tar.gz", "{stem}.{ext}", {}, "o/a.tar.webp"),
        ("noextension", "{dir}{stem}.{ext}", {}, "o/noextension.webp"),
        (".hidden", "{stem}.{ext}", {}, "o/.hidden.webp"),
        ("x/a.jpg", "{dir}{name}.{ext}", {}, "o/x/a.jpg.webp"),
        ("x/a.jpg", "{index}-{rendition}.{ext}", {}, "o/000000-web.webp"),
        ("x/a.jpg", "{index}.{ext}", {"place": 4711}, "o/004711.webp"),
        ("{index}/{0}.jpg", "{dir}{stem}.{ext}", {}, "o/{index}/{0}.webp"),
    ],
    ids=["all", "base", "two-dots", "no-extension", "dot-file", "name", "index", "place", "braces"],
)
def test_output_keys_follow_the_template(
    source: str, template: str, more: dict[str, Any], wanted: str
) -> None:
    assert [o.key for o in planned([source], [WEB], f"o/{template}", **more)] == [wanted]


@pytest.mark.parametrize(
    ("sources", "renditions", "template"),
    [
        (["a/x.jpg", "b/x.jpg"], [WEB], "{stem}.{ext}"),
        (["x.jpg", "x.png"], [WEB], "{stem}.{ext}"),
        (["x.jpg"], [WEB, Rendition("big", Output(Format.WEBP))], "{stem}.{ext}"),
        (["x.jpg", "x.jpg"], [WEB], "{stem}-{rendition}.{ext}"),
    ],
    ids=["folders", "extensions", "renditions", "same-source-twice"],
)
def test_a_collision_names_both(sources: list[str], renditions: list[Rendition], template: str) -> None:
    with pytest.raises(KeyCollision, match=f"{sources[0]!r} .* and {sources[-1]!r}|{sources[-1]!r} .* and"):
        planned(sources, renditions, template)


def test_names_that_are_not_the_same_bytes_do_not_collide() -> None:
    """As the store sees it: case counts, and so does how an accent is written."""
    sources = ["A.jpg", "a.jpg", "caf\u00e9.jpg", "cafe\u0301.jpg"]
    assert len({output.key for output in planned(sources, [WEB], "{stem}.{ext}")}) == 4


@pytest.mark.parametrize("template", ["{name}-{rendition}.{ext}", "{index}-{rendition}.{ext}"])
def test_a_way_out_of_each_collision(template: str) -> None:
    sources = ["x.jpg", "x.png", "y.jpg"]
    assert len({output.key for output in planned(sources, [WEB, THUMB], template)}) == 6


def test_a_key_longer_than_the_store_takes_is_refused() -> None:
    with pytest.raises(InvalidKey, match="must have 1 to 1024 bytes in UTF-8, found 1031"):
        planned(["ä" * 512], [WEB], "p/{stem}.{ext}")


def test_an_output_may_not_leave_the_jail_by_its_source() -> None:
    with pytest.raises(InvalidKey, match="keyTemplate"):
        planned(["x/...jpg"], [WEB], "{stem}/{ext}")


def test_a_rendition_in_the_format_of_each_source() -> None:
    same = Rendition("s", Output(Format.SAME))
    outputs = planned(["a.JPEG", "b.tif"], [same, WEB], "{stem}-{rendition}.{ext}")
    assert [output.content_type for output in outputs] == [
        "image/jpeg",
        "image/webp",
        "image/tiff",
        "image/webp",
    ]
    assert [output.key for output in outputs] == ["a-s.jpg", "a-web.webp", "b-s.tif", "b-web.webp"]
    with pytest.raises(
        InvalidKey, match=r"spec\.renditions: rendition 's' has output\.format Same.*'a\.bmp'"
    ):
        planned(["a.bmp"], [same], "{stem}.{ext}")
    with pytest.raises(KeyCollision, match=r"'a\.jpeg'.*'a\.jpg'"):
        planned(["a.jpg", "a.jpeg"], [same], "{stem}.{ext}")


@given(st.lists(st.lists(segments, min_size=1, max_size=3).map("/".join), unique=True, max_size=6))
def test_output_keys_are_all_there_and_all_different(sources: list[str]) -> None:
    try:
        outputs = planned(sources, [WEB, THUMB], "o/{dir}{stem}-{rendition}.{ext}")
    except (KeyCollision, InvalidKey):
        return
    assert [(output.item.source, output.rendition.name) for output in outputs] == [
        (source, rendition) for source in sources for rendition in ("web", "thumb")
    ]
    assert len({output.key for output in outputs}) == len(outputs)
    assert all(output.key.startswith("o/") for output in outputs)


def content_key(
    name: str = "a.jpg", identity: str = "etag", rendition: Rendition = WEB, headers: Headers = PLAIN
) -> str:
    spec = Spec(
        source=Source(keys=(name,)), renditions=(rendition,), destination=Destination(headers=headers)
    )
    return planned_outputs(spec, [PlannedItem(name, 0, identity)])[0][0].content_key


def test_content_keys_do_not_depend_on_names() -> None:
    renamed = msgspec.structs.replace(WEB, name="other")
    assert content_key() == content_key(name="b.png") == content_key(rendition=renamed)


def test_content_keys_depend_on_source_rendition_and_headers() -> None:
    others = {
        content_key(identity="another"),
        content_key(rendition=THUMB),
        content_key(headers=Headers(cache_control="no-cache")),
    }
    assert len(others | {content_key()}) == 4
