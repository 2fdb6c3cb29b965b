"""What a Pod measures of its work, and how it is read."""

import contextlib
import threading
import time

import msgspec
import pytest

from imagejob_contract.result import PodSpan, Summary, Work
from imagejob_processor import spans as module
from imagejob_processor.spans import Spans


@pytest.fixture
def now(monkeypatch):
    """The clocks of the processor: a list of seconds since its start."""
    seconds = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: 100 + seconds[0])
    monkeypatch.setattr(module.time, "time", lambda: 1_000_000 + seconds[0])
    return seconds


def test_a_span_is_from_the_first_start_to_the_last_end(now):
    spans = Spans()
    for started, ended in ((102, 103), (101, 102.5), (104, 104.25)):
        assert spans.add(Work.FETCH, started, ended) == ended - started
    assert spans.made() == (PodSpan(Work.FETCH, 1_000_001_000, 3250, 2750, 3),)


def test_spans_are_in_the_order_of_the_work(now):
    spans = Spans()
    spans.add(Work.STORE, 103, 104)
    spans.add(Work.ORDER, 101, 102)
    assert [span.work for span in spans.made()] == [Work.ORDER, Work.STORE]


def test_a_block_is_measured_however_it_ends(now):
    spans = Spans()
    with contextlib.suppress(LookupError), spans.during(Work.ORDER):
        now[0] = 0.5
        raise LookupError
    assert spans.made() == (PodSpan(Work.ORDER, 1_000_000_000, 500, 500, 1),)


def test_a_clock_that_is_set_changes_no_length(now, monkeypatch):
    spans = Spans()
    monkeypatch.setattr(module.time, "time", lambda: 5.0)
    with spans.during(Work.ORDER):
        now[0] = 2
    assert spans.made() == (PodSpan(Work.ORDER, 1_000_000_000, 2000, 2000, 1),)


def test_several_threads_may_measure():
    spans = Spans()
    threads = [
        threading.Thread(target=lambda: [spans.add(Work.STORE, 1, 2) for _ in range(1000)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (span,) = spans.made()
    assert (span.count, span.busy) == (4000, 4_000_000)


def test_the_wall_clock_is_that_of_now():
    before = time.time()
    spans = Spans()
    with spans.during(Work.ORDER):
        pass
    (span,) = spans.made()
    assert before * 1000 - 2 <= span.start <= time.time() * 1000 + 2


def test_a_message_of_an_older_processor_has_no_spans():
    assert msgspec.json.decode(b'{"succeeded":2}', type=Summary).spans == ()


@pytest.mark.parametrize(
    "spans",
    [
        "[{}]",
        '[{"work":"sleep","start":1,"length":1,"busy":1,"count":1}]',
        '[{"work":"fetch","start":-1,"length":1,"busy":1,"count":1}]',
        '[{"work":"fetch","start":1,"length":1e300,"busy":1,"count":1}]',
        "[" + ",".join(['{"work":"fetch","start":1,"length":1,"busy":1,"count":1}'] * 5) + "]",
    ],
)
def test_spans_that_no_processor_writes_are_refused(spans):
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(f'{{"succeeded":2,"spans":{spans}}}'.encode(), type=Summary)
