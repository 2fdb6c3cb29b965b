"""An HTTP server on the loopback interface, by which Pods read and write objects with signed URLs.

It answers as S3 does to the requests of a Pod, with S3's error codes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import cast
from urllib.parse import unquote
from xml.sax.saxutils import escape

from aiohttp import BodyPartReader, ClientError, web

from imagejob_contract.result import MAX_RESULT_BYTES
from imagejob_local.object_files import CHUNK, DEFAULT_TYPE, NewObject, ObjectFiles
from imagejob_local.signatures import AccessRefused, Signer
from imagejob_operator.operations.concurrency import compute
from imagejob_operator.ports.object_store import (
    ObjectHeaders,
    ObjectMissing,
    ObjectTooLarge,
    StoredObject,
    StoreError,
    StoreFull,
)

MAX_FIELD_BYTES = 4096
FORM_FIELDS = 16

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ObjectServer:
    """Serves the objects of a folder to those that have a signed URL or form."""

    def __init__(self, files: ObjectFiles, signer: Signer) -> None:
        self._files = files
        self._signer = signer
        application = web.Application(middlewares=[_answer_errors])
        application.router.add_get("/{key:.+}", self._get)
        application.router.add_put("/{key:.+}", self._put)
        application.router.add_post("/", self._post)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)

    async def start(self) -> None:
        """Listen on a free port of 127.0.0.1, and sign URLs with it."""
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        self._signer.address = f"http://{host}:{port}"

    async def close(self) -> None:
        """Close all connections."""
        await self._runner.cleanup()

    async def _get(self, request: web.Request) -> web.StreamResponse:
        key = _key(request)
        self._signer.check("GET", key, request.query, None)
        with self._files.open(key) as (file, found):
            wanted = request.headers.get("If-Match", "").strip('"')
            if wanted not in ("", found.etag):
                return _error(412, "PreconditionFailed", "the object has another ETag")
            response = web.StreamResponse(headers=_headers(found, self._files.headers(found)))
            response.content_length = found.size
            await response.prepare(request)
            while data := await compute(file.read, CHUNK):
                await response.write(data)
            await response.write_eof()
        return response

    async def _put(self, request: web.Request) -> web.StreamResponse:
        key = _key(request)
        self._signer.check("PUT", key, request.query, request.content_length)
        headers = ObjectHeaders(request.headers.get("Content-Type", DEFAULT_TYPE))
        with self._files.new(key) as new:
            async for data in request.content.iter_chunked(CHUNK):
                await _append(new, data, MAX_RESULT_BYTES)
            stored = await compute(new.commit, headers, request.headers.get("If-None-Match") == "*")
        if stored is None:
            return _error(412, "PreconditionFailed", "the object exists")
        return web.Response(headers={"ETag": f'"{stored.etag}"'})

    async def _post(self, request: web.Request) -> web.StreamResponse:
        fields: dict[str, str] = {}
        async for part in await request.multipart():
            if not isinstance(part, BodyPartReader) or len(fields) > FORM_FIELDS:
                break
            if part.name == "file":
                return await self._receive(part, fields)
            fields[part.name or ""] = (await part.read_chunk(MAX_FIELD_BYTES)).decode(errors="replace")
        return _error(400, "InvalidArgument", "the form has no file")

    async def _receive(self, part: BodyPartReader, fields: Mapping[str, str]) -> web.StreamResponse:
        key, content_type = fields.get("key", ""), fields.get("Content-Type", "")
        most = self._signer.check_form(key, fields)
        if not content_type.startswith("image/"):
            raise AccessRefused("the form allows only images")
        with self._files.new(key) as new:
            while data := await part.read_chunk(CHUNK):
                await _append(new, data, most)
            if not new.size:
                return _error(400, "EntityTooSmall", "the file is empty")
            await compute(new.commit, ObjectHeaders(content_type))
        return web.Response(status=204)


async def _append(new: NewObject, data: bytes, most: int) -> None:
    if new.size + len(data) > most:
        raise ObjectTooLarge(f"the object is larger than {most} bytes")
    await compute(new.write, data)


def _key(request: web.Request) -> str:
    return unquote(request.rel_url.raw_path.removeprefix("/"))


def _headers(stored: StoredObject, kept: ObjectHeaders) -> dict[str, str]:
    lines = {
        "ETag": f'"{stored.etag}"',
        "Content-Type": kept.content_type,
        "Cache-Control": kept.cache_control,
        "Content-Disposition": kept.content_disposition,
        **{f"x-amz-meta-{name}": value for name, value in kept.metadata.items()},
    }
    return {name: value for name, value in lines.items() if value}


def _error(status: int, code: str, message: str) -> web.Response:
    body = f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
    return web.Response(status=status, text=body, content_type="application/xml")


@web.middleware
async def _answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except AccessRefused as error:
        return _error(403, "AccessDenied", str(error))
    except ObjectMissing as error:
        return _error(404, "NoSuchKey", str(error))
    except ObjectTooLarge as error:
        return _error(400, "EntityTooLarge", str(error))
    except StoreFull as error:
        return _error(507, "InsufficientStorage", str(error))
    except StoreError as error:
        # Other codes make the processor add a remedy; here, the message has one.
        return _error(403, "InvalidRequest", str(error))
    except (OSError, ClientError) as error:
        return _error(500, "InternalError", cast("OSError", error).strerror or type(error).__name__)
