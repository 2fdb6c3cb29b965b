"""All cases of the failure matrix by their names."""

from __future__ import annotations

from e2e.faults import (
    cases_deletions,
    cases_ends,
    cases_nodes,
    cases_pods,
    cases_publish,
    cases_runs,
    cases_sidecars,
    cases_sources,
    cases_store,
    cases_stores,
)
from e2e.faults.bench import Case

CASES: dict[str, Case] = {
    case.name: case
    for part in (
        cases_store,
        cases_sources,
        cases_pods,
        cases_runs,
        cases_sidecars,
        cases_publish,
        cases_nodes,
        cases_ends,
        cases_deletions,
        cases_stores,
    )
    for case in part.CASES
}

OF_EVERY_STORE = {case.name for part in (cases_store, cases_publish) for case in part.CASES} | {
    case.name for case in cases_sources.LISTS
}
"""The cases that are about a store, and must end the same on every S3 server."""
