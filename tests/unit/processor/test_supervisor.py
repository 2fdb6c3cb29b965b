"""The supervisor, with child processes that hang, use too much memory, and crash."""

import os
import signal
import sys
import threading
import time
from io import BytesIO

import pytest
from PIL import Image

from imagejob_contract.order import ORDER_URL_VARIABLE, ItemLimits
from imagejob_contract.output import FORMATS, Format
from imagejob_contract.pod_memory import memory_bytes
from imagejob_contract.recipe import Fit
from imagejob_contract.result import ItemCode
from imagejob_processor.child_process import supervisor as supervisor_module
from imagejob_processor.child_process.protocol import Setup
from imagejob_processor.child_process.supervisor import Supervisor
from imagejob_processor.errors import DecoderUnavailable, ItemFailure
from unit.processor.images import LIMITS, file, photo, rendition, resized, stored

WAYS = (
    rendition(resized(40, 40), name="b"),
    rendition(resized(10, 10), name="a"),
    rendition(resized(160, 160), name="c"),
)


def child(code: str) -> tuple[str, ...]:
    """A child whose pipeline is replaced by `code`, the body of `render(…)`."""
    lines = "\n".join(f"    {line}" for line in code.splitlines())
    program = f"""
import os, sys, time
from imagejob_processor.child_process import child
from imagejob_processor.rendering import pipeline
real = pipeline.render
def render(data, renditions, limits, engine):
{lines}
pipeline.render = render
child.main()
"""
    return (sys.executable, "-c", program)


def setup(seconds: int = 30, address_space: int = 0, output_bytes: int = 1 << 24, ways=WAYS) -> Setup:
    limits = ItemLimits(LIMITS.item_bytes, LIMITS.pixels, LIMITS.frames, seconds)
    return Setup(ways, limits, address_space, output_bytes)


@pytest.fixture
def supervise():
    started = []

    def supervise(command=None, **options):
        supervisor = Supervisor(command) if command else Supervisor()
        started.append(supervisor)
        supervisor.configure(setup(**options))
        return supervisor

    yield supervise
    for supervisor in started:
        supervisor.close()


@pytest.mark.parametrize("size", [(70_000, 2), (2, 70_000), (3_000_000, 1), (1, 3_000_000)], ids=str)
def test_very_long_sides_fit_into_the_memory_of_their_pixels(supervise, size):
    ways = (rendition(resized(1000, 1000), form=Format.JPEG),)
    data = file(Image.new("RGB", size, (9, 90, 200)))
    limits = ItemLimits(len(data), size[0] * size[1], 1, 30)
    supervisor = supervise(ways=ways, address_space=memory_bytes(ways, limits))
    made = supervisor.process(data)
    assert (made.facts.width, made.facts.height) == size
    assert 1 in (made.renditions[0].width, made.renditions[0].height)


def failure(supervisor: Supervisor, data: bytes = b"x") -> ItemFailure:
    with pytest.raises(ItemFailure) as caught:
        supervisor.process(data)
    return caught.value


def test_pictures_come_in_the_order_of_the_spec(supervise):
    pictures = supervise().process(stored("PNG")).renditions
    assert [picture.rendition for picture in pictures] == ["b", "a", "c"]
    assert [picture.width for picture in pictures] == [40, 10, 160]


@pytest.mark.parametrize(("name", "form"), [("d/a.JPG", "JPEG"), ("a.webp", "WEBP"), ("a.png", "PNG")])
def test_same_is_the_format_that_the_name_says_whatever_the_file_is(supervise, name, form):
    supervisor = supervise(ways=(rendition(form=Format.SAME),))
    (picture,) = supervisor.process(stored("PNG"), name).renditions
    with Image.open(BytesIO(picture.data)) as image:
        assert image.format == form


def test_a_bad_image_costs_one_item_and_no_process(supervise):
    supervisor = supervise()
    supervisor.process(stored("PNG"))
    before = supervisor.pid
    assert failure(supervisor, b"junk").code is ItemCode.UNDECODABLE
    assert len(supervisor.process(stored("JPEG")).renditions) == 3
    assert supervisor.pid == before


def test_the_notes_of_an_item_come_with_its_pictures(supervise):
    code = """
from imagejob_processor.notes import note
note(f"noted {data[-1]}")
yield from real(data, renditions, limits)"""
    supervisor = supervise(child(code))
    assert supervisor.process(stored("PNG") + b"1").notes == ("noted 49",)
    assert supervisor.process(stored("PNG") + b"2").notes == ("noted 50",)


