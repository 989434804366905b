"""Puts the parts of a large file together: an unbroken chain from its first row to its end.

Imports nothing heavy: the parent of the pool processes uses it.

Where the first row of a part begins is known for certain only once the part before it has ended.
Until then a process guesses. What it sends is kept back until its part is the head of the chain,
the part that the chain has reached. If it has begun where the chain stands, what it sends is
output; else the part is predicted again, from there. A wrong guess so costs time, and never a row.

The parts of a compressed file are cut while others are predicted, so they are added one by one.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from worker.distributions import Distributions
from worker.errors import PredictionFailed, TidegateError, TransientError, Unparsable
from worker.footers.joined import JoinedFooter
from worker.interfaces import (
    MAX_SHOWN_ROWS,
    Checksum,
    CutPart,
    FilePlan,
    OutputHeader,
    OutputPiece,
    Part,
    PartBegin,
    PartMessage,
    PartResult,
    Position,
    RejectedLines,
    RowGroups,
    ScoreResult,
)
from worker.scoring import gzip_member
from worker.scoring.rejected_rows import RejectedRowsWriter, RejectedShare


class PartChain:
    """Hands out the parts of a file, takes what processes send for them, and puts it in order.

    Any number of processes may work at once: take a part with `next_part`, and pass each message
    about it to `add`. What `add` returns is to be written in the order of the calls.
    """

    def __init__(self, plan: FilePlan, max_rejected: float) -> None:
        self._plan = plan
        self._starts = list(plan.starts)
        self._end = plan.end
        self._failure: TidegateError | None = None  # at the end of what could be unpacked
        self.count = 0 if plan.is_packed else len(plan.starts)
        """How many parts there are so far."""
        self._position = plan.begin  # where the chain ends so far
        self._next_number = self.head  # the first part that nobody has worked on
        self._repeat: _Run | None = None  # the head, which is to be predicted again
        self._runs: dict[Part, _Run] = {}
        self._header: OutputHeader | None = None
        self._empty: OutputHeader | TidegateError | None = None
        self._footer: JoinedFooter | None = None
        self._rejects = RejectedRowsWriter()
        self._share = RejectedShare(max_rejected, plan.position_unit)
        self._rows = 0
        self._predictions: Distributions | None = None
        self._in_gzip = plan.output_compression == "gzip"
        self._checksum = Checksum()
        self.repeats = 0
        """How many parts had to be predicted again."""

    @property
    def head(self) -> int:
        """The number of the part that the chain has reached."""
        return bisect_right(self._starts, self._position.offset) - 1

    @property
    def next_number(self) -> int:
        """The number of the first part that nobody has worked on."""
        return max(self._next_number, self.head)

    @property
    def is_complete(self) -> bool:
        """Whether the chain has reached the end of the file."""
        return self._end is not None and self._position.offset >= self._end

    @property
    def needs_text(self) -> bool:
        """Whether the file is compressed, and the head is to be cut before anybody can predict."""
        return self._end is None and self.head == self.count

    @property
    def unbegun(self) -> int:
        """How many parts there are on which nobody has worked."""
        return self.count - self.next_number

    @property
    def needs_process(self) -> bool:
        """Whether nobody works on the head, so that nothing can be written before `next_part`."""
        return not self.is_complete and self._head_run() is None

    @property
    def held_bytes(self) -> int:
        """The bytes of output that are kept back until their part is the head."""
        return sum(run.held_bytes for run in self._runs.values())

    def is_head(self, part: Part) -> bool:
        """Return whether what a process sends for this part can be written as it comes."""
        return part in self._runs and part.number == self.head

    def is_void(self, part: Part) -> bool:
        """Return whether what a process still sends for this part is of no use."""
        return part not in self._runs

    def result(self) -> ScoreResult:
        """Return the counts of the rows; the chain must be complete."""
        assert self.is_complete
        return ScoreResult(self._rows, self._share.rejected, predictions=self._predictions)

    def next_part(self) -> Part | None:
        """Return the next part to predict; None if there is none, or none at the moment."""
        run, self._repeat = self._repeat, None
        if run is None:
            self._next_number = max(self._next_number, self.head)
            if self.is_complete or self._next_number == self.count:
                return None
            is_head = self._next_number == self.head
            run = _Run(self._head_part() if is_head else self._later_part())
            self._next_number += 1
        self._runs[run.part] = run
        return run.part

    def add(self, part: Part, message: PartMessage) -> list[OutputPiece]:
        """Take a message about a part; returns what is to be written now.

        Raises the error with which the file fails: that of a part that has begun at the right
        place, TooManyRejected, or PredictionFailed if the model's columns change.
        """
        if part not in self._runs:
            return []
        self._runs[part].add(message)
        return list(self._advance())

    def add_cut(self, cut: CutPart | Unparsable) -> list[OutputPiece]:
        """Add the next part of a compressed file; returns what is to be written now.

        The text ends with an empty part, or with the error of a damaged file: the file fails with
        it once the chain has reached it. Raises TooManyRejected if an earlier part fails the file.
        """
        start = self._starts[-1]
        if isinstance(cut, CutPart) and cut.stop > start:
            self.count += 1
            self._starts.append(cut.stop)
            self._refuse_for_certain()
            return []
        self._end = start
        self._failure = cut if isinstance(cut, Unparsable) else None
        return list(self._finish() if self.is_complete else ())

    def _advance(self) -> Iterator[OutputPiece]:
        """Take the messages about the head; and about the next part, when the head has ended."""
        while (run := self._head_run()) is not None:
            if self._is_wrong(run):
                self._predict_again(run)
                return
            if not run.messages:
                return
            yield from self._take(run, run.pop())

    def _is_wrong(self, run: "_Run") -> bool:
        """Return whether the head is to be predicted again, with what is known of it now."""
        if run.begin not in (None, self._position.offset):
            return True
        # An error is certain only from a known begin, and only its text has the right lines. A
        # guess is made as if the model had predicted rows before: else its rows may not be bad.
        return run.is_guess and (run.failed or not self._rows)

    def _head_part(self) -> Part:
        return Part(self.head, self._position, has_predicted=self._rows > 0)

    def _later_part(self) -> Part:
        number = self._next_number
        begin = Position(self._starts[number], 0) if self._plan.is_packed else None
        return Part(number, begin, has_predicted=True)

    def _head_run(self) -> "_Run | None":
        head = self.head
        return next((run for run in self._runs.values() if run.part.number == head), None)

    def _predict_again(self, run: "_Run") -> None:
        del self._runs[run.part]
        self.repeats += 1
        self._repeat = _Run(self._head_part(), must_fail=run.is_written)

    def _take(self, run: "_Run", message: PartMessage) -> Iterator[OutputPiece]:
        if isinstance(message, TidegateError):
            raise message
        if run.must_fail:
            if isinstance(message, PartResult):
                raise TransientError("a part of the file failed, and then did not fail again")
            return
        run.is_written = True
        match message:
            case PartResult():
                yield from self._end_part(run, message)
            case OutputHeader():
                yield from self._take_header(message)
            case RejectedLines(rows):
                data = self._rejects.write(rows, first_line=self._position.line)
                yield OutputPiece(data, rejects=True)
            case RowGroups():
                assert self._footer is not None
                self._footer.add(message)
            case OutputPiece():
                yield message

    def _take_header(self, header: OutputHeader) -> Iterator[OutputPiece]:
        if self._header is None:
            self._header = header
            self._footer = JoinedFooter(header.footer) if header.footer else None
            self._add_checksum(header.checksum)
            begin = gzip_member.BEGIN if self._in_gzip else b""
            yield OutputPiece(begin + header.data, rejects=False)
        elif (header.columns, header.footer) != (self._header.columns, self._header.footer):
            raise PredictionFailed(
                f"the model answered {self._header.columns} for the first rows and "
                f"{header.columns} for later ones"
            )

    def _end_part(self, run: "_Run", result: PartResult) -> Iterator[OutputPiece]:
        self._count(result)
        self._position = Position(result.end, self._position.line + result.lines)
        # Else nobody would predict what is left of the part, and the job would wait for that.
        assert self.is_complete or self.head > run.part.number, "a part has ended too early"
        self._empty = self._empty or result.empty
        self._add_checksum(result.checksum)
        if self.is_complete:
            self._runs = {}  # some may have begun at the end of the file
            yield from self._finish()
            return
        # A row may be longer than a part: nothing begins in the parts before the new head.
        self._runs = {
            part: other
            for part, other in self._runs.items()
            if other is not run and part.number >= self.head
        }
        self._refuse_for_certain()

    def _refuse_for_certain(self) -> None:
        """Raise TooManyRejected if the file fails; after its last part the count would be exact."""
        if self._share.file_fails and not self.needs_text:
            self._share.refuse_too_many(is_read=False)

    def _add_checksum(self, checksum: Checksum) -> None:
        if self._in_gzip:
            self._checksum = gzip_member.join_checksums(self._checksum, checksum)

    def _finish(self) -> Iterator[OutputPiece]:
        if self._failure is not None:
            raise self._failure
        self._share.refuse_too_many()
        if self._header is None:
            if isinstance(self._empty, TidegateError):
                raise self._empty
            assert self._empty is not None
            yield from self._take_header(self._empty)
        if self._footer is not None:
            yield OutputPiece(self._footer.finish(), rejects=False)
        if self._in_gzip:
            yield OutputPiece(gzip_member.end(self._checksum), rejects=False)

    def _count(self, result: PartResult) -> None:
        share, base = self._share, self._position.line
        self._rows += result.rows
        if result.predictions is not None:  # in the order of the file: a mean's last digits show it
            self._predictions = (self._predictions or Distributions()).merge(result.predictions)
        share.rows += result.read
        share.rejected += result.rejected
        share.raising += result.raising
        shown = [(base + line, reason) for line, reason in result.shown]
        share.shown += shown[: MAX_SHOWN_ROWS - len(share.shown)]


@dataclass(slots=True)
class _Run:
    """One attempt at a part, and its messages that are kept back."""

    part: Part
    must_fail: bool = False  # what it sends is written already, by a run that failed
    is_written: bool = False
    begin: int | None = None
    failed: bool = False
    held_bytes: int = 0
    messages: deque[PartMessage] = field(default_factory=deque)

    @property
    def is_guess(self) -> bool:
        return self.part.is_guess

    def add(self, message: PartMessage) -> None:
        if isinstance(message, PartBegin):
            self.begin = message.offset
            return
        self.failed = isinstance(message, TidegateError)
        self.held_bytes += size_of(message)
        self.messages.append(message)

    def pop(self) -> PartMessage:
        message = self.messages.popleft()
        self.held_bytes -= size_of(message)
        return message


def size_of(message: PartMessage) -> int:
    """Return the bytes of output in a message."""
    if isinstance(message, OutputPiece):
        return len(message.data)
    if isinstance(message, RowGroups):
        return sum(len(entry.data) for entry in message.entries)
    return sum(len(text) for _, text in message.rows) if isinstance(message, RejectedLines) else 0
