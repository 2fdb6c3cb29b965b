"""What of `spec.execution.podTemplate` the administrator allows.

Admission webhooks, network plugins and the runtime read labels, annotations and classes, and then inject
credentials, attach networks or weaken the isolation. So by default none is allowed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PREFIX = "IMAGEJOB_POD_ALLOWED_"
KEY = re.compile(r"([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?|\*)")
NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
NEVER = (
    "container.apparmor.security.beta.kubernetes.io/",
    "container.seccomp.security.alpha.kubernetes.io/",
    "seccomp.security.alpha.kubernetes.io/",
    "system-",
)
"""Prefixes of what no setting can allow: profiles that replace ours, and priorities of the cluster itself."""


@dataclass(frozen=True, slots=True)
class PodTemplatePolicy:
    """What users may set, by the names of the settings; keys may end with `/*` for all below a prefix."""

    labels: tuple[str, ...] = ()
    annotations: tuple[str, ...] = ()
    service_accounts: tuple[str, ...] = ()
    priority_classes: tuple[str, ...] = ()
    runtime_classes: tuple[str, ...] = ()

    def refusal(self, template: Mapping[str, Any]) -> str:
        """Why a template is not allowed; empty if it is."""
        for field, (setting, allowed) in self._fields().items():
            value = template.get(field)
            for found in value if isinstance(value, Mapping) else [value]:
                if found is not None and not _is_allowed(found, allowed):
                    where = f"spec.execution.podTemplate.{field}: {found!r}"
                    return f"{where} {_explanation(found, f'{PREFIX}{setting}', allowed)}"
        return ""

    def _fields(self) -> dict[str, tuple[str, tuple[str, ...]]]:
        """The end of the setting, and what it allows, by the field of the template."""
        return {
            "labels": ("LABELS", self.labels),
            "annotations": ("ANNOTATIONS", self.annotations),
            "serviceAccountName": ("SERVICE_ACCOUNTS", self.service_accounts),
            "priorityClassName": ("PRIORITY_CLASSES", self.priority_classes),
            "runtimeClassName": ("RUNTIME_CLASSES", self.runtime_classes),
        }


NOTHING_ALLOWED = PodTemplatePolicy()


def _is_allowed(name: object, allowed: tuple[str, ...]) -> bool:
    if not isinstance(name, str) or name.startswith(NEVER):
        return False
    return name in allowed or (f"{name.partition('/')[0]}/*" in allowed and "/" in name)


def _explanation(name: object, setting: str, allowed: tuple[str, ...]) -> str:
    if str(name).startswith(NEVER):
        return f"is never allowed, not even by {setting}: it would break the isolation of Pods; remove it"
    return (
        f"is not allowed (allowed: {', '.join(allowed) or 'none'}); remove it, or ask the operator's "
        f"administrator to add it to {setting}"
    )


def check_entry(entry: str, pattern: re.Pattern[str]) -> str:
    """An entry of a setting; ValueError if it is not a name that can be allowed."""
    if not pattern.fullmatch(entry) or entry == "*" or entry.startswith(NEVER):
        raise ValueError(entry)
    return entry
