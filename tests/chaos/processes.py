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


def processes_below(folder: str) -> list[str]:
    """Describe the processes whose temporary files are below a folder."""
    place = os.fsencode(folder)
    return [
        _read(pid, "cmdline").replace(b"\0", b" ").decode(errors="replace")
        + f"(process {pid} of {parent}, status {_read(pid, 'stat').decode()})"
        for pid, parent in _parents().items()
        if place in _read(pid, "environ")
    ]


def _parents() -> dict[int, int]:
    """Return the parent of every process."""
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    # After the name in its brackets, which may hold anything: the state, then the parent.
    fields = {pid: _read(pid, "stat").rpartition(b")")[2].split() for pid in pids}
    return {pid: int(found[1]) for pid, found in fields.items() if found}


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:  # it has just ended, or is not ours to look at
        return b""
