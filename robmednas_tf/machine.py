"""What this process may use of its machine."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path


def num_cores() -> int:
    """Returns how many cores this process may use."""
    # Of a container or a scheduler's job, not of the machine.
    allowed = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed else os.cpu_count() or 1


def available_memory_gb() -> float:
    """Returns the memory this process may still take, in 10^9 bytes: the machine's or its group's.

    Reads Linux's own accounts; elsewhere half of the machine's memory is taken for free.
    """
    limits = []
    with contextlib.suppress(OSError, ValueError):
        text = Path("/proc/meminfo").read_text(encoding="ascii")
        limits.append(1024 * int(re.search(r"MemAvailable:\s+(\d+)", text)[1]))  # type: ignore[index]
    with contextlib.suppress(OSError, ValueError):
        group = Path("/sys/fs/cgroup")
        limits.append(
            int((group / "memory.max").read_text()) - int((group / "memory.current").read_text())
        )
    if not limits:
        limits.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2)
    return min(limits) / 1e9
