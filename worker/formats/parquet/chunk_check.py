"""Checks the footer's entries for columns, because Arrow aborts the process at a damaged one."""

import io
from collections.abc import Sequence

import pyarrow as pa
from pyarrow import parquet

_SIZE = 2**62  # whether an entry lies within the file is checked by the plan


def check_chunks(
    footer: parquet.FileMetaData, columns: Sequence[str], groups: Sequence[int]
) -> None:
    """Raise as Arrow does for a damaged file if an entry for these columns cannot be used.

    `RowGroupMetaData.column` aborts the process instead, as Cython lets no exception of C++ out of
    it. The plan for a read looks at the same entries first, and its errors become exceptions.
    """
    if not columns or not groups:
        return
    nothing = pa.PythonFile(_Unread(), "r")
    file = parquet.ParquetFile(nothing, metadata=footer, pre_buffer=True)
    planned = file.iter_batches(1, row_groups=groups, columns=columns, use_threads=False)
    try:
        next(planned, None)
    except KeyError as began:  # the plan is made, and Arrow asks for the first bytes
        if isinstance(began, pa.ArrowException):
            raise
        # Arrow keeps the exception with the file. Its traceback would keep this frame, and so both.
        began.__traceback__ = None


class _Unread(io.RawIOBase):
    """A file with a size, within which every entry lies, and without bytes."""

    def readable(self) -> bool:
        return True

    def seek(self, _offset: int, _whence: int = 0, /) -> int:
        return 0

    def tell(self) -> int:
        """Return the size: Arrow asks for it at the end of the file."""
        return _SIZE

    # Raises KeyError. A method would leave its frame, and those of its callers, in the traceback.
    read = dict[int, bytes]().__getitem__  # type: ignore[assignment] # called with the size
