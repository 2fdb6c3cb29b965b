"""The gallery in a browser: accessible, narrow, by keyboard, inert, and soon painted with many items."""

from __future__ import annotations

import base64
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from PIL import Image

from browser.axe import serious
from browser.tab import Tab, opened
from imagejob_contract.result import ItemCode
from imagejob_gallery.page import gallery_page
from imagejob_operator.api.errors import Code, Reason
from imagejob_operator.documents.report import Report, ReportCheck, ReportError, ReportItem
from imagejob_processor.rendering.image_facts import thumb_hash
from unit.gallery.reports import done, facts, failed, many, output, relative, report_of
from unit.gallery.test_page import hostile

ITEMS = 10_000
MAX_FIRST_PAINT = 1000
"""Milliseconds."""
MOST_CARDS = 500
"""In the page at once: those near the window."""
ATTACK = '"></script><img src=x onerror="window.attacked=1"><script>window.attacked=1</script>'
SLIDER = "document.querySelector('.compare input')"


@pytest.fixture
async def tab() -> AsyncIterator[Tab]:
    async with opened() as started:
        yield started


def written(folder: Path, page: str) -> str:
    """Write a page; its address."""
    file = folder / "gallery.html"
    file.write_text(page)
    return file.as_uri()


def gallery(report: Report) -> str:
    return gallery_page(report, relative, relative)


def report_with_images(folder: Path) -> Report:
    """A report of every kind of item, with the images of one of them."""
    store = folder / "store"
    store.mkdir()
    Image.new("RGB", (600, 400), "#a03020").save(store / "b10.jpg")
    Image.new("RGB", (300, 200), "#2030a0").save(store / "b10-web.webp")
    Image.new("RGB", (60, 40), "#20a030").save(store / "b10-thumb.jpg")
    made = [output("b10-web.webp", width=300), output("b10-thumb.jpg", 900, 60, "thumb")]
    items = [
        done("b10.jpg", 60_000, *made, notes=("The ICC profile was removed.",)),
        done("b9.jpg", 90_000, output("b9-web.webp", 89_000), skipped=True),
        failed("a.jpg", ItemCode.TOO_LARGE, "it has 200000000 pixels, and limits.pixels is 100000000"),
        ReportItem("c.jpg", 70_000),
    ]
    error = ReportError(Code.PROCESSING, Reason.ITEMS_FAILED, "1 of 4 items failed")
    checks = (
        ReportCheck("sources", False, "one of them fails"),
        ReportCheck("keys", True, "none is used twice"),
    )
    return report_of(items, outcome="Failed", error=error, checks=checks)


async def filled(tab: Tab) -> None:
    """Wait for cards, which only a list near the window has."""
    await tab.run("scrollTo(0, document.body.scrollHeight)")
    await tab.wait("document.querySelector('.item .facts')")


