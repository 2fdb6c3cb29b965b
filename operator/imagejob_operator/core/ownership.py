"""Whose staging it is: the owner object of an installation, and what follows from what is found in it.

Theory of operation. Every operator renews the object at every sweep, by a write on the condition that nobody
else did so in between. Two clusters with one installation name on one bucket would take each other's staging
for garbage; so whoever finds the other there writes that down, and from then on both only report, until an
administrator gives one of them another name and deletes the object. A restart is not a stranger: the new
process takes the object over and holds back for one interval; an older process that is still alive (a clone
with the same cluster uid) would have found it out in that time.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime

import msgspec

from imagejob_operator.core.sweep import installation_prefix

MAX_RECORD_BYTES = 64 * 1024


class Identity(msgspec.Struct, frozen=True, rename="camel"):
    """Who sweeps: the uid of the cluster (of its namespace kube-system), and of this very process."""

    cluster: str
    instance: str


class OwnerRecord(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What the owner object says."""

    cluster: str
    instance: str
    renewed_at: datetime
    contested_by: Identity | None = None
    """Who else uses this installation's name. Only an administrator takes that back."""


class Standing(enum.Enum):
    """What a claim gives the right to."""

    SOLE = "sole"
    """Nobody else renewed the object since we last did: sweep."""
    NEW = "new"
    """Just taken over: hold back until the next sweep."""
    SHARED = "shared"
    """Somebody else uses the name: only report."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What to write, if anything, and what it gives the right to."""

    standing: Standing
    write: OwnerRecord | None = None


def owner_key(installation: str) -> str:
    """Where the owner object lies; no namespace can have its name, since that has no dots."""
    return f"{installation_prefix(installation)}owner.json"


def read_record(data: bytes) -> OwnerRecord | None:
    """Read the owner object; None if it is not one."""
    try:
        return msgspec.json.decode(data, type=OwnerRecord)
    except (msgspec.ValidationError, msgspec.DecodeError):
        return None


def first_claim(me: Identity, now: datetime) -> Claim:
    """There is no owner object."""
    return Claim(Standing.NEW, OwnerRecord(me.cluster, me.instance, now))


def claim(found: OwnerRecord | None, me: Identity, held: bool, now: datetime) -> Claim:
    """What follows from the owner object as it was found.

    Args:
        found: what it says; None if it cannot be read, which is a stranger's work.
        me: who asks.
        held: whether this process has renewed it before.
        now: the time, for the record only.
    """
    if found is None or found.contested_by is not None:
        return Claim(Standing.SHARED)
    ours = OwnerRecord(me.cluster, me.instance, now)
    if (found.cluster, found.instance) == (me.cluster, me.instance):
        return Claim(Standing.SOLE if held else Standing.NEW, ours)
    if found.cluster == me.cluster and not held:
        return Claim(Standing.NEW, ours)
    return Claim(Standing.SHARED, msgspec.structs.replace(found, contested_by=me))
