"""Prefixes and keys in the store: staging, reports, and the part of a namespace."""

from __future__ import annotations

from imagejob_operator.naming.names import REPORT_ROOT, STAGING_ROOT

CLUSTER_UID_LENGTH = 36


def namespace_prefix(namespace: str) -> str:
    """The part of the default store's bucket that belongs to a namespace."""
    return f"{namespace}/"


def staging_folder(installation: str, cluster: str) -> str:
    """The name of the folder with the staging of one installation in one cluster.

    Each cluster has its own, since the jobs of another cluster look deleted here. All uids have the same
    length, so no two installations share a folder.
    """
    return f"{installation}-{cluster}"


def installation_of(prefix: str, folder: str) -> str:
    """The installation in this cluster that a staging prefix belongs to; empty if it is of another cluster.

    `folder` is the staging folder of this installation.
    """
    cluster = folder[-CLUSTER_UID_LENGTH:]
    found = prefix.removeprefix(f"{STAGING_ROOT}/").partition("/")[0]
    return found.removesuffix(f"-{cluster}") if found.endswith(f"-{cluster}") else ""


def folder_of(prefix: str) -> str:
    """The staging folder, see `staging_folder`, of a staging prefix."""
    return prefix.removeprefix(f"{STAGING_ROOT}/").partition("/")[0]


def own_staging_prefix(folder: str) -> str:
    """The prefix of all staging of one installation in one cluster; ends with '/'."""
    return f"{STAGING_ROOT}/{folder}/"


def job_staging_prefix(folder: str, namespace: str, uid: str) -> str:
    """The prefix of all staging of one ImageJob; ends with '/'."""
    return f"{own_staging_prefix(folder)}{namespace}/{uid}/"


def staging_prefix(folder: str, namespace: str, uid: str, number: int, epoch: int, run_uid: str = "") -> str:
    """The prefix of one epoch of one run; ends with '/'. Never written again once it was deleted.

    The number alone does not identify a run: after a restore of etcd, another run has it again.
    """
    return f"{job_staging_prefix(folder, namespace, uid)}{number}-{epoch}{_suffix(run_uid)}/"


def reports_folder(namespace: str) -> str:
    """The prefix of the reports of a namespace, with a folder for each name of a job; ends with '/'."""
    return f"{REPORT_ROOT}/{namespace}/"


def reports_prefix(namespace: str, name: str) -> str:
    """The prefix of the reports of all ImageJobs with one name; ends with '/'."""
    return f"{reports_folder(namespace)}{name}/"


def report_key(namespace: str, name: str, uid: str, number: int, run_uid: str = "") -> str:
    """The key of the report of a run, which commits the run."""
    return f"{reports_prefix(namespace, name)}{uid[:8]}/{number}{_suffix(run_uid)}.json"


def is_report(key: str) -> bool:
    """Whether a key below REPORT_ROOT is that of a report."""
    return key.endswith(".json")


def _suffix(run_uid: str) -> str:
    """Only a status that this operator did not write has no uid of its run."""
    return f"-{run_uid}" if run_uid else ""
