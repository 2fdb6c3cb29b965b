"""One namespace, store or web server must not hold up the others.

In each test the namespace `hostile` keeps the operator as busy as it can, with servers that answer slowly or
not at all, and the namespace `shop` has one small thing to do.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from fakes.build import POLICY, SPEC, spec
from fakes.clock import START, ManualClock
from fakes.hooks import Gate
from fakes.jumping_loop import run
from fakes.memory_cluster import MemoryCluster
from fakes.memory_store import MemoryStore
from fakes.memory_stores import ALLOWED, MemoryStores, image_store
from fakes.memory_web import MemoryWeb
from fakes.world import Operator
from imagejob_operator.adapters.http.downloads import HttpDownloads
from imagejob_operator.adapters.kubernetes.session import KubeHTTP, open_session
from imagejob_operator.adapters.s3.store import S3Store
from imagejob_operator.adapters.s3.web_identity import exchange
from imagejob_operator.api.imagejob import ImageJob, Key, parse_whole_job
from imagejob_operator.api.imagestore import WebIdentity
from imagejob_operator.api.store_location import StoreLocation
from imagejob_operator.controller.cache import Cache
from imagejob_operator.controller.imagestores import ImageStoreReconciler
from imagejob_operator.controller.operation_runner import OperationRunner
from imagejob_operator.controller.workqueue import MAX_RECONCILE_SECONDS, Queues, WorkQueue
from imagejob_operator.decision.operation import Clean, Operation, Progress, Publish, Stage, Staged
from imagejob_operator.fairness import COMPUTING_THREADS, FairExecutor
from imagejob_operator.operations.concurrency import for_each
from imagejob_operator.operations.dispatch import Operations
from imagejob_operator.ports.credentials import Credentials
from imagejob_operator.stores.connector import Connector
from imagejob_operator.stores.registry import OwnStore, StoreRegistry
from imagejob_operator.validation.networks import SourceNetworks, read_networks

HOST = "127.0.0.2"
SOON = 1.0
"""Seconds within which the small thing must be done, which takes milliseconds on an idle machine."""
DONE = Staged(1, 1, 1)
OPERATION = Stage("staging/")

Work = Callable[[ImageJob], Awaitable[object]]


def job_of(namespace: str, name: str = "job", items: int = 0) -> ImageJob:
    metadata = {"namespace": namespace, "name": name, "uid": f"{namespace}-{name}", "resourceVersion": "1"}
    status = {"phase": "Publishing", "items": {"total": items}} if items else {}
    return parse_whole_job({"metadata": metadata, "spec": SPEC, "status": status})


@contextlib.asynccontextmanager
async def operations(work: Work) -> AsyncIterator[OperationRunner]:
    """Runs operations whose work a test defines."""

    class Worked(Operations):
        async def _whole(self, job: ImageJob, operation: Operation) -> ImageJob:
            return job

        async def _carry_out(self, job: ImageJob, operation: Operation) -> Progress:
            await work(job)
            return DONE

    nothing: Any = None
    carry_out = Worked(nothing, nothing, nothing, nothing, nothing, nothing)
    runner = OperationRunner(carry_out, lambda key: None, ManualClock())
    yield runner
    await runner.stop()


async def done(runner: OperationRunner, job: ImageJob, operation: Operation = OPERATION) -> float:
    """Run an operation; the seconds until it was done."""
    started = time.monotonic()
    runner.ensure(job, operation)
    await asyncio.wait([runner._entries[job.key].task])  # type: ignore[type-var]
    assert runner.progress_of(job.key)[1] == DONE
    return time.monotonic() - started


# --- downloads ---------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def web_server() -> AsyncIterator[tuple[int, list[str]]]:
    """Sends two bytes at /small, else one byte a second; its port, and the paths of requests."""
    tasks: set[asyncio.Task[None]] = set()
    asked: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(cast("asyncio.Task[None]", asyncio.current_task()))
        path = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1].decode()
        asked.append(path)
        small = path == "/small"
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\nok" % (2 if small else 1_000_000))
        try:
            while not small:
                await asyncio.sleep(1)
                writer.write(b".")
                await writer.drain()
            await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, HOST, 0)
    try:
        yield server.sockets[0].getsockname()[1], asked
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until(holds: Callable[[], bool], within: float = 10) -> None:
    async with asyncio.timeout(within):
        while not holds():
            await asyncio.sleep(0.01)


async def test_web_servers_that_send_a_byte_a_second_do_not_delay_the_download_of_another_namespace() -> None:
    """Ten jobs of a tenant download from slow servers; a download of two bytes of another must not wait."""
    downloads = HttpDownloads(SourceNetworks(allowed=read_networks([HOST])))

    async def fetch(url: str) -> bytes:
        async with downloads.fetch(url, {}, 2_000_000) as data:
            return data

    async with web_server() as (port, asked):

        async def work(job: ImageJob) -> None:
            hostile = job.key.namespace == "hostile"
            urls = [
                f"http://{HOST}:{port}/{f'drip/{n}' if hostile else 'small'}"
                for n in range(20 if hostile else 1)
            ]
            await for_each(urls, fetch, 6)

        async with operations(work) as runner:
            for number in range(10):
                runner.ensure(job_of("hostile", str(number)), OPERATION)
            await until(lambda: len(asked) >= 8)
            try:
                assert await asyncio.wait_for(done(runner, job_of("shop")), 10) < SOON
            finally:
                await downloads.close()


async def test_a_slow_name_server_of_one_namespace_does_not_delay_the_lookups_of_another() -> None:
    """A tenant names hosts in a zone whose name server never answers: each lookup blocks a thread."""
    answer = threading.Event()

    def lookup(host: str) -> list[str]:
        if host.endswith(".hostile.example"):
            answer.wait(30)
        return [HOST]

    downloads = HttpDownloads(SourceNetworks(allowed=read_networks([HOST])), lookup=lookup)

    async def fetch(url: str) -> bytes:
        async with downloads.fetch(url, {}, 2_000_000) as data:
            return data

    async with web_server() as (port, _):

        async def work(job: ImageJob) -> None:
            hosts = ["shop.example"]
            if job.key.namespace == "hostile":
                hosts = [f"{n}.hostile.example" for n in range(6)]
            await for_each([f"http://{host}:{port}/small" for host in hosts], fetch, 6)

        try:
            async with operations(work) as runner:
                for number in range(10):
                    runner.ensure(job_of("hostile", str(number)), OPERATION)
                await asyncio.sleep(0.1)
                assert await asyncio.wait_for(done(runner, job_of("shop")), 10) < SOON
        finally:
            answer.set()
    await downloads.close()


# --- store calls -------------------------------------------------------------------------------------------


@contextlib.contextmanager
def store_server(seconds: float) -> Iterator[str]:
    """A store that answers requests for the keys of `hostile` only after some seconds; its address."""
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if "hostile" in self.path:
                time.sleep(seconds)
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: object) -> None:
            """Quiet."""

    class Server(ThreadingHTTPServer):
        request_queue_size = 128

    server = Server((HOST, 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"{HOST}:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


async def test_staging_of_one_namespace_does_not_delay_the_store_calls_of_another() -> None:
    """Twelve staging operations queue 192 slow calls on the store's threads; one call of another tenant."""
    with store_server(1.5) as endpoint:
        store = S3Store(
            StoreLocation(endpoint, "bucket", secure=False), lambda: Credentials("a", "s", "", None)
        )

        async def work(job: ImageJob) -> None:
            count = 16 if job.key.namespace == "hostile" else 1
            keys = [f"{job.key.namespace}/{n}" for n in range(count)]
            await for_each(keys, lambda key: store.read(key, 10))

        async with operations(work) as runner:
            for number in range(12):
                runner.ensure(job_of("hostile", str(number)), OPERATION)
            await asyncio.sleep(0.05)
            assert await done(runner, job_of("shop")) < SOON
        store.close()


