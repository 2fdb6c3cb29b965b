"""The ImageJobs and Pods of the parts."""

from __future__ import annotations

import copy

from imagejob_contract.order import ORDER_URL_VARIABLE
from scale.objects import SOURCE, image_job
from simulated.actor import PART, Part
from simulated.api import Object
from simulated.nodes import PLACEMENT

RUN_ID = "1"
HOUR = 3600
LIST = "lists/all"
"""The key of the list with all sources of the large ImageJob."""
ITEMS_PER_POD = 1000
PHOTO = "photos/large.jpg"
WIDTHS = {"large": 1600, "web": 800, "thumb": 200}
_HELD = {**PLACEMENT, "annotations": {PART: Part.HOLD.value}}


def active_job(name: str) -> Object:
    """Its Pod runs until the end of the measurement."""
    return image_job(
        name, {"keys": [SOURCE]}, execution={"podTemplate": _HELD, "activeDeadlineSeconds": HOUR}
    )


def suspended_job(name: str) -> Object:
    """Suspended before its run has started."""
    return image_job(name, {"keys": [SOURCE]}, suspend=True)


def ended_job(name: str) -> Object:
    """Cancelled before its run has started: the cheapest way to end."""
    return image_job(name, {"keys": [SOURCE]}, cancelRunID=RUN_ID)


def queued_job(name: str) -> Object:
    """It may wait for an hour until its sources are staged."""
    execution = {"podTemplate": PLACEMENT, "stagingDeadlineSeconds": HOUR, "activeDeadlineSeconds": 2 * HOUR}
    return image_job(name, {"keys": [SOURCE]}, execution=execution)


def large_job(name: str) -> Object:
    """All sources of the list, in shards as large as possible; the first Pod runs until the end."""
    execution = {
        "podTemplate": _HELD,
        "itemsPerPod": ITEMS_PER_POD,
        "parallelism": 1,
        "stagingDeadlineSeconds": HOUR,
        "activeDeadlineSeconds": 2 * HOUR,
    }
    return image_job(name, {"list": {"key": LIST}}, execution=execution)


def photo_job(name: str) -> Object:
    """Three renditions of one photo, in a real Pod that is kept until the ImageJob is deleted."""
    renditions = [
        {"name": name, "steps": [{"resize": {"width": width}}], "output": {"format": "JPEG"}}
        for name, width in WIDTHS.items()
    ]
    return image_job(name, {"keys": [PHOTO]}, renditions=renditions, retention={"pods": "Always"})


def bare_pod(name: str, like: Object, order_url: str) -> Object:
    """A Pod as the operator creates it, but without an owner, a Secret and the operator's labels."""
    spec = copy.deepcopy(like["spec"])
    del spec["nodeName"]
    (container,) = spec["containers"]
    others = [entry for entry in container["env"] if "value" in entry]
    container["env"] = [{"name": ORDER_URL_VARIABLE, "value": order_url}, *others]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
