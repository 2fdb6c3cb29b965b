"""`python -m imagejob_operator.uninstall`: leaves no ImageJob with the finalizer of this installation.

It runs beside the operator, before the operator is uninstalled. These jobs could not be cleaned and released
afterwards, so it deletes them and waits until the operator has cleaned their staging. Jobs that have ended,
and whose staging is clean, have no finalizer and stay.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus

from imagejob_operator.adapters.kubernetes.answers import ApiError, translate
from imagejob_operator.adapters.kubernetes.imagejobs import KubeImageJobs
from imagejob_operator.adapters.kubernetes.listing import list_objects
from imagejob_operator.adapters.kubernetes.session import KubeHTTP, load_configuration, open_session
from imagejob_operator.api.imagejob import ImageJob, Key, parse_job
from imagejob_operator.naming.names import GROUP, PLURAL, VERSION
from imagejob_operator.ports.imagejobs import Conflict, Gone, JobsError
from imagejob_operator.settings import read_scope
from imagejob_operator.wiring import now

CLEANING_SECONDS = 120.0
"""How long the operator may take: twice its cleaning budget, unless --timeout says otherwise."""
RELEASING_SECONDS = 60.0
"""How long removing the finalizers may take after that."""
PERIOD = 1.0
"""Seconds between two lists of the jobs."""


class NotReleased(Exception):
    """ImageJobs still have the finalizer."""


def _write(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


@dataclass(frozen=True, slots=True)
class Uninstall:
    """The ImageJobs of one installation, which `job_class` and `namespaces` select as in its settings."""

    http: KubeHTTP
    job_class: str = ""
    namespaces: Sequence[str] = ()
    say: Callable[[str], None] = _write
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = field(default=asyncio.sleep)

    async def run(self, cleaning_seconds: float = CLEANING_SECONDS) -> None:
        """Delete jobs until none has the finalizer; of those that are not cleaned in time, remove it.

        Raises:
            NotReleased: Jobs have the finalizer although the time for both has passed.
            JobsError: The API server refuses a request.
        """
        jobs = KubeImageJobs(self.http, now)
        clean_until = self.clock() + cleaning_seconds
        deleted: set[Key] = set()
        released: set[Key] = set()
        while guarded := await self.guarded():
            late = self.clock() - clean_until
            if late > RELEASING_SECONDS:
                names = ", ".join(sorted(str(job.key) for job in guarded))
                raise NotReleased(f"these ImageJobs still have the finalizer: {names}")
            for job in guarded:
                # A job that changes meanwhile is tried again.
                with suppress(Conflict, Gone):
                    if not job.deleted_at:
                        await jobs.delete(job)
                        deleted.add(job.key)
                    elif late >= 0:
                        await jobs.remove_finalizer(job)
                        released.add(job.key)
                        self.say(f"{job.key}: not cleaned after {cleaning_seconds:.0f} s, finalizer removed")
            await self.sleep(PERIOD)
        self.say(f"{len(deleted)} ImageJobs deleted; {len(released)} of them may have left staged objects")

    async def guarded(self) -> list[ImageJob]:
        """The jobs of this installation with the finalizer; none if the CRD is not installed."""
        listing = list_objects(self.http, f"/apis/{GROUP}/{VERSION}", PLURAL, self.namespaces)
        try:
            ours = [item async for item in listing if item["spec"].get("class", "") == self.job_class]
        except ApiError as error:
            if error.status == HTTPStatus.NOT_FOUND or not await self._has_group():
                return []
            raise translate(error) from error
        return [job for job in map(parse_job, ours) if job.guarded]

    async def _has_group(self) -> bool:
        """Whether any of our CRDs is installed; without one, the API server knows no path of the group."""
        try:
            body = await self.http.request("GET", "/apis")
        except ApiError:
            return True
        return any(group["name"] == GROUP for group in body["groups"])


async def run(environment: Mapping[str, str], cleaning_seconds: float) -> None:
    """Uninstall on the cluster of this Pod, or else of the kubeconfig."""
    job_class, namespaces = read_scope(environment)
    configuration = await load_configuration()
    async with open_session(configuration, connections=2) as session:
        http = KubeHTTP(configuration.host, session)
        await Uninstall(http, job_class, namespaces).run(cleaning_seconds)


def main(arguments: Sequence[str]) -> int:
    """Exit code 0 when no job has the finalizer, 1 when one has it or cannot be read."""
    parser = argparse.ArgumentParser(prog="imagejob_operator.uninstall", description=__doc__)
    text = f"seconds that the operator may take to clean (default: {CLEANING_SECONDS:.0f})"
    parser.add_argument("--timeout", type=float, default=CLEANING_SECONDS, help=text)
    options = parser.parse_args(arguments)
    try:
        asyncio.run(run(os.environ, options.timeout))
    except (JobsError, NotReleased) as error:
        sys.stderr.write(f"imagejob-uninstall: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
