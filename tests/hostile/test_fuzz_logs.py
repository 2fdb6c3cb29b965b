"""A library or a tenant makes log records with any message, arguments and attributes."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pythonjsonlogger.json import JsonFormatter

from imagejob_operator.adapters.process.logs import JsonLines


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError("no text")


circular: list[Any] = []
circular.append(circular)
odd = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.binary(),
    st.builds(Unprintable),
    st.builds(object),
    st.just(circular),
    st.dictionaries(st.one_of(st.text(), st.binary(), st.integers()), st.text()),
)
names = st.text(min_size=1).filter(lambda name: name not in vars(logging.makeLogRecord({})))


records = (
    st.one_of(st.text(), odd),
    st.lists(odd, max_size=3),
    st.dictionaries(names, odd, max_size=3),
)


def becomes_one_line(formatter: logging.Formatter, message: object, args: Any, extra: Any) -> None:
    """The formatter does not raise, and writes one line of JSON."""
    record = logging.makeLogRecord({**extra, "msg": message, "args": tuple(args), "levelname": "INFO"})
    text = formatter.format(record)
    assert "\n" not in text
    assert isinstance(json.loads(text), dict)


@given(*records)
@example("%d of %s", ["x"], {})
@example(Unprintable(), [Unprintable()], {"k8s_ref": 1})
def test_no_record_raises_and_each_is_one_line(message: object, args: Any, extra: Any) -> None:
    becomes_one_line(JsonLines(), message, args, extra)


def test_a_formatter_that_raises_is_found() -> None:
    """That of the library, which was used before."""

    @given(*records)
    def planted(message: object, args: Any, extra: Any) -> None:
        becomes_one_line(JsonFormatter("{message}", style="{"), message, args, extra)

    with pytest.raises(Exception):  # noqa: B017, PT011  (whatever it raises first)
        planted()