LATE = 5
"""Seconds in which an item is done also on a busy machine."""


def test_a_spinning_child_is_killed_in_time_and_replaced(supervise):
    supervisor = supervise(
        child("if data == b'spin':\n    while True: pass\nyield from real(data, renditions, limits)"),
        seconds=LATE,
    )
    supervisor.process(stored("PNG"))
    before = supervisor.pid
    started = time.monotonic()
    late = failure(supervisor, b"spin")
    assert LATE - 0.1 < time.monotonic() - started < LATE + 5
    assert late.code is ItemCode.TIMED_OUT
    assert (
        late.message
        == f"processing took longer than {LATE} s; raise limits.itemTimeoutSeconds or reduce the source"
    )
    assert len(supervisor.process(stored("PNG")).renditions) == 3
    assert supervisor.pid != before
    assert not os.path.exists(f"/proc/{before}"), "a zombie stays"


def test_a_child_that_does_not_read_is_late_too(supervise):
    supervisor = supervise(
        child("if data == b'stop':\n    time.sleep(60)\nyield from real(data, renditions, limits)"),
        seconds=LATE,
    )
    supervisor.process(stored("PNG"))
    os.kill(supervisor.pid, signal.SIGSTOP)
    assert failure(supervisor, b"x" * (8 << 20)).code is ItemCode.TIMED_OUT
    assert len(supervisor.process(stored("PNG")).renditions) == 3


def test_a_child_killed_in_mid_item_costs_that_item(supervise):
    supervisor = supervise(
        child("if data == b'wait':\n    time.sleep(60)\nyield from real(data, renditions, limits)")
    )
    supervisor.process(stored("PNG"))
    threading.Timer(0.2, os.kill, (supervisor.pid, signal.SIGKILL)).start()
    killed = failure(supervisor, b"wait")
    assert killed.code is ItemCode.KILLED
    assert "SIGKILL" in killed.message
    assert len(supervisor.process(stored("PNG")).renditions) == 3


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("os.kill(os.getpid(), 11)", "SIGSEGV"),
        ("os._exit(3)", "exited with status 3"),
        ("child.encode = lambda message: b'\\xff' * 100", "SIGKILL"),
        ("child.encode = lambda message: bytes(1 << 25)", "SIGKILL"),
    ],
    ids=["crash", "exit", "nonsense", "far too much"],
)
def test_other_deaths(supervise, code, message):
    dead = failure(supervise(child(f"{code}\nyield from real(data, renditions, limits)")), stored("PNG"))
    assert dead.code is ItemCode.KILLED
    assert message in dead.message


def test_a_child_that_died_while_idle_is_nobodys_fault(supervise):
    supervisor = supervise()
    supervisor.process(stored("PNG"))
    os.kill(supervisor.pid, signal.SIGKILL)
    os.waitid(os.P_PID, supervisor.pid, os.WEXITED | os.WNOWAIT)
    assert len(supervisor.process(stored("PNG")).renditions) == 3


def test_eating_memory_is_refused_and_survived(supervise):
    hog = "if data == b'hog':\n    kept = [bytearray(1 << 20) for _ in range(4000)]"
    supervisor = supervise(
        child(f"{hog}\nyield from real(data, renditions, limits)"), address_space=300 << 20
    )
    supervisor.process(stored("PNG"))
    before = supervisor.pid
    refused = failure(supervisor, b"hog")
    assert refused.code is ItemCode.TOO_LARGE
    assert "300 MiB" in refused.message
    assert "limits.pixels" in refused.message
    assert len(supervisor.process(stored("PNG")).renditions) == 3
    assert supervisor.pid == before


def test_a_real_image_over_the_memory_limit_is_refused(supervise):
    big = file(Image.new("1", (9000, 5000)))
    assert len(big) < 100_000
    assert failure(
        supervise(address_space=150 << 20, ways=(rendition(resized(16000, 9000, Fit.FILL)),)), big
    ).code is (ItemCode.TOO_LARGE)


@pytest.mark.parametrize(
    ("form", "mib"), [("WEBP", 90), ("WEBP", 110), ("AVIF", 90), ("PNG", 80), ("TIFF", 80)]
)
def test_a_codec_that_lacks_memory_is_not_taken_for_a_corrupt_file(supervise, form, mib):
    image = Image.linear_gradient("L").resize((2500, 2000)).convert("RGB")
    data = file(
        image, form, **({"quality": 30, "speed": 10, "method": 0} if form in ("WEBP", "AVIF") else {})
    )
    short = failure(supervise(address_space=mib << 20, ways=(rendition(form=Format.JPEG),)), data)
    assert short.code is ItemCode.TOO_LARGE
    assert f"more than the {mib} MiB" in short.message


