"""Every file of examples/ on a real cluster: it ends, and gives what its header says.

The examples run beside each other, each in a namespace of its own; examples/README.md has the format.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from e2e.examples.play import play
from e2e.world import World

EXAMPLES = {path.stem: path for path in sorted((Path(__file__).parents[2] / "examples").glob("*.yaml"))}
AT_ONCE = 8


@pytest.fixture(scope="module")
def played(world: World, request: pytest.FixtureRequest) -> Iterator[dict[str, Future[list[str]]]]:
    """The examples that were asked for, all under way."""
    asked = [item.callspec.params["example"] for item in request.session.items if _is_example(item)]
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="example") as pool:
        futures = {name: pool.submit(play, world, EXAMPLES[name]) for name in asked}
        try:
            yield futures
        finally:
            pool.shutdown(cancel_futures=True)


def _is_example(item: pytest.Item) -> bool:
    return "example" in getattr(getattr(item, "callspec", None), "params", {}) and item.path == Path(__file__)


@pytest.mark.timeout(600, func_only=True)
@pytest.mark.parametrize("example", EXAMPLES)
def test_example(example: str, played: dict[str, Future[list[str]]]) -> None:
    found = played[example].result()
    assert not found, "\n".join(found)
