"""Where things lie in the store: staging, reports, and the part of a namespace."""

from __future__ import annotations

from imagejob_operator.naming.names import REPORT_ROOT, STAGING_ROOT


def namespace_prefix(namespace: str) -> str:
    """The part of the default store's bucket that belongs to a namespace."""
    return f"{namespace}/"


def staging_folder(installation: str, cluster: str) -> str:
    """The name of the folder with the staging of one installation in one cluster.

    Every cluster has its own, since the jobs of another cluster look like deleted ones here. All uids have
    the same length, so no two installations share a folder.

    Args:
        installation: the name of the installation.
        cluster: the uid of the cluster.
    """
    return f"{installation}-{cluster}"


def own_staging_prefix(folder: str) -> str:
    """Where all staging of one installation in one cluster lies; ends with '/'."""
    return f"{STAGING_ROOT}/{folder}/"


def job_staging_prefix(folder: str, namespace: str, uid: str) -> str:
    """Where all staging of one ImageJob lies; ends with '/'."""
    return f"{own_staging_prefix(folder)}{namespace}/{uid}/"


def staging_prefix(folder: str, namespace: str, uid: str, number: int, epoch: int) -> str:
    """Where everything of one epoch of one run lies; ends with '/'. Never written again once deleted."""
    return f"{job_staging_prefix(folder, namespace, uid)}{number}-{epoch}/"


def reports_prefix(namespace: str, name: str) -> str:
    """Where the reports of all ImageJobs of one name lie; ends with '/'."""
    return f"{REPORT_ROOT}/{namespace}/{name}/"


def report_key(namespace: str, name: str, uid: str, number: int) -> str:
    """Where the report of a run is written: the commit mark of the run."""
    return f"{reports_prefix(namespace, name)}{uid[:8]}/{number}.json"
