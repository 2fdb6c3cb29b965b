"""The names that the API is made of: group, version, labels, and where things lie in the store."""

GROUP = "imagejob.dev"
VERSION = "v1alpha1"
KIND = "ImageJob"
PLURAL = "imagejobs"
STORE_KIND = "ImageStore"
STORE_PLURAL = "imagestores"
API_VERSION = f"{GROUP}/{VERSION}"

FINALIZER = f"{GROUP}/staging"
"""Set before the first staged byte, removed when staging is empty or the cleaning budget is spent."""

LABEL_MANAGED_BY = "app.kubernetes.io/managed-by"
MANAGED_BY = "imagejob-operator"
LABEL_INSTALLATION = f"{GROUP}/installation"
LABEL_JOB = f"{GROUP}/job"
LABEL_RUN = f"{GROUP}/run"
LABEL_EPOCH = f"{GROUP}/epoch"
LABEL_SHARD = f"{GROUP}/shard"
LABEL_ATTEMPT = f"{GROUP}/attempt"

STAGING_ROOT = ".imagejob-staging"
"""Top-level folder of all staging. It starts with a dot so that no namespace can have its name."""

REPORT_ROOT = ".imagejob"
"""Top-level folder of all reports."""

OUTPUTS_ROOT = ".imagejob-outputs"
"""Where a run finds the place of its outputs if that is in another store; nothing is stored by this name."""

RESERVED_ROOTS = (STAGING_ROOT, REPORT_ROOT)
