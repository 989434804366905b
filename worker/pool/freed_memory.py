"""Freed memory is kept for the next piece of a file, instead of going back to the kernel.

By default the C library returns freed memory as soon as a few megabytes are free. While a large
file is predicted it so returns the same memory again and again, and each time the kernel has to
clear its pages anew.
"""

import ctypes
import sys

# The names of mallopt(3), from malloc.h. What is set here is inherited by a fork.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
KEPT_BYTES = 32 << 20  # the most free memory that a process keeps at the end of its heap
# A larger block is mapped by itself, and goes back at once. By default the C library raises both
# limits too, up to twice these, but only after it has freed blocks of that size.
OWN_MAPPING_BYTES = KEPT_BYTES // 2


def keep_freed_memory() -> None:
    """Let this process and its forks keep freed memory; does nothing without the GNU C library."""
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    if mallopt is not None:
        mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
        mallopt(M_MMAP_THRESHOLD, OWN_MAPPING_BYTES)