async def test_staging_does_not_delay_the_store_calls_of_reconciles_in_its_own_namespace() -> None:
    """The Pods of a run are launched while other runs of the same namespace stage."""
    with store_server(1.5) as endpoint:
        store = S3Store(
            StoreLocation(endpoint, "bucket", secure=False), lambda: Credentials("a", "s", "", None)
        )
        spent: list[float] = []

        async def reconcile(key: Key) -> None:
            started = time.monotonic()
            await store.read("launch", 10)
            spent.append(time.monotonic() - started)

        async def work(job: ImageJob) -> None:
            await for_each([f"hostile/{n}" for n in range(16)], lambda key: store.read(key, 10))

        queue = WorkQueue()
        queue.start(reconcile)
        async with operations(work) as runner:
            for number in range(12):
                runner.ensure(job_of("hostile", str(number)), OPERATION)
            await asyncio.sleep(0.05)
            queue.add(Key("hostile", "launching"))
            await until(lambda: bool(spent))
        await queue.stop()
        store.close()
    assert spent[0] < SOON


async def test_large_plans_of_one_namespace_do_not_delay_the_computing_of_another() -> None:
    """Many operations of a tenant compute for a second each, in threads of which there are few."""
    loop = asyncio.get_running_loop()
    loop.set_default_executor(FairExecutor("computing", COMPUTING_THREADS))

    async def work(job: ImageJob) -> None:
        hostile = job.key.namespace == "hostile"
        await for_each(range(2), lambda _: asyncio.to_thread(time.sleep, 0.8 if hostile else 0))

    async with operations(work) as runner:
        for number in range(12):
            runner.ensure(job_of("hostile", str(number)), OPERATION)
        await asyncio.sleep(0.05)
        assert await done(runner, job_of("shop")) < SOON / 2


