"""Rejected rows: their share of a file, and their lines in the file beside its output.

Imports nothing heavy: the parent of the pool processes uses it too.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from worker.errors import TooManyRejected

_NEEDS_QUOTES = re.compile(r'[\r\n",]|\A\Z')


@dataclass(slots=True)
class RejectedShare:
    """The counts of a file's rows so far, and the first rejected ones."""

    limit: float
    """The most that may be rejected, as a fraction of the rows."""
    position_unit: str
    rows: int = 0
    """All rows, the rejected ones among them."""
    rejected: int = 0
    raising: int = 0
    """The rejected rows that the model raises on."""
    shown: list[tuple[int, str]] = field(default_factory=list)
    """Line and reason of the first rejected rows."""

    @property
    def file_fails(self) -> bool:
        """Whether the file fails already: no row may be rejected, and one is."""
        return self.rejected > 0 and not self.limit

    def refuse_too_many(self, *, is_read: bool = True) -> None:
        """Raise TooManyRejected if the share of rejected rows exceeds the limit.

        `is_read` is whether all rows are read; if not, the file must fail for certain.
        """
        if not self.rejected or self.rejected / self.rows <= self.limit:
            return
        shown = [f"{self.position_unit} {line}: {reason}" for line, reason in self.shown]
        more = f"; and {self.rejected - len(shown)} more" if self.rejected > len(shown) else ""
        # Once the file fails the model is not called any more; it might raise on more rows.
        at_least = "at least " if not is_read or (self.raising and self.file_fails) else ""
        raise TooManyRejected(
            f"{at_least}{self.rejected} of {'' if is_read else 'the first '}{self.rows} rows are "
            f"bad, and WORKER_MAX_REJECTED={self.limit:g} allows no more than that share: "
            f"{'; '.join(shown)}{more}{'' if is_read else '; the rest was not read'}"
        )


class RejectedRowsWriter:
    """Writes rejected rows as a CSV with the columns line, reason and row."""

    def __init__(self) -> None:
        self._header = b"line,reason,row\n"

    def write(self, rows: Sequence[tuple[int, bytes]], *, first_line: int = 0) -> bytes:
        """Add rows, each with its line, counted from the first one, and its `other_cells`."""
        lines = [b"%d,%b\n" % (first_line + line, cells) for line, cells in rows]
        header, self._header = self._header, b""
        return b"".join([header, *lines])


def other_cells(reason: str, row: str) -> bytes:
    """Return what stands behind the line in a rejected row: the reason, and the row's text."""
    return f"{_quoted(reason)},{_quoted(row)}".encode()


def _quoted(cell: str) -> str:
    if not _NEEDS_QUOTES.search(cell):
        return cell
    return '"' + cell.replace('"', '""') + '"'
