"""What the files of a schedule hold, and their output, which must not depend on who predicts them.

A small file is one line: its kind, the seconds of its prediction, its key, and its version. In a
large file rows follow that line; the seconds are those of each row.
"""

from collections.abc import Iterator, Sequence

from worker.errors import ProcessLost, Unparsable
from worker.interfaces import (
    FilePlan,
    OutputForm,
    OutputHeader,
    OutputPiece,
    PartBegin,
    PartMessage,
    PartResult,
    Position,
    RejectedLines,
)
from worker.jobs.rejected_rows import NO_REJECTS

BAD_ROWS = b" bad"  # the end of a content of which some rows are rejected, and of a rejected row
LENIENT = "cp1252"  # read in this encoding, no content has bad rows
FORM = OutputForm("text/csv", None)
PREDICTED_BYTES = 90  # of a part, in rows of ten to fifty
LONGEST_ROW = 64


def is_large(content: bytes) -> bool:
    """Return whether a file has rows, so that several processes can predict it."""
    return b"\n" in content


def seconds_of(content: bytes) -> float:
    """Return how long a small file takes, or a row of a large one."""
    return float(content.split()[1])


def predicted(content: bytes, encoding: str) -> bytes:
    """Return the output of a file that is read in this encoding."""
    first, *rows = content.splitlines(keepends=True)
    good = [row for row in rows if not is_bad(row, encoding)]
    return b"".join([_header(first, encoding), *good])


def rejects(content: bytes, encoding: str) -> bytes:
    """Return the file of rejected rows of a file; it is left out if it holds none."""
    if is_large(content):
        rows = enumerate(content.splitlines(), start=1)
        bad = [b"%d,%b\n" % (line, row) for line, row in rows if is_bad(row, encoding)]
        return b"".join([NO_REJECTS, *bad])
    if is_bad(content, encoding):
        return b"rejected, %s: " % encoding.encode() + content
    return NO_REJECTS


def is_bad(row: bytes, encoding: str) -> bool:
    """Return whether a row is rejected, or some rows of a small file."""
    return row.rstrip(b"\n").endswith(BAD_ROWS) and encoding != LENIENT


def fail(kind: bytes) -> None:
    """Fail as a file or row of that kind does: its process is killed, or cannot read it."""
    if kind == b"killer":
        raise ProcessLost("killed")
    if kind == b"poison":
        raise Unparsable("not a table")


def plan_of(first: bytes, size: int) -> FilePlan:
    """Plan a large file, of which these are the first bytes."""
    line = first[: first.index(b"\n") + 1]
    begin = Position(len(line), 2)
    if b" packed" in line:
        return FilePlan(FORM, begin, (0,), None, "line", line, cut_bytes=PREDICTED_BYTES)
    return FilePlan(FORM, begin, range(0, size, PREDICTED_BYTES), size, "line", line)


def predict_rows(
    rows: Sequence[bytes], begin: int, plan: FilePlan, encoding: str
) -> Iterator[PartMessage]:
    """Yield what a process sends about a part with these rows; raises what the part fails with."""
    header = OutputHeader(_header(plan.state, encoding), "columns")
    yield PartBegin(begin)
    yield header
    for number, row in enumerate(rows):
        fail(row.split()[0])
        if is_bad(row, encoding):
            yield RejectedLines([(number, row.rstrip(b"\n"))])
        else:
            yield OutputPiece(row, rejects=False)
    bad = [number for number, row in enumerate(rows) if is_bad(row, encoding)]
    good = len(rows) - len(bad)
    end = begin + sum(map(len, rows))
    shown = [(number, "bad") for number in bad[:10]]
    empty = None if good else header
    yield PartResult(end, len(rows), good, len(rows), len(bad), 0, shown, empty)


def row_at(text: bytes, position: int) -> int:
    """Return where the first row begins that begins at an offset or behind it."""
    return text.find(b"\n", position - 1) + 1 or len(text) if position else 0


def _header(first: bytes, encoding: str) -> bytes:
    return b"predicted, %b: %b" % (encoding.encode(), first)
