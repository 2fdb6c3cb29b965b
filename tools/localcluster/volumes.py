"""Persistent volumes of a cluster without a provisioner: folders of its node, for the first claims."""

import json
from pathlib import Path, PurePosixPath

STORAGE_CLASS = "standard"
COUNT = 4


def make_folders(folder: Path) -> None:
    """Make their folders. Any user may write to them: Kubernetes leaves their owner as it is."""
    for number in range(COUNT):
        own = folder / str(number)
        own.mkdir(parents=True, exist_ok=True)
        own.chmod(0o777)


def manifest(folder: PurePosixPath) -> str:
    """Return the default StorageClass and its volumes, whose folders are in a folder of the node."""
    storage_class = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": STORAGE_CLASS,
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": "kubernetes.io/no-provisioner",
    }
    volumes = [
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": f"local-{number}"},
            "spec": {
                "storageClassName": STORAGE_CLASS,
                "capacity": {"storage": "10Gi"},
                "accessModes": ["ReadWriteOnce"],
                "persistentVolumeReclaimPolicy": "Retain",
                "hostPath": {"path": str(folder / str(number)), "type": "Directory"},
            },
        }
        for number in range(COUNT)
    ]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": [storage_class, *volumes]}, indent=1)
