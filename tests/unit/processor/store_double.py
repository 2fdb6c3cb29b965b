"""A scripted store on 127.0.0.1 that records its requests."""

import contextlib
import email
import email.policy
import http.server
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

QUOTA = b"<Error><Code>QuotaExceeded</Code><Message>the bucket is full</Message></Error>"
EXPIRED = b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"


@dataclass
class Asked:
    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes

    def form(self) -> dict[str, bytes]:
        """The fields of a multipart form, in their order."""
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        message = email.message_from_bytes(head + self.body, policy=email.policy.HTTP)
        return {
            part.get_param("name", header="Content-Disposition"): part.get_payload(decode=True)
            for part in message.iter_parts()
        }


@dataclass(frozen=True)
class Answer:
    """A response; `length` is a wrong Content-Length, `cut` closes the connection after so many bytes."""

    status: int = 200
    body: bytes = b""
    length: int | None = None
    cut: int | None = None
    chunked: bool = False


@dataclass
class Script:
    """Responses by path, used in order; the last one repeats. `hang_up`: number of uploads to interrupt."""

    answers: dict[str, list[Answer | Callable[[Asked], Answer]]] = field(default_factory=dict)
    hang_up: int = 0
    asked: list[Asked] = field(default_factory=list)
    cut_off: list[int] = field(default_factory=list)
    endpoint: str = ""
    objects: dict[str, bytes] = field(default_factory=dict)
    seen: defaultdict[str, threading.Event] = field(default_factory=lambda: defaultdict(threading.Event))

    def url(self, path: str) -> str:
        return f"{self.endpoint}{path}?X-Amz-Signature=TOPSECRET&X-Amz-Expires=9"

    def answer(self, asked: Asked) -> Answer:
        self.asked.append(asked)
        answers = self.answers.get(asked.path, [Answer(404)])
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        self.seen[asked.path].set()
        return answer(asked) if callable(answer) else answer


def handler_for(script: Script) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def serve(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            if script.hang_up and self.command != "GET":
                script.hang_up -= 1
                script.cut_off.append(len(self.rfile.read(min(length // 2, 1000))))
                self.close_connection = True
                return
            path, _, query = self.path.partition("?")
            asked = Asked(self.command, path, query, dict(self.headers), self.rfile.read(length))
            self.reply(script.answer(asked))

        def reply(self, answer: Answer) -> None:
            body = answer.body[: answer.cut]
            self.send_response(answer.status)
            if answer.chunked:
                self.send_header("Transfer-Encoding", "chunked")
                body = (
                    b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body, b"") if part)
                    + b"0\r\n\r\n"
                )
            else:
                length = len(answer.body) if answer.length is None else answer.length
                self.send_header("Content-Length", str(length))
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(body)
            self.close_connection = answer.cut is not None or answer.length is not None

        do_GET = do_PUT = do_POST = serve  # noqa: N815

    return Handler


@contextlib.contextmanager
def serving(script: Script) -> Iterator[Script]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler_for(script))
    server.daemon_threads = True
    # A Pod that was stopped leaves connections behind; nothing to print about.
    server.handle_error = lambda *_: None
    script.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield script
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
