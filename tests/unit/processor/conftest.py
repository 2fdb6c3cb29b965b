"""What the processor's image has from Debian, so that nothing is left out here."""

from __future__ import annotations

from localcluster import machine

machine.install(machine.PROCESSOR_PACKAGES)