@pytest.mark.parametrize("source", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF"])
@pytest.mark.parametrize("form", FORMATS)
def test_the_memory_formula_is_enough(supervise, source, form):
    image = Image.effect_noise((800, 600), 60).convert("RGB")
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    data = file(image.convert("RGB") if source == "JPEG" else image, source)
    ways = (rendition(form=form),)
    limits = ItemLimits(len(data), 800 * 600, 1, 30)
    supervisor = supervise(address_space=memory_bytes(ways, limits), ways=ways)
    assert supervisor.process(data).renditions[0].width == 800


def test_an_output_that_may_not_be_uploaded(supervise):
    long = failure(supervise(output_bytes=500), stored("PNG"))
    assert long.code is ItemCode.OUTPUT_TOO_LARGE
    assert "over the upload limit of 500" in long.message


def test_whatever_the_pipeline_raises_is_an_answer(supervise):
    supervisor = supervise(child("raise KeyError('surprise')\nyield"))
    assert (
        failure(supervisor).message == "internal error in the processor; for details, see the log of the Pod"
    )
    assert failure(supervisor).code is ItemCode.STEP_FAILED


def test_what_a_library_prints_does_not_get_between(supervise):
    noisy = "print('hello'); os.write(1, b'x' * 300000); sys.stdout.flush()"
    supervisor = supervise(child(f"{noisy}\nyield from real(data, renditions, limits)"))
    assert len(supervisor.process(stored("PNG")).renditions) == 3
    assert "xxx" in supervisor.stderr_tail
    assert len(supervisor.stderr_tail) <= 2000


@pytest.mark.parametrize(
    "command",
    [(sys.executable, "-c", "raise SystemExit(9)"), (sys.executable, "-c", "print('not our language' * 9)")],
    ids=["ends", "speaks otherwise"],
)
def test_a_child_that_never_starts_is_no_items_fault(supervise, command):
    with pytest.raises(DecoderUnavailable, match="failed to start"):
        supervise(command).process(stored("PNG"))


def test_no_such_program():
    with pytest.raises(DecoderUnavailable, match="could not be started"):
        Supervisor(("/no/such/program",))


def test_the_child_knows_no_url(supervise, monkeypatch):
    monkeypatch.setenv(ORDER_URL_VARIABLE, "http://h/o?X-Amz-Signature=TOPSECRET")
    supervisor = supervise()
    supervisor.process(stored("PNG"))  # until a program is loaded, its environment is seen empty
    with open(f"/proc/{supervisor.pid}/environ", "rb") as environment:
        content = environment.read()
    assert b"TOPSECRET" not in content
    assert b"MALLOC_ARENA_MAX=1" in content


def test_a_large_source_goes_through(supervise):
    data = file(photo()) + bytes(20 << 20)
    assert len(supervise().process(data).renditions) == 3


def test_a_child_is_replaced_after_so_many_items(supervise, monkeypatch):
    monkeypatch.setattr(supervisor_module, "RECYCLE_AFTER", 2)
    supervisor = supervise()
    pids = []
    for _ in range(4):
        pids.append(supervisor.pid)
        supervisor.process(stored("PNG"))
    assert pids[0] == pids[1] != pids[2] == pids[3]
    assert not os.path.exists(f"/proc/{pids[0]}"), "a zombie stays"


def test_a_child_that_holds_much_is_replaced(supervise, monkeypatch):
    supervisor = supervise(address_space=1 << 30)
    supervisor.process(stored("PNG"))
    before = supervisor.pid
    supervisor.process(stored("PNG"))
    assert supervisor.pid == before
    monkeypatch.setattr(supervisor_module.cgroup, "resident_bytes", lambda pid: 800 << 20)
    supervisor.process(stored("PNG"))
    assert supervisor.pid != before


def test_a_closed_worker_starts_nothing_more(supervise):
    supervisor = supervise()
    supervisor.process(stored("PNG"))
    supervisor.close()
    with pytest.raises((DecoderUnavailable, OSError, ValueError)):
        supervisor.process(stored("PNG"))
    assert not os.path.exists(f"/proc/{supervisor.pid}")


def test_close_leaves_nothing_behind(supervise):
    supervisor = supervise()
    supervisor.close()
    assert not os.path.exists(f"/proc/{supervisor.pid}")
    supervisor.close()
