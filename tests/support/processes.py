"""What /proc says of processes."""

import os
from pathlib import Path


def pool_processes(worker: int) -> list[int]:
    """Return the pool processes of a worker: the children of its forkserver."""
    parents = _parents()
    return [
        pid
        for pid, parent in parents.items()
        if parents.get(parent) == worker and b"forkserver" in _read(parent, "cmdline")
    ]


def processes_below(folder: Path) -> list[str]:
    """Describe the other processes that name a folder in their environment or command line."""
    place = os.fsencode(folder)
    return [
        _read(pid, "cmdline").replace(b"\0", b" ").decode(errors="replace")
        + f"(process {pid} of {parent}, status {_read(pid, 'stat').decode()})"
        for pid, parent in _parents().items()
        if place in _read(pid, "environ") + _read(pid, "cmdline") and pid != os.getpid()
    ]


def _parents() -> dict[int, int]:
    """Return the parent of every process."""
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    # The name stands in brackets and may hold anything; after it come the state and the parent.
    fields = {pid: _read(pid, "stat").rpartition(b")")[2].split() for pid in pids}
    return {pid: int(found[1]) for pid, found in fields.items() if found}


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:  # the process has just ended, or belongs to another user
        return b""
