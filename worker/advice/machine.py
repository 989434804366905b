"""What the machine refuses: processes, open files, disk and memory."""

import errno
import os
import tempfile
from contextlib import suppress
from pathlib import Path

from worker.advice.texts import Advice

_BY_ERRNO = {
    errno.EAGAIN: Advice.PROCESS_LIMIT,
    errno.EMFILE: Advice.FILE_LIMIT,
    errno.ENFILE: Advice.FILE_LIMIT,
    errno.ENOMEM: Advice.NO_MEMORY,
    errno.ENOSPC: Advice.DISK_FULL,
    errno.EDQUOT: Advice.DISK_FULL,
    errno.EROFS: Advice.DISK_READ_ONLY,
}
_NO_THREAD = "can't start new thread"  # Python's whole message: it has no class for that
# The limits of a container, by version of cgroups: "max", or more than there is, is none.
_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def on_machine(error: BaseException | None) -> str | None:
    """Return the cause and the next step for an error of the operating system that is known."""
    if isinstance(error, RuntimeError) and str(error) == _NO_THREAD:
        return Advice.PROCESS_LIMIT.fill()
    if isinstance(error, OSError) and (advice := _BY_ERRNO.get(error.errno or 0)):
        return advice.fill(folder=tempfile.gettempdir())
    return None


def on_killed_while_loading(model: Path, processes: int) -> str:
    """Return the likely cause if a process is killed while it loads the model."""
    size = model.stat().st_size if model.exists() else 0
    return Advice.MODEL_MEMORY.fill(
        memory=_megabytes(memory_bytes()), processes=processes, size=_megabytes(size)
    )


def memory_bytes() -> int:
    """Return the memory of the container, or of the machine if that is less."""
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for path in _LIMITS:
        with suppress(OSError, ValueError):
            found.append(int(Path(path).read_text()))
    return min(found)


def _megabytes(size: int) -> str:
    return f"{size / (1 << 20):,.0f} MiB"
