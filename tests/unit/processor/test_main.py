"""The whole program, as a Pod runs it, against a store double."""

import hashlib
import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
from PIL import Image

from imagejob_contract.order import Order, OrderItem, OrderWatermark, Upload, output_name
from imagejob_contract.output import Format
from imagejob_contract.recipe import Fit, Step, Watermark
from imagejob_contract.result import ExitCode, ItemCode, Summary, Work, decode_result
from imagejob_processor import main as program
from imagejob_processor.errors import BadOrder
from unit.processor.images import LIMITS, rendition, resized, stored
from unit.processor.store_double import EXPIRED, QUOTA, Answer, Script, serving

WAYS = (
    rendition(resized(60, 60), name="web", form=Format.WEBP),
    rendition(resized(20, 20, Fit.COVER), name="thumb", form=Format.JPEG),
)


@pytest.fixture
def script():
    with serving(Script()) as script:
        script.answers = {
            "/order": [Answer(body=msgspec.json.encode(order(script)))],
            "/0": [Answer(body=stored("JPEG"))],
            "/1": [Answer(body=b"junk")],
            "/2": [Answer(body=stored("PNG"))],
            "/bucket": [Answer(204)],
            "/result": [Answer(200)],
        }
        yield script


def order(script: Script, items: int = 3) -> Order:
    fields = {"policy": "TOPSECRET", "x-amz-signature": "TOPSECRET"}
    return Order(
        version=1,
        job="shop/spring",
        run=2,
        shard=7,
        attempt=1,
        items=tuple(OrderItem(50 + n, f"uploads/{n}.jpg", script.url(f"/{n}"), "etag") for n in range(items)),
        renditions=WAYS,
        limits=LIMITS,
        upload=Upload(f"{script.endpoint}/bucket", "stage/out/", fields, 1 << 20),
        result_url=script.url("/result"),
        progress_url=script.url("/progress"),
    )


class Pod:
    """A running processor."""

    def __init__(self, script: Script, folder: Path, url: str | None = None) -> None:
        self.message = folder / "termination-log"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("IMAGEJOB_")}
        environment |= {
            "IMAGEJOB_ORDER_URL": script.url("/order") if url is None else url,
            "IMAGEJOB_TERMINATION_LOG": str(self.message),
        }
        command = (sys.executable, "-m", "imagejob_processor")
        self.process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        self.log = ""

    def wait(self) -> int:
        _, self.log = self.process.communicate(timeout=30)
        assert "TOPSECRET" not in self.log
        assert "Signature" not in self.log
        return self.process.returncode

    def lines(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.log.splitlines()]

    def summary(self) -> Summary:
        return msgspec.json.decode(self.message.read_bytes(), type=Summary)


def counts(summary: Summary) -> Summary:
    return msgspec.structs.replace(summary, spans=())


@pytest.fixture
def start(script, tmp_path):
    started = []

    def start(url: str | None = None) -> Pod:
        started.append(Pod(script, tmp_path, url))
        return started[-1]

    yield start
    for pod in started:
        pod.process.kill()
        pod.process.communicate()


def asked(script: Script, path: str) -> list:
    return [each for each in script.asked if each.path == path]


def test_an_order_becomes_outputs_a_result_and_a_message(script, start):
    pod = start()
    assert pod.wait() == ExitCode.DONE
    assert counts(pod.summary()) == Summary(succeeded=2, failed=1)
    (put,) = asked(script, "/result")
    assert put.headers["If-None-Match"] == "*"
    result = decode_result(put.body, 3, len(WAYS))
    assert (result.shard, result.attempt) == (7, 1)
    assert [item.index for item in result.items] == [50, 51, 52]
    assert [[output.rendition for output in item.outputs] for item in result.items] == [
        ["web", "thumb"],
        [],
        ["web", "thumb"],
    ]
    assert result.items[1].error.code is ItemCode.UNDECODABLE
    forms = {
        form["key"].decode(): form["file"] for form in (post.form() for post in asked(script, "/bucket"))
    }
    assert set(forms) == {f"stage/out/{output_name(index, way.name)}" for index in (50, 52) for way in WAYS}
    for item in result.items:
        for record in item.outputs:
            data = forms[f"stage/out/{output_name(item.index, record.rendition)}"]
            assert len(data) == record.bytes
            assert hashlib.sha256(data).hexdigest() == record.sha256
            assert Image.open(io.BytesIO(data)).size == (record.width, record.height)


def test_the_message_has_the_span_of_each_kind_of_work(script, start):
    before = time.time() * 1000
    pod = start()
    assert pod.wait() == ExitCode.DONE
    after = time.time() * 1000
    spans = {span.work: span for span in pod.summary().spans}
    assert list(spans) == list(Work)
    assert {work: span.count for work, span in spans.items()} == {
        Work.ORDER: 1,
        Work.FETCH: 3,
        Work.PROCESS: 3,
        Work.STORE: 4,
    }
    for span in spans.values():
        assert before - 1 <= span.start <= span.start + span.length <= after + 2
    assert spans[Work.ORDER].start + spans[Work.ORDER].length <= spans[Work.FETCH].start + 1
    assert len(pod.message.read_bytes()) < 1024, "the kubelet keeps 4096 bytes"


def with_mark(script: Script) -> None:
    logo = Step(watermark=Watermark(image="brand/logo.png", opacity_percent=100))
    way = rendition(resized(60, 60), logo, name="web", form=Format.PNG)
    of = msgspec.structs.replace(
        order(script, 1),
        renditions=(way,),
        watermark_images=(OrderWatermark("brand/logo.png", script.url("/logo"), "e"),),
    )
    script.answers["/order"] = [Answer(body=msgspec.json.encode(of))]


