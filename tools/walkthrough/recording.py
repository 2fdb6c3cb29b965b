"""The commands of a page as an SVG picture of a terminal, whose lines appear one after the other."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import escape

from walkthrough.page import PROMPT, Command

CHARACTER, LINE, MARGIN, BAR = 8.4, 20, 20, 34
"""Width of a character, height of a line, margin and height of the title bar, in pixels."""
PAUSE = 1.2
"""Seconds until the next command, and from a command to its output."""
BACKGROUND, PRINTED, TYPED = "#1b1f27", "#d6dde8", "#8fd48f"
FONT = "14px ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
HEAD = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" role="img" aria-label="{label}">
<style>
text {{ font: {font}; fill: {printed}; white-space: pre }}
.typed {{ fill: {typed} }}
@media (prefers-reduced-motion: no-preference) {{ text {{ animation: shown 0.01s both }} }}
@keyframes shown {{ from {{ opacity: 0.2 }} to {{ opacity: 1 }} }}
</style>
<rect width="{width:.0f}" height="{height}" rx="10" fill="{background}"/>
<circle cx="22" cy="18" r="6" fill="#e0645c"/>
<circle cx="42" cy="18" r="6" fill="#dfb04a"/>
<circle cx="62" cy="18" r="6" fill="#6dbb59"/>
"""


def recording(commands: Sequence[Command], label: str) -> str:
    """Return commands and their outputs as an SVG picture, which loads nothing."""
    lines = list(_lines(commands))
    width = 2 * MARGIN + CHARACTER * max(len(text) for text, _ in lines)
    height = BAR + MARGIN + LINE * len(lines)
    colours = {"background": BACKGROUND, "printed": PRINTED, "typed": TYPED}
    parts = [HEAD.format(width=width, height=height, label=escape(label), font=FONT, **colours)]
    for number, (text, second) in enumerate(lines, start=1):
        typed = ' class="typed"' if text.startswith(PROMPT) else ""
        parts.append(
            f'<text{typed} x="{MARGIN}" y="{BAR + LINE * number}" textLength="{CHARACTER * len(text):.1f}"'
            f' style="animation-delay: {second:.1f}s">{escape(text)}</text>\n'
        )
    return "".join([*parts, "</svg>\n"])


def _lines(commands: Sequence[Command]) -> Iterator[tuple[str, float]]:
    """Every line that is not empty, with the second at which it appears."""
    now = 0.0
    for command in commands:
        yield f"{PROMPT}{command.text}", now
        start = now = now + PAUSE
        for line in filter(None, (command.output or "").splitlines()):
            if offset := re.match(r" *(\d+\.\d)s  ", line):
                now = start + float(offset[1])
            yield line, now
