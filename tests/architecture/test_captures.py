"""Every command of the command line is shown with its output in the docs."""

from __future__ import annotations

import re

from typer.main import get_command

from docgen.captures import BLOCK, PAGE, SCENE, names, with_captures
from imagejob_cli.main import app


def commands() -> set[str]:
    return set(getattr(get_command(app), "commands"))  # noqa: B009  (Typer's type has no such attribute)


def missing(page: str) -> set[str]:
    """Commands without a block that has their output."""
    shown = {
        command
        for _, text in BLOCK.findall(page)
        for command in re.findall(r"^\$ imagejob ([\w-]+).*\n.+", text, re.MULTILINE)
    }
    return commands() - shown


def test_every_command_has_a_capture() -> None:
    assert missing(PAGE.read_text()) == set()


def test_the_captures_of_the_page_are_those_of_the_scene() -> None:
    blocks = dict(BLOCK.findall(PAGE.read_text()))
    assert set(blocks) == set(names())
    for step in SCENE:
        if step.name:
            assert blocks[step.name].startswith(f"$ {step.command}\n"), step.name
            assert "Traceback" not in blocks[step.name]


def test_a_planted_page_without_a_command_is_found() -> None:
    page = PAGE.read_text()
    assert missing(with_captures(page, {"doctor": "$ imagejob doctor -n blog"})) == {"doctor"}
    assert missing(page.replace("capture: upload", "a: upload")) == {"upload"}


def test_other_blocks_are_left_as_they_are() -> None:
    page = PAGE.read_text()
    assert with_captures(page, {}) == page
    changed = with_captures(page, {"list": "$ imagejob list\nnothing"})
    assert changed != page
    assert dict(BLOCK.findall(changed))["list"] == "$ imagejob list\nnothing"
