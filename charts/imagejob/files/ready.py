"""Waits until the operator is ready and can use its store; fails after a minute."""

import http.client
import sys
import time

OPERATOR = ("imagejob-operator", 8080)
SECONDS = 60


def get(path: str) -> str:
    """The body of a page of the operator; OSError without a response of status 200."""
    connection = http.client.HTTPConnection(*OPERATOR, timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        if answer.status != http.HTTPStatus.OK:
            raise OSError(f"GET {path}: {answer.status} {answer.reason}")
        return answer.read().decode()
    finally:
        connection.close()


def problem() -> str:
    """Why the release does not work; empty if it does."""
    try:
        get("/readyz")
        metrics = get("/metrics").splitlines()
    except OSError as error:
        return f"the operator is not ready: {error}"
    return "" if "imagejob_store_usable 1.0" in metrics else "the operator cannot use its store: see its log"


end = time.monotonic() + SECONDS
while found := problem():
    if time.monotonic() > end:
        sys.exit(found)
    time.sleep(1)
sys.stdout.write("the operator is ready, and can use its store\n")