# --- accessible --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
async def test_axe_finds_nothing_serious(tab: Tab, tmp_path: Path, scheme: str, width: int) -> None:
    await tab.size(width, 900)
    await tab.prefer(color_scheme=scheme, reduced_motion="reduce")
    await tab.open(written(tmp_path, gallery(report_with_images(tmp_path))))
    await filled(tab)
    await tab.run("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    assert await serious(tab) == []


@pytest.mark.parametrize(
    ("before", "after", "rule"),
    [
        ("<label>Text<input", "<label></label><input", "label: "),
        ("--muted: #57606a", "--muted: #b0b4b8", "color-contrast: "),
        ('<html lang="en">', "<html>", "html-has-lang: "),
    ],
)
async def test_a_planted_barrier_is_found(
    tab: Tab, tmp_path: Path, before: str, after: str, rule: str
) -> None:
    page = gallery(report_with_images(tmp_path))
    assert before in page
    await tab.call("Page.setBypassCSP", enabled=True)
    await tab.open(written(tmp_path, page.replace(before, after)))
    await filled(tab)
    assert any(found.startswith(rule) for found in await serious(tab))


async def test_motion_is_left_out_on_request(tab: Tab, tmp_path: Path) -> None:
    await tab.open(written(tmp_path, gallery(report_with_images(tmp_path))))
    duration = "getComputedStyle(document.querySelector('.item')).transitionDuration"
    await tab.prefer(reduced_motion="no-preference")
    assert await tab.run(duration) != "0s"
    await tab.prefer(reduced_motion="reduce")
    assert await tab.run(duration) == "0s"


# --- narrow ------------------------------------------------------------------------------------------------

LONG = report_of(
    [done("x" * 1020 + ".jpg"), failed("y" * 1000, ItemCode.KILLED, "z" * 300)],
    job="shop/" + "j" * 52,
    outputs_at="s3://" + "b" * 200,
    error=ReportError("JOB_005", "R" * 100, "m" * 1000),
)


async def overflows(tab: Tab) -> bool:
    return bool(await tab.run("document.documentElement.scrollWidth > 360"))


async def test_nothing_is_wider_than_a_telephone(tab: Tab, tmp_path: Path) -> None:
    await tab.size(360, 740)
    await tab.open(written(tmp_path, gallery(LONG)))
    await filled(tab)
    assert not await overflows(tab)


async def test_a_planted_wide_element_is_found(tab: Tab, tmp_path: Path) -> None:
    await tab.size(360, 740)
    await tab.open(written(tmp_path, gallery(LONG)))
    await filled(tab)
    await tab.run("document.querySelector('h1').style.width = '400px'")
    assert await overflows(tab)


# --- by keyboard -------------------------------------------------------------------------------------------


async def sources(tab: Tab) -> list[str]:
    found: list[str] = await tab.run("[...document.querySelectorAll('.item h3')].map((h) => h.textContent)")
    return found


async def tab_to(tab: Tab, script: str) -> None:
    """Press Tab until an element has the focus, which must be visible at each step."""
    for _ in range(60):
        await tab.press("Tab")
        outlined = (
            "(() => { const at = document.activeElement; return at === document.body"
            " || [at, at.parentElement].some((e) => getComputedStyle(e).outlineStyle === 'solid'); })()"
        )
        assert await tab.run(outlined), await tab.run("document.activeElement.outerHTML")
        if await tab.run(f"document.activeElement === {script}"):
            return
    raise AssertionError(f"{script} cannot be reached by Tab")


async def test_filters_and_order_by_keyboard(tab: Tab, tmp_path: Path) -> None:
    await tab.open(written(tmp_path, gallery(report_with_images(tmp_path))))
    assert await sources(tab) == ["a.jpg", "b10.jpg", "b9.jpg", "c.jpg"]
    await tab_to(tab, "controls.text")
    for letter in "B9":
        await tab.press(letter)
    assert await sources(tab) == ["b9.jpg"]
    assert await tab.run("document.getElementById('count').textContent") == "1 of 4 items"
    await tab.run("controls.text.select()")
    await tab.press("b")
    await tab_to(tab, "controls.rendition")
    await tab.press("t")  # selects thumb
    assert await sources(tab) == ["b10.jpg"]
    await tab.press("Home")
    await tab_to(tab, "controls.sort")
    assert await sources(tab) == ["b10.jpg", "b9.jpg"]
    await tab.press("ArrowDown")
    assert await sources(tab) == ["b9.jpg", "b10.jpg"]
    await tab.press("ArrowDown")
    assert await tab.run("controls.sort.value") == "size"
    await tab_to(tab, "controls.failed")
    await tab.press(" ")
    assert await sources(tab) == []
    await tab.press("Tab", shift=True)
    assert await tab.run("document.activeElement === controls.sort")


@pytest.mark.parametrize(
    ("order", "wanted"),
    [("size", ["b9.jpg", "c.jpg", "b10.jpg"]), ("saved", ["b10.jpg", "b9.jpg", "c.jpg"])],
)
async def test_failed_items_stay_first(tab: Tab, tmp_path: Path, order: str, wanted: list[str]) -> None:
    await tab.open(written(tmp_path, gallery(report_with_images(tmp_path))))
    await tab.run(f"controls.sort.value = '{order}'; update()")
    assert await sources(tab) == ["a.jpg", *wanted]


async def test_the_slider_by_keyboard(tab: Tab, tmp_path: Path) -> None:
    await tab.open(written(tmp_path, gallery(report_with_images(tmp_path))))
    await filled(tab)
    await tab.wait(SLIDER)
    assert not await tab.run("document.querySelector('.before').getAttribute('src')")
    await tab_to(tab, SLIDER)
    for _ in range(3):
        await tab.press("ArrowRight")
    assert await tab.run(f"{SLIDER}.getAttribute('aria-valuetext')") == "3 % source"
    await tab.press("End")
    await tab.wait("document.querySelector('.before').naturalWidth === 600")
    assert await tab.run(f"{SLIDER}.parentElement.style.getPropertyValue('--part')") == "1"
    await tab.press("Home")
    assert await tab.run("document.querySelector('.before').hidden")


async def test_a_rendition_is_chosen_by_keyboard(tab: Tab, tmp_path: Path) -> None:
    await tab.open(written(tmp_path, gallery(report_with_images(tmp_path))))
    await filled(tab)
    await tab_to(tab, "document.querySelectorAll('.outputs button')[1]")
    await tab.press("Enter")
    await tab.wait("document.querySelector('.after').naturalWidth === 60")
    pressed = "[...document.querySelectorAll('.outputs button[aria-pressed=true]')].map((b) => b.textContent)"
    assert (await tab.run(pressed))[0] == "thumb"


# --- inert -------------------------------------------------------------------------------------------------


async def attacked(tab: Tab) -> bool:
    """Whether a text of the report has become an element, or has run."""
    scripts = "document.scripts.length !== 2 || document.querySelector('[onerror]') !== null"
    return bool(await tab.run(f"window.attacked === 1 || {scripts}")) or any(
        "Policy" in line for line in tab.problems
    )


def attack() -> str:
    return gallery_page(hostile(ATTACK), str, str)


async def test_no_text_of_a_report_runs(tab: Tab, tmp_path: Path) -> None:
    await tab.open(written(tmp_path, attack()))
    await filled(tab)
    assert (await sources(tab)) == [ATTACK]
    assert not await attacked(tab)
    assert tab.problems == []


async def test_a_planted_injection_is_found(tab: Tab, tmp_path: Path) -> None:
    await tab.open(written(tmp_path, attack().replace("\\u003c", "<").replace("\\u003e", ">")))
    assert await attacked(tab)
    assert await tab.run("window.attacked") is None, "the policy of the page stops what is injected"


async def test_a_planted_injection_without_a_policy_runs(tab: Tab, tmp_path: Path) -> None:
    await tab.call("Page.setBypassCSP", enabled=True)
    await tab.open(written(tmp_path, attack().replace("\\u003c", "<").replace("\\u003e", ">")))
    await tab.wait("window.attacked === 1")


# --- many items --------------------------------------------------------------------------------------------


async def test_the_first_paint_of_many_items(tab: Tab, tmp_path: Path) -> None:
    await tab.open(written(tmp_path, gallery(many(ITEMS))))
    await filled(tab)
    await tab.wait("performance.getEntriesByType('paint').length > 1")
    paint = await tab.run("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    ready = await tab.run("performance.timing.loadEventEnd - performance.timing.navigationStart")
    sorting = await tab.run(
        "(async () => { const start = performance.now(); controls.sort.value = 'source'; update();"
        " await new Promise(requestAnimationFrame); return performance.now() - start; })()"
    )
    sys.stdout.write(
        f"{ITEMS} items: first paint {paint:.0f} ms, loaded {ready:.0f} ms, sorted {sorting:.0f} ms\n"
    )
    assert await tab.run("document.getElementById('count').textContent") == f"{ITEMS} of {ITEMS} items"
    assert await tab.run("document.querySelectorAll('.item').length") < MOST_CARDS
    assert paint <= MAX_FIRST_PAINT


async def test_the_last_of_many_items_is_filled_when_it_is_seen(tab: Tab, tmp_path: Path) -> None:
    await tab.open(written(tmp_path, gallery(many(ITEMS))))
    await tab.run("scrollTo(0, document.body.scrollHeight)")
    await tab.wait("document.querySelector('.group:last-child .item:last-child')")
    await tab.wait("document.querySelector('.group:first-child .item') === null")
    assert (await sources(tab))[-1] == f"uploads/{ITEMS - 2:05}.jpg"
    assert await tab.run("document.querySelectorAll('.item').length") < MOST_CARDS
    await tab.run("scrollTo(0, 0)")
    await tab.wait("document.querySelector('.group:first-child .item')")


# --- placeholders ------------------------------------------------------------------------------------------


async def test_a_placeholder_has_the_colours_of_its_image(tab: Tab, tmp_path: Path) -> None:
    image = Image.new("RGBA", (90, 60), "#d02010")
    image.paste("#1020d0", (45, 0, 90, 60))
    text = base64.b64encode(thumb_hash(image)).decode()
    await tab.open(written(tmp_path, gallery(report_of([]))))
    samples = await tab.run(f"[...thumbHashSamples(Uint8Array.from(atob('{text}'), (c) => c.charCodeAt(0)))]")
    left, right = (samples[(16 * 32 + x) * 4 :][:4] for x in (4, 27))
    for found, wanted in ((left, (0xD0, 0x20, 0x10, 255)), (right, (0x10, 0x20, 0xD0, 255))):
        assert max(abs(a - b) for a, b in zip(found, wanted, strict=True)) < 64, found


async def test_a_broken_placeholder_does_no_harm(tab: Tab, tmp_path: Path) -> None:
    item = ReportItem("a.jpg", 1, (output("a.webp"),), image=facts("A==="[:1]))
    await tab.open(written(tmp_path, gallery(report_of([item]))))
    await filled(tab)
    assert [line for line in tab.problems if "ERR_FILE_NOT_FOUND" not in line] == []
