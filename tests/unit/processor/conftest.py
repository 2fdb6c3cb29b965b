"""Installs the Debian packages of the processor's image."""

from __future__ import annotations

from localcluster import machine

machine.install(machine.PROCESSOR_PACKAGES)
