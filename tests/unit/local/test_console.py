"""Lines on the terminal."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys

from imagejob_local.console import Console, ConsoleHandler, size_text


def shown(line: bytes) -> str:
    output = io.StringIO()
    Console("/pictures", output).pod_log(line)
    return output.getvalue()


def record(**fields: object) -> bytes:
    return json.dumps(fields).encode()


def test_only_failures_are_shown_of_the_log_of_a_pod() -> None:
    failed = record(level="WARNING", message="item failed", source="a.jpg", code="IMG_001", cause="no image")
    assert shown(failed).endswith("s  failed: a.jpg  IMG_001: no image\n")
    assert shown(record(level="INFO", message="item processed")) == ""
    assert shown(record(level="ERROR", message="the Pod failed", cause="it is full")).endswith(
        "s  Pod: the Pod failed: it is full\n"
    )
    assert shown(record(level="ERROR", message="internal error", exc_info="Traceback")).endswith(
        "s  Pod: internal error: Traceback\n"
    )
    assert shown(b"Segmentation fault\n").endswith("s  Pod: Segmentation fault\n")
    assert shown(b"[1]").endswith("s  Pod: [1]\n")


def test_a_key_cannot_look_like_another_line() -> None:
    line = record(message="item failed", source="a\n   0.9s  Succeeded.jpg", code="IMG_001", cause="no image")
    assert shown(line).endswith("s  failed: a\\n   0.9s  Succeeded.jpg  IMG_001: no image\n")


def test_a_key_cannot_control_the_terminal() -> None:
    key = "a\x1b[2Jb\r\u009bc\ud800é\u202egpj.jpg"
    line = record(level="WARNING", message="item failed", source=key, code="IMG_001", cause="")
    assert "failed: a\\x1b[2Jb\\r\\x9bc\\ud800é\\u202egpj.jpg" in shown(line)


def test_warnings_of_the_operator_are_shown() -> None:
    output = io.StringIO()
    logger = logging.Logger("test")
    logger.addHandler(ConsoleHandler(Console("/pictures", output)))
    logger.info("nothing")
    logger.warning("operation failed, retrying", extra={"error": "no answer"})
    assert output.getvalue().endswith("s  operation failed, retrying: no answer\n")
    try:
        raise ValueError("odd")
    except ValueError:
        logger.exception("unexpected")
    assert "ValueError: odd" in output.getvalue()


def test_the_run_goes_on_after_the_reader_of_its_output_has_ended() -> None:
    program = (
        "import sys; from imagejob_local.console import Console; console = Console('x'); sys.stdin.read();"
        "[console.line('x') for _ in range(3)]; sys.stderr.write('done')"
    )
    reading, writing = os.pipe()
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=writing, stderr=subprocess.PIPE
    ) as process:
        os.close(writing)
        os.close(reading)
        _, errors = process.communicate(b"")
    assert (process.returncode, errors) == (0, b"done")


def test_sizes() -> None:
    assert [size_text(size) for size in (0, 1023, 1536, 3 << 20, 5 << 30)] == [
        "0 bytes",
        "1023 bytes",
        "1.5 KiB (1536 bytes)",
        "3.0 MiB (3145728 bytes)",
        "5.0 GiB (5368709120 bytes)",
    ]
