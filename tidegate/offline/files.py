"""A file on disk as a pool process reads its input, and as it writes its output."""

import io
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from worker.errors import TidegateError
from worker.interfaces import OutputForm, Range
from worker.jobs.limits import PART_BYTES
from worker.jobs.rejected_rows import REJECTS_SUFFIX

PIECE_BYTES = 1 << 20
SPOOLED_BYTES = 64 << 20  # of an output for a stream, before they go to the disk
TEXT_TYPES = ("text/csv", "application/x-ndjson")


class FileReader:
    """Implements worker.interfaces.InputReader."""

    def __init__(self, file: IO[bytes]) -> None:
        self.size = os.fstat(file.fileno()).st_size
        self.first = file.read(PART_BYTES)  # as a worker, before it knows the format
        self._file = file

    def read(self, ranges: Sequence[Range]) -> Iterator[bytes]:
        """Yield the bytes of the ranges in order."""
        for start, stop in ranges:
            self._file.seek(start)
            left = stop - start
            while left:
                piece = self._file.read(min(left, PIECE_BYTES))
                if not piece:
                    raise OSError("the file became shorter while it was read")
                left -= len(piece)
                yield piece

    def reserve(self, size: int) -> None:
        """Do nothing: no other job needs memory, and the limit of one job is checked elsewhere."""


class FileWriter:
    """Implements tidegate.offline.scoring.Output: the output appears whole, or not at all.

    Its name is `target`, followed by its format if that is not the input's. Rejected rows go
    beside it. Rejected rows of an earlier output are removed.
    """

    def __init__(self, target: Path) -> None:
        self.target = self._named = target
        self._output: _Draft | None = None
        self._rejects: _Draft | None = None

    @property
    def rejects(self) -> Path:
        """Where the rejected rows are."""
        return self.target.with_name(self.target.name + REJECTS_SUFFIX)

    def open(self, form: OutputForm) -> None:
        """Begin the output."""
        if form.converted_to:
            self.target = self._named.with_name(f"{self._named.name}.{form.converted_to}")
        self._output = _Draft(self.target)

    def write(self, data: bytes) -> None:
        """Append to the output."""
        assert self._output is not None
        self._output.file.write(data)

    def reject(self, data: bytes) -> None:
        """Append to the file of rejected rows."""
        if self._rejects is None:
            self._rejects = _Draft(self.rejects)
        self._rejects.file.write(data)

    def publish(self) -> None:
        """Give output and rejected rows their names; the rejected rows first, as a worker does."""
        if self._rejects is None:
            self.rejects.unlink(missing_ok=True)
        for draft in self._drafts():
            draft.publish()

    def __enter__(self) -> Self:
        """Begin, or begin again."""
        self.target, self._output, self._rejects = self._named, None, None
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Remove what was not published."""
        for draft in self._drafts():
            draft.discard()

    def _drafts(self) -> Iterator["_Draft"]:
        for draft in (self._rejects, self._output):
            if draft is not None:
                yield draft


class _Draft:
    """A file without its name yet, in the folder where it will be."""

    def __init__(self, target: Path) -> None:
        self._target = target
        target.parent.mkdir(parents=True, exist_ok=True)
        number, path = tempfile.mkstemp(prefix=f".{target.name[:100]}-", dir=target.parent)
        self._path = Path(path)
        self.file = os.fdopen(number, "wb")

    def publish(self) -> None:
        self.file.close()
        # mkstemp's file is for its owner alone, and an output is for whom other files are.
        mask = os.umask(0)
        os.umask(mask)
        self._path.chmod(0o666 & ~mask)
        self._path.replace(self._target)

    def discard(self) -> None:
        self.file.close()
        with suppress(FileNotFoundError):  # it has its name
            self._path.unlink()


class StreamWriter:
    """Implements tidegate.offline.scoring.Output: a stream gets the whole output, or nothing.

    Raises TidegateError for an output that is not text if the stream is a terminal. Rejected rows
    are not kept.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._spool: IO[bytes] = io.BytesIO()

    def open(self, form: OutputForm) -> None:
        """Check that the output may go to the stream."""
        if form.content_type not in TEXT_TYPES and self._stream.isatty():
            raise TidegateError(
                f"the output is {form.content_type}, which a terminal does not show: name a file "
                "with -o, or add --set OUTPUT_FORMAT=csv"
            )

    def write(self, data: bytes) -> None:
        """Append to the output."""
        self._spool.write(data)

    def reject(self, data: bytes) -> None:
        """Leave the rejected rows out."""

    def publish(self) -> None:
        """Send the output to the stream."""
        self._spool.seek(0)
        shutil.copyfileobj(self._spool, self._stream)
        self._stream.flush()

    def __enter__(self) -> Self:
        """Begin, or begin again."""
        self._spool = tempfile.SpooledTemporaryFile(SPOOLED_BYTES)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Remove the spool."""
        self._spool.close()
