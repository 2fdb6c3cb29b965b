"""Names of the API: group, version, labels, and the top-level folders in the store."""

GROUP = "imagejob.dev"
VERSION = "v1alpha1"
KIND = "ImageJob"
PLURAL = "imagejobs"
STORE_KIND = "ImageStore"
STORE_PLURAL = "imagestores"
API_VERSION = f"{GROUP}/{VERSION}"

FINALIZER = f"{GROUP}/staging"
"""Set before the first staged byte, removed when staging is empty or the cleaning budget is exhausted."""

LABEL_MANAGED_BY = "app.kubernetes.io/managed-by"
MANAGED_BY = "imagejob-operator"
LABEL_INSTALLATION = f"{GROUP}/installation"
LABEL_JOB = f"{GROUP}/job"
LABEL_RUN = f"{GROUP}/run"
LABEL_EPOCH = f"{GROUP}/epoch"
LABEL_RUN_UID = f"{GROUP}/run-uid"
LABEL_SHARD = f"{GROUP}/shard"
LABEL_ATTEMPT = f"{GROUP}/attempt"

RUN_UID_LENGTH = 16
"""Hexadecimal digits of the uid of a run."""

HEADER_ORIGINS = f"{GROUP}/header-origins"
"""Annotation of a Secret that may be sent as request headers: to which origins, separated by commas."""

STAGING_ROOT = ".imagejob-staging"
"""Top-level folder of all staging. It starts with a dot, so no namespace can have its name."""
REPORT_ROOT = ".imagejob"
"""Top-level folder of all reports."""
OUTPUTS_ROOT = ".imagejob-outputs"
"""The prefix of outputs in another store, as the run addresses them; no object has this prefix."""
RESERVED_ROOTS = (STAGING_ROOT, REPORT_ROOT)