async def test_token_services_that_do_not_answer_do_not_delay_the_computing_of_operations() -> None:
    """A tenant has ImageStores with a token service that accepts connections and does not answer."""
    release = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await release.wait()
        writer.close()

    server = await asyncio.start_server(serve, HOST, 0)
    identity = WebIdentity("account", f"{HOST}:{server.sockets[0].getsockname()[1]}")
    exchanges = [asyncio.create_task(exchange(identity, "token", False, "")) for _ in range(16)]
    await asyncio.sleep(0.1)
    try:
        await asyncio.wait_for(asyncio.to_thread(sum, range(10)), SOON)
    finally:
        release.set()
        await asyncio.gather(*exchanges, return_exceptions=True)
        server.close()


# --- calls to the API server -------------------------------------------------------------------------------


async def test_slow_admission_of_pods_in_one_namespace_does_not_delay_the_api_calls_of_another() -> None:
    """An admission webhook takes seconds for each Pod of a tenant who launches hundreds of them."""
    gate = asyncio.Event()

    async def serve(request: web.Request) -> web.Response:
        if "hostile" in request.path:
            await gate.wait()
        return web.json_response({})

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", serve)
    server = TestServer(application)
    await server.start_server()
    configuration = SimpleNamespace(
        ssl_ca_cert=None, cert_file=None, verify_ssl=False, get_api_key_with_prefix=no_token
    )
    async with open_session(configuration) as session:
        http = KubeHTTP(str(server.make_url("")).rstrip("/"), session)

        async def work(job: ImageJob) -> None:
            path = f"/api/v1/namespaces/{job.key.namespace}/pods"
            await for_each(range(16), lambda _: http.request("GET", path))

        async with operations(work) as runner:
            for number in range(12):
                runner.ensure(job_of("hostile", str(number)), OPERATION)
            await asyncio.sleep(0.1)
            try:
                assert await asyncio.wait_for(done(runner, job_of("shop")), 5) < SOON
            finally:
                gate.set()
    await server.close()


