"""A client for ImageJobs.

from imagejob import Client, build, rendition

client = Client.connect()
job = build("thumbs", source={"keys": ["uploads/a.jpg"]}, renditions=[rendition("thumb", "WebP", width=200)])
client.submit(job)
client.wait("thumbs").raise_if_failed()
"""

from imagejob.client import Client
from imagejob.errors import (
    Conflict,
    FileFailed,
    Forbidden,
    ImageJobError,
    Invalid,
    NotFound,
    NotInstalled,
    Rejected,
    RunFailed,
    StoreFailed,
    Unreachable,
    WaitTimeout,
)
from imagejob.job import ImageJob
from imagejob.manifest import build, parse, rendition, to_yaml

__all__ = [
    "Client",
    "Conflict",
    "FileFailed",
    "Forbidden",
    "ImageJob",
    "ImageJobError",
    "Invalid",
    "NotFound",
    "NotInstalled",
    "Rejected",
    "RunFailed",
    "StoreFailed",
    "Unreachable",
    "WaitTimeout",
    "build",
    "parse",
    "rendition",
    "to_yaml",
]
