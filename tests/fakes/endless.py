"""Runs loops that have no end."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest


async def for_a_while(work: Coroutine[Any, Any, object], seconds: float) -> None:
    """Let something run that has no end."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(seconds):
            await work