async def no_token(name: str) -> str:
    return ""


# --- operations --------------------------------------------------------------------------------------------


async def test_operations_that_hang_do_not_take_the_place_of_those_of_another_namespace() -> None:
    """A thousand jobs whose operations never end: they must not all run at once, and others must run."""
    running: list[Key] = []

    async def work(job: ImageJob) -> None:
        running.append(job.key)
        if job.key.namespace == "hostile":
            await asyncio.Event().wait()

    async with operations(work) as runner:
        for number in range(1000):
            runner.ensure(job_of("hostile", str(number)), OPERATION)
        await asyncio.sleep(0.05)
        assert 4 <= len(running) <= 32, "the memory of a thousand operations is not bounded"
        assert await asyncio.wait_for(done(runner, job_of("shop")), 10) < SOON


async def test_large_publishings_do_not_add_up_in_memory() -> None:
    """Runs of 300,000 outputs take 270 MiB each while they are published: one for each namespace."""
    running: list[Key] = []
    gate = asyncio.Event()

    async def work(job: ImageJob) -> None:
        running.append(job.key)
        await gate.wait()

    publish = Publish("staging/", "report", START)
    async with operations(work) as runner:
        for namespace in ("hostile", "shop", "third"):
            for number in range(3):
                runner.ensure(job_of(namespace, f"large-{number}", items=300_000), publish)
        await asyncio.sleep(0.05)
        assert sorted(key.namespace for key in running) == ["hostile", "shop"]
        cleaned = Key("hostile", "cleaned")
        runner.ensure(job_of("hostile", "cleaned", items=300_000), Clean(("staging/",), "report"))
        await until(lambda: cleaned in running)
        runner.ensure(job_of("hostile", "small", items=10), publish)
        await until(lambda: Key("hostile", "small") in running)
        gate.set()
        await until(lambda: len(running) == 11)


# --- reconciles --------------------------------------------------------------------------------------------


@pytest.fixture
def no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop whose time jumps must not wait for threads."""

    async def inline(work: Callable[..., Any], *arguments: Any) -> Any:
        return work(*arguments)

    monkeypatch.setattr(asyncio, "to_thread", inline)


class Clock(ManualClock):
    """The time of the event loop."""

    def __call__(self) -> datetime:
        return START + timedelta(seconds=asyncio.get_running_loop().time())


class Cluster:
    """An operator with a real work queue; the namespace `hostile` has its own store."""

    def __init__(self) -> None:
        clock = Clock()
        self.own = MemoryStore(clock)
        self.stores = MemoryStores(clock, self.own)
        self.cluster = MemoryCluster(clock, self.own)
        self.cluster.namespaces = {"hostile": {}, "shop": {}}
        self.queue = WorkQueue()
        self.operator = Operator(self.cluster, self.stores, MemoryWeb(), POLICY, {}, self.queue)
        self.bucket = self.stores.bucket("hostile", "key")
        self.stores.secret_of("key", "hostile")
        self.gate = Gate("get", "/results/")
        for name in ("a.jpg", "b.png"):
            self.own.set(f"shop/uploads/{name}", b"x")
        self.sources = [f"uploads/{number}.jpg" for number in range(100)]
        for key in self.sources:
            self.bucket.store.set(key, b"x")
        self.longest = 0.0

    async def __aenter__(self) -> Cluster:
        await self.operator.stores.check(image_store(namespace="hostile"))
        self.queue.start(self.operator.reconciler.reconcile)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.queue.stop()
        await self.operator.operations.stop()

    def hostile_job(self, name: str) -> Key:
        wanted = spec(
            source={"keys": self.sources},
            storeRef={"name": "media"},
            execution={"parallelism": 100, "itemsPerPod": 1, "startDeadlineSeconds": 3600},
        )
        return self.cluster.create(name, wanted, "hostile").key

    def hang(self) -> None:
        """From now on the store of `hostile` accepts what a launch reads, and does not answer."""
        self.bucket.store.hooks.install(self.gate)

    async def phase(self, key: Key, phase: str, within: float = 60) -> None:
        until, found = asyncio.get_running_loop().time() + within, self.cluster.job(key)
        while found is None or found.status.phase != phase:
            assert asyncio.get_running_loop().time() < until, found and found.status
            await self.pass_time(0.05)
            found = self.cluster.job(key)

    async def pass_time(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        if longest := self.queue.longest_reconcile():
            self.longest = max(self.longest, longest[1])


@pytest.mark.usefixtures("no_threads")
def test_launches_into_a_store_that_does_not_answer_end_before_the_watch_monitor_ends_the_process() -> None:
    """A tenant's store accepts connections and does not answer, and a run launches 100 Pods at once."""

    async def scenario() -> None:
        async with Cluster() as world:
            world.hang()
            hostile = world.hostile_job("many")
            await world.phase(hostile, "Launching")
            calls = 0
            for _ in range(600):
                await world.pass_time(2)
                calls = max(calls, world.bucket.store.hooks.count("get"))
            assert world.longest < MAX_RECONCILE_SECONDS - 60
            assert world.queue.problems() == []
            world.bucket.store.hooks.remove(world.gate)
            world.gate.open()
            await world.phase(hostile, "Launching")
            await until(lambda: len(world.cluster.attempts()) == 100, within=300)
            assert world.cluster.hooks.count("launch") == 100, "an attempt was launched twice"

    run(scenario())