def test_an_image_for_the_watermark_is_fetched_once_for_all_items(script, start):
    with_mark(script)
    red = io.BytesIO()
    Image.new("RGB", (8, 8), (255, 0, 0)).save(red, "PNG")
    script.answers["/logo"] = [Answer(body=red.getvalue())]
    assert start().wait() == ExitCode.DONE
    assert len(asked(script, "/logo")) == 1
    (post,) = asked(script, "/bucket")
    image = Image.open(io.BytesIO(post.form()["file"]))
    corner = image.crop((image.width - 8, image.height - 8, image.width - 2, image.height - 2))
    assert corner.getpixel((2, 2)) == (255, 0, 0)


@pytest.mark.parametrize("answer", [Answer(404), Answer(412), Answer(body=b"x" * (1 << 20) + b"x")])
def test_an_image_for_the_watermark_that_is_not_what_was_staged(script, start, answer):
    with_mark(script)
    script.answers["/logo"] = [answer]
    pod = start()
    assert pod.wait() == ExitCode.BAD_ORDER
    assert "a watermark image could not be read" in pod.message.read_text()


def test_the_log_is_json_and_names_items(script, start):
    pod = start()
    pod.wait()
    lines = pod.lines()
    assert {"time", "level", "logger", "message"} <= set(lines[0])
    (failed,) = [line for line in lines if line["message"] == "item failed"]
    assert failed["source"] == "uploads/1.jpg"
    assert failed["code"] == "IMG_001"


def test_another_attempt_was_first(script, start):
    script.answers["/result"] = [Answer(412)]
    pod = start()
    assert pod.wait() == ExitCode.DONE
    assert counts(pod.summary()) == Summary(succeeded=2, failed=1)


@pytest.mark.parametrize(
    ("path", "answer", "code"),
    [
        pytest.param("/order", Answer(403, EXPIRED), ExitCode.ORDER_EXPIRED, id="order expired"),
        pytest.param("/order", Answer(403), ExitCode.ORDER_EXPIRED, id="order denied"),
        pytest.param("/2", Answer(403, EXPIRED), ExitCode.ORDER_EXPIRED, id="source expired"),
        pytest.param("/bucket", Answer(403, EXPIRED), ExitCode.ORDER_EXPIRED, id="policy expired"),
        pytest.param("/result", Answer(403, EXPIRED), ExitCode.ORDER_EXPIRED, id="result expired"),
        pytest.param("/result", Answer(403), ExitCode.RESULT_NOT_STORED, id="result denied"),
        pytest.param("/2", Answer(403), ExitCode.RESULT_NOT_STORED, id="source denied"),
        pytest.param("/bucket", Answer(403, QUOTA), ExitCode.RESULT_NOT_STORED, id="store full"),
        pytest.param("/order", Answer(404), ExitCode.BAD_ORDER, id="no order"),
        pytest.param("/order", Answer(body=b"{}"), ExitCode.BAD_ORDER, id="empty order"),
        pytest.param("/order", Answer(body=b"\xff"), ExitCode.BAD_ORDER, id="no JSON"),
    ],
)
def test_exit_codes(script, start, path, answer, code):
    script.answers[path] = [answer]
    pod = start()
    assert pod.wait() == code
    message = pod.message.read_text()
    assert message
    assert "{" not in message, "people read it"
    if path != "/result":
        assert not asked(script, "/result")


def test_no_url(start):
    pod = start("")
    assert pod.wait() == ExitCode.BAD_ORDER
    assert pod.message.read_text() == "IMAGEJOB_ORDER_URL is not set"


def test_sigterm_ends_at_once_without_a_result(script, start):
    waiting = []

    def slow(asked_for):
        waiting.append(asked_for)
        time.sleep(5)
        return Answer(body=b"")

    script.answers["/1"] = [slow]
    pod = start()
    assert script.seen["/bucket"].wait(20) or script.seen["/1"].wait(20)
    started = time.monotonic()
    pod.process.terminate()
    assert pod.wait() == 143
    assert time.monotonic() - started < 2
    assert not asked(script, "/result")
    assert pod.message.read_text() == "terminated by SIGTERM before the result was stored"


def test_no_place_for_the_message(script, start, tmp_path, monkeypatch):
    assert not Path(program.TERMINATION_LOG).exists(), "this test needs a machine without it"
    program._write_termination_message(b"why", {})
    assert not Path(program.TERMINATION_LOG).exists(), "the kubelet's file is not ours to create"
    program._write_termination_message(
        b"why", {"IMAGEJOB_TERMINATION_LOG": str(tmp_path / "no" / "such" / "folder")}
    )


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"renditions": ()}, id="no renditions"),
        pytest.param({"renditions": WAYS[:1] * 2}, id="one name twice"),
        pytest.param({"items": (OrderItem(1, "a", "u", "e"),) * 2}, id="one index twice"),
        pytest.param({"version": 2}, id="another version"),
    ],
)
def test_orders_that_are_refused(script, change):
    good = order(script)
    assert program.read_order(msgspec.json.encode(good)) == good
    with pytest.raises(BadOrder):
        program.read_order(msgspec.json.encode(msgspec.structs.replace(good, **change)))


def test_an_order_with_something_unknown_is_refused(script):
    content = msgspec.json.decode(msgspec.json.encode(order(script)))
    with pytest.raises(BadOrder, match="colour"):
        program.read_order(msgspec.json.encode({**content, "colour": "red"}))
    # An order of a later version is refused, never half understood.
    content["limits"]["seconds"] = 3
    with pytest.raises(BadOrder, match="seconds"):
        program.read_order(msgspec.json.encode(content))
