"""The cores of this machine, shared among the pool processes."""

import os


def usable_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # pragma: no cover - macOS has no affinity


def threads_of_each(processes: int) -> int:
    """Return by how many threads each of so many processes computes."""
    return max(1, usable_cores() // processes)