@pytest.mark.usefixtures("no_threads")
def test_reconciles_that_hang_do_not_delay_those_of_another_namespace() -> None:
    """Forty runs of a tenant launch Pods into a store that does not answer; another tenant creates a job."""

    async def scenario() -> None:
        async with Cluster() as world:
            world.hang()
            keys = [world.hostile_job(str(number)) for number in range(40)]
            for key in keys[:16]:
                await world.phase(key, "Launching", within=600)
            await world.pass_time(5)
            shop = world.cluster.create("small", SPEC, "shop").key
            begun = asyncio.get_running_loop().time()
            await world.phase(shop, "Launching")
            assert asyncio.get_running_loop().time() - begun < 1
            assert world.queue.problems() == []

    run(scenario())


def test_image_stores_that_do_not_answer_do_not_delay_the_check_of_another() -> None:
    """A hundred ImageStores of a tenant have an endpoint that accepts connections and does not answer."""

    async def scenario() -> None:
        clock = Clock()
        stores = MemoryStores(clock)
        queues = Queues()
        connector = Connector(stores, stores.open, stores.exchange, ALLOWED)
        registry = StoreRegistry(
            OwnStore(stores.own), connector, POLICY.staging_folder, list, lambda key: None
        )
        reconciler = ImageStoreReconciler(registry, stores, Cache(), queues, clock)
        for namespace in ("hostile", "shop"):
            stores.bucket(namespace, "key")
            stores.secret_of("key", namespace)
        stores.buckets["hostile"].store.hooks.install(Gate("folders"))
        queues.imagestores.start(reconciler.reconcile)
        hostile = [image_store(f"media-{number}", "hostile") for number in range(100)]
        for store in hostile:
            reconciler.seen(store, gone=False)
        await asyncio.sleep(1)
        shop = image_store("media", "shop")
        reconciler.seen(shop, gone=False)
        await asyncio.sleep(1)
        assert shop.uid in stores.statuses, "the check waits for those of another namespace"
        for _ in range(500):
            await asyncio.sleep(1)
            assert queues.imagestores.problems() == []
        reasons = {stores.statuses[store.uid].conditions[0].reason for store in hostile}
        assert reasons == {"Unreachable"}, "a store that does not answer is not reported"
        await queues.imagestores.stop()

    run(scenario())
